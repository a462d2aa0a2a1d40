"""Where results go, and what a test needs from a config besides network and data."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from fidip.config import run_name
from fidip.data.records import Record, Split
from fidip.errors import ConfigError
from fidip.evaluation import CocoEvaluator
from fidip.geometry import BOX_PADDING, extend_to_aspect
from fidip.packaged import find_weights
from fidip.skeleton import find_skeleton

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
    cfg: CfgNode, config_file: Path, weights: Path | None = None, folder: Path | None = None
) -> TestPlan:
    """Find the checkpoint and the folder of a test.

    Without ``weights`` and TEST.MODEL_FILE the best model of this config's training is tested, or the last one
    where none was selected, and results go beside it. Raises ConfigError when there is neither, and
    for a number of resamples that gives no interval.
    """
    if cfg.TEST.BOOTSTRAP == 1:
        raise ConfigError(f"TEST.BOOTSTRAP {cfg.TEST.BOOTSTRAP} gives no interval: set 0 (none) or e.g. 1000")
    if weights is None and cfg.TEST.MODEL_FILE:
        weights = find_weights(cfg.TEST.MODEL_FILE)
        folder = folder or Path(cfg.OUTPUT_DIR) / run_name(config_file, cfg, testing=True)
    folder = folder or train_folder(cfg, config_file)
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
        seed=cfg.SEED,
        device=cfg.DEVICE,
        boxes="gt" if cfg.TEST.USE_GT_BBOX else cfg.TEST.COCO_BBOX_FILE,
        pictures=cfg.TEST.PICTURES,
        bootstrap=cfg.TEST.BOOTSTRAP,
        features=Path(cfg.TEST.SAVE_FEATURES) if cfg.TEST.SAVE_FEATURES else None,
        split=cfg.DATASET.TEST_SET,
        domain_gap=cfg.TEST.DOMAIN_GAP,
    )


def is_test_only(cfg: CfgNode) -> bool:
    """Whether a config names weights to test, rather than a training."""
    return bool(cfg.TEST.MODEL_FILE)


def test_facts(cfg: CfgNode) -> tuple[str, str]:
    """Which area the OKS of a test uses, and the device's name as configured."""
    return cfg.TEST.AREA, cfg.DEVICE


def joint_set(cfg: CfgNode) -> str:
    """The skeleton of the annotations, for ``fidip.skeleton.find_skeleton``."""
    return str(cfg.DATASET.SKELETON)


test_facts.__test__ = False  # type: ignore[attr-defined]  # no test, whatever pytest thinks of its name


def train_folder(cfg: CfgNode, config_file: Path) -> Path:
    """The run folder of a training: its name holds a hash of all that changes the result."""
    return Path(cfg.OUTPUT_DIR) / run_name(config_file, cfg)


def build_evaluator(cfg: CfgNode, split: Split, content: dict[str, Any]) -> CocoEvaluator:
    """Ground truth (checked annotations of a split) with the scoring options of the config."""
    return CocoEvaluator(
        content,
        area=cfg.TEST.AREA,
        skeleton=find_skeleton(cfg.DATASET.SKELETON),
        in_vis_thre=cfg.TEST.IN_VIS_THRE,
        oks_thre=cfg.TEST.OKS_THRE,
        soft_nms=cfg.TEST.SOFT_NMS,
        source=f"annotation file {split.annotation_file}",
    )


def crop_areas(cfg: CfgNode, records: Sequence[Record]) -> list[float]:
    """Area in px^2 that each crop covers; the published OKS suppression is relative to it."""
    size = (cfg.MODEL.IMAGE_SIZE[0], cfg.MODEL.IMAGE_SIZE[1])
    return [float((extend_to_aspect(r.box[2:], size) * BOX_PADDING).prod()) for r in records]


def image_size(cfg: CfgNode) -> tuple[int, int]:
    """Network input (width, height), px."""
    return cfg.MODEL.IMAGE_SIZE[0], cfg.MODEL.IMAGE_SIZE[1]
