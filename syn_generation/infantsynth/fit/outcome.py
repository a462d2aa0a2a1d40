"""Keep and judge what became of each person: arrays on disk, errors, the report."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fidip.environment import logger, provenance
from fidip.errors import DataError
from fidip.files import atomic_path, read_arrays, write_json, write_text
from fidip.skeleton import COCO17
from infantsynth.body import BodyModel
from infantsynth.fit.fitting import FitResult, extents
from infantsynth.fit.keypoints import Subject
from infantsynth.fit.plan import FitPlan
from infantsynth.fit.settings import Settings
from infantsynth.priors import JointLimits
from infantsynth.priors.capsules import self_penetration

Array = np.ndarray

OK, POOR, FAILED = "ok", "poor", "failed"
CSV_NAME, SUMMARY_NAME = "errors.csv", "summary.json"


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
        """Camera matrix (3, 3) in px, principal point in the middle of the image."""
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
        arrays = read_arrays(path, "fit")
        row = {name: arrays[f"row_{name}"].item() for name in COLUMNS}
        width, height = arrays["size"].tolist()
        posture = str(arrays["posture"][0]) if "posture" in arrays else ""
        return Outcome(
            Row(**row),
            str(arrays["key"]),
            str(arrays["body"]),
            arrays["pose"],
            arrays["betas"],
            arrays["transl"],
            float(arrays["focal"]),
            (width, height),
            arrays["keypoints"],
            arrays["projected"],
            posture,
        )
    except (OSError, KeyError, ValueError, EOFError, TypeError) as error:
        raise DataError(f"fit {path} cannot be read ({error}); remove it and fit again") from error


def read_outcomes(folder: Path) -> list[Outcome]:
    """Read all fits at any depth of a folder, in the order of their paths. Raises DataError where there are none."""
    files = sorted(folder.rglob("*.npz")) if folder.is_dir() else []
    if not files:
        raise DataError(f"there are no fits (npz) in {folder}; make them with syn_generation/fit.py")
    return [read_outcome(file) for file in files]


def fitted_poses(folder: Path, body: BodyModel, max_error: float) -> tuple[Array, Array]:
    """Read poses (N, J, 3) rad and betas (N, K) of the good fits of a body at any depth of a folder.

    max_error: mean error in per cent of the box's diagonal. Raises DataError where none is good enough or a fit is
    of another body.
    """
    found = read_outcomes(folder)
    others = sorted({outcome.body for outcome in found} - {body.name})
    if others:
        raise DataError(f"{folder} holds fits of body {others[0]!r}, not {body.name!r}; name it with --body")
    good = [o for o in found if o.row.status == OK and o.row.mean_percent <= max_error]
    logger.info("%d of %d fits are good enough (mean error at most %g %%)", len(good), len(found), max_error)
    if not good:
        raise DataError(
            f"{folder} holds no fit with a mean error of {max_error:g} % or less; allow more or fit better"
        )
    return np.stack([o.pose for o in good]), np.stack([o.betas for o in good])


@dataclass(frozen=True)
class Tolerance:
    """Beyond these a fit is poor: mean error in per cent of the box's diagonal, penetration in m."""

    percent: float = 3.0
    penetration: float = 0.04


def posed_vertices(body: BodyModel, betas: Array, pose: Array, transl: Array) -> Array:
    """Return vertices (N, V, 3) m in camera axes of fits: betas (N, K), pose (N, J, 3) rad, transl (N, 3) m."""
    with torch.no_grad():
        tensors = (torch.as_tensor(part).to(body.template) for part in (betas, pose, transl))
        return body(*tensors).vertices.double().cpu().numpy()


