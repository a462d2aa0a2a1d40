"""Where a training or a test runs, and what it leaves behind."""

from dataclasses import dataclass
from pathlib import Path

from fidip.config import Settings, run_name
from fidip.errors import ConfigError
from fidip.packaged import find_weights

BEST_MODEL = "model_best.pth"
LAST_MODEL = "model_last.pth"


@dataclass(frozen=True)
class TestPlan:
    """What is tested and where its results go.

    bootstrap: resamples for intervals, 0: none. features: file for streamed features, or None. split, domain_gap:
    what is tested, and the split whose features are compared with it, as configured; the latter may be empty.
    """

    __test__ = False  # not a test class, whatever pytest thinks of its name

    weights: Path
    folder: Path
    seed: int
    device: str
    boxes: str
    pictures: int
    bootstrap: int
    features: Path | None
    split: str
    domain_gap: str


def plan_test(
    settings: Settings, config_file: Path, weights: Path | None = None, folder: Path | None = None
) -> TestPlan:
    """Find the checkpoint and the folder of a test.

    Without ``weights`` and TEST.MODEL_FILE the best model of this config's training is tested, or the last one
    where none was selected, and results go beside it. Raises ConfigError when there is neither, and
    for a number of resamples that gives no interval.
    """
    if settings.TEST.BOOTSTRAP == 1:
        raise ConfigError(
            f"TEST.BOOTSTRAP {settings.TEST.BOOTSTRAP} gives no interval: set 0 (none) or e.g. 1000"
        )
    if weights is None and settings.TEST.MODEL_FILE:
        weights = find_weights(settings.TEST.MODEL_FILE)
        folder = folder or Path(settings.OUTPUT_DIR) / run_name(config_file, settings, testing=True)
    folder = folder or train_folder(settings, config_file)
    if weights is None:  # without a validation there is no best model
        weights = next(
            (f for f in (folder / BEST_MODEL, folder / LAST_MODEL) if f.is_file()), folder / BEST_MODEL
        )
    if not weights.is_file():
        raise ConfigError(
            f"TEST.MODEL_FILE is empty and {weights} does not exist: name a checkpoint, or train first"
        )
    return TestPlan(
        weights=weights,
        folder=folder,
        seed=settings.SEED,
        device=settings.DEVICE,
        boxes="gt" if settings.TEST.USE_GT_BBOX else settings.TEST.COCO_BBOX_FILE,
        pictures=settings.TEST.PICTURES,
        bootstrap=settings.TEST.BOOTSTRAP,
        features=Path(settings.TEST.SAVE_FEATURES) if settings.TEST.SAVE_FEATURES else None,
        split=settings.DATASET.TEST_SET,
        domain_gap=settings.TEST.DOMAIN_GAP,
    )


def train_folder(settings: Settings, config_file: Path) -> Path:
    """The run folder of a training: its name holds a hash of all that changes the result."""
    return Path(settings.OUTPUT_DIR) / run_name(config_file, settings)
