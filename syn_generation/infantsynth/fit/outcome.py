"""What became of one person: the fit and how good it is, as plain arrays on disk and as a row of the report."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from fidip.errors import DataError
from fidip.runtime import atomic_path, write_json
from fidip.skeleton import COCO17

Array = np.ndarray

OK, POOR, FAILED = "ok", "poor", "failed"


@dataclass(frozen=True)
class Row:
    """One line of the report. status: ok, poor (fitted, but beyond a limit of the config) or failed; reason: why.

    joints: seen. Errors in px and, of the mean, in per cent of the diagonal of the keypoints' box. penetration_m: how
    deep body parts sink into each other. limit_rad: farthest that a joint is outside its range. start: the turn
    that won. source: file and record.
    """

    name: str
    person: int
    status: str
    reason: str = ""
    joints: int = 0
    mean_px: float = float("nan")
    median_px: float = float("nan")
    max_px: float = float("nan")
    mean_percent: float = float("nan")
    penetration_m: float = float("nan")
    limit_rad: float = float("nan")
    cost: float = float("nan")
    start: int = 0
    converged: bool = False
    source: str = ""


COLUMNS = tuple(part.name for part in fields(Row))


@dataclass(frozen=True)
class Outcome:
    """A fitted person. key: fingerprint of what decided on it; body: name of the body model.

    pose (J, 3) rad, betas (K,), transl (3,) m: camera axes (x right, y down, z forward). focal: px. size: (W, H) px.
    keypoints (17, 3) px and weights, projected (17, 2) px. posture: as labelled, may be empty.
    """

    row: Row
    key: str
    body: str
    pose: Array
    betas: Array
    transl: Array
    focal: float
    size: tuple[int, int]
    keypoints: Array
    projected: Array
    posture: str = ""

    @property
    def intrinsics(self) -> Array:
        """Camera matrix (3, 3) in px, principal point in the middle of the picture."""
        width, height = self.size
        return np.array([[self.focal, 0, (width - 1) / 2], [0, self.focal, (height - 1) / 2], [0, 0, 1.0]])


def write_outcome(path: Path, outcome: Outcome) -> None:
    """Write <path>.npz and <path>.json, each whole or not at all; the npz comes last and stands for both."""
    arrays = _arrays(outcome)
    plain = {name: value.tolist() for name, value in arrays.items()}
    plain |= {"keypoint_names": list(COCO17.names), "row": _finite(asdict(outcome.row))}
    write_json(path.with_suffix(".json"), plain)
    row = {f"row_{name}": np.array(value) for name, value in asdict(outcome.row).items()}
    with atomic_path(path.with_suffix(".npz")) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays, **row)


def _arrays(outcome: Outcome) -> dict[str, Array]:
    arrays = {
        name: np.asarray(getattr(outcome, name))
        for name in ("key", "body", "pose", "betas", "transl", "focal", "size", "keypoints", "projected")
    }
    arrays |= {"intrinsics": outcome.intrinsics, "status": np.array(outcome.row.status)}
    return arrays | ({"posture": np.array([outcome.posture])} if outcome.posture else {})


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    return {k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in values.items()}


def read_outcome(path: Path) -> Outcome:
    """Read the npz of ``write_outcome``. Raises DataError for a file that is none."""
    try:
        with np.load(path, allow_pickle=False) as content:
            arrays = {name: content[name] for name in content.files}
        row = {name: arrays[f"row_{name}"].item() for name in COLUMNS}
        width, height = arrays["size"].tolist()
        posture = str(arrays["posture"][0]) if "posture" in arrays else ""
        return Outcome(
            Row(**row), str(arrays["key"]), str(arrays["body"]), arrays["pose"], arrays["betas"], arrays["transl"],
            float(arrays["focal"]), (width, height), arrays["keypoints"], arrays["projected"], posture,
        )  # fmt: skip
    except (OSError, KeyError, ValueError, EOFError, TypeError) as error:
        raise DataError(f"fit {path} cannot be read ({error}); remove it and fit again") from error


def read_outcomes(folder: Path) -> list[Outcome]:
    """All fits at any depth of a folder, in the order of their paths. Raises DataError where there are none."""
    files = sorted(folder.rglob("*.npz")) if folder.is_dir() else []
    if not files:
        raise DataError(f"there are no fits (npz) in {folder}; make them with syn_generation/fit.py")
    return [read_outcome(file) for file in files]