def outcomes(
    plan: FitPlan, subjects: Sequence[Subject], keys: Sequence[str], fits: FitResult, tolerance: Tolerance
) -> list[Outcome | Row]:
    """Return an outcome for each person that was fitted, a row for each that was not."""
    limits = JointLimits.for_body(plan.body)
    made: list[Outcome | Row] = []
    for i, subject in enumerate(subjects):
        if not np.isfinite(fits.cost[i]) or not np.isfinite(fits.pose[i]).all():
            made.append(
                failed(
                    subject,
                    "no body was found for these keypoints: too few joints, all in one place, or far apart",
                )
            )
            continue
        vertices = posed_vertices(
            plan.body, *(part[i : i + 1] for part in (fits.betas, fits.pose, fits.transl))
        )
        depth = float(self_penetration(plan.body, vertices)[0])
        beyond = float(limits.violation(fits.pose[i])[1:].max())
        row = judge(subject, fits, i, depth, beyond, tolerance)
        own = fits.pose[i], fits.betas[i], fits.transl[i], float(fits.focal[i])
        seen = subject.size, subject.keypoints, fits.projected[i], subject.posture
        made.append(Outcome(row, keys[i], plan.body.name, *own, *seen))
    return made


def judge(
    subject: Subject, fits: FitResult, i: int, depth: float, beyond: float, tolerance: Tolerance
) -> Row:
    """Return the row of a person that was fitted; depth in m, beyond in rad."""
    error = fits.error_px[i]
    diagonal = float(np.linalg.norm(extents(subject.keypoints[None])[0]))
    percent = float(np.nanmean(error)) / diagonal * 100
    reasons = []
    if percent > tolerance.percent:
        reasons.append(f"mean error {percent:.2f} % of the box, more than {tolerance.percent:g}")
    if depth > tolerance.penetration:
        reasons.append(f"parts sink {depth:.3f} m into each other, more than {tolerance.penetration:g}")
    return Row(
        name=subject.name,
        person=subject.person,
        status=POOR if reasons else OK,
        reason="; ".join(reasons),
        joints=int(np.isfinite(error).sum()),
        mean_px=float(np.nanmean(error)),
        median_px=float(np.nanmedian(error)),
        max_px=float(np.nanmax(error)),
        mean_percent=percent,
        penetration_m=depth,
        limit_rad=beyond,
        cost=float(fits.cost[i]),
        start=int(fits.start[i]),
        converged=bool(fits.converged[i]),
        source=subject.source,
    )


def failed(subject: Subject, reason: str) -> Row:
    """Return the row of a person that could not be fitted."""
    joints = int((subject.keypoints[:, 2] > 0).sum())
    return Row(subject.name, subject.person, FAILED, " ".join(reason.split()), joints, source=subject.source)


@dataclass(frozen=True)
class Clock:
    """What this run fitted (not what it found done), in how many seconds, and seconds of the CPU."""

    fitted: int = 0
    seconds: float = 0.0
    cpu: float = 0.0


def write_report(folder: Path, rows: Sequence[Row], settings: Settings, clock: Clock) -> dict[str, Any]:
    """Write errors.csv and summary.json; returns the summary."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in asdict(row).items()})
    write_text(folder / CSV_NAME, text.getvalue())
    summary = summarise(rows, clock)
    write_json(folder / SUMMARY_NAME, {**summary, "settings": settings, "provenance": provenance()})
    return summary


def summarise(rows: Sequence[Row], clock: Clock) -> dict[str, Any]:
    """Return counts, quantiles of the mean error in per cent of the box's diagonal, seconds per person."""
    counts = Counter(row.status for row in rows)
    percent = np.array([row.mean_percent for row in rows if row.status != FAILED])
    quantiles = {"median": 0.5, "p95": 0.95, "max": 1.0}
    return {
        "persons": len(rows),
        **{status: counts[status] for status in (OK, POOR, FAILED)},
        "mean_percent": {
            "mean": float(percent.mean()) if len(percent) else None,
            **{
                name: float(np.quantile(percent, q)) if len(percent) else None
                for name, q in quantiles.items()
            },
        },
        "fitted_now": clock.fitted,
        "seconds_per_person": clock.seconds / clock.fitted if clock.fitted else None,
        "cpu_seconds_per_person": clock.cpu / clock.fitted if clock.fitted else None,
    }


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.6g}"
    return str(value).lower() if isinstance(value, bool) else value
