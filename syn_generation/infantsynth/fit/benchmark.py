"""What fitting many persons at once saves against one by one."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fidip.errors import DataError
from infantsynth.fit.fitting import fit_bodies, usable
from infantsynth.fit.keypoints import read_subjects
from infantsynth.fit.plan import FitPlan, make_plan
from infantsynth.fit.settings import Settings

Array = np.ndarray

SIZES = (1, 8, 64)  # persons in a batch


@dataclass(frozen=True)
class BatchTime:
    """One batch size. wall, cpu: s per person. moved: px, the farthest that a projected keypoint is from where the
    first size put it, median over the persons and of the worst one."""

    size: int
    wall: float
    cpu: float
    moved: tuple[float, float]


def benchmark(settings: Settings, count: int, sizes: Sequence[int] = SIZES) -> list[BatchTime]:
    """Fit the first ``count`` persons that can be fitted in batches of each size, or of all; nothing is written.

    Raises ConfigError and DataError as a fit does, and DataError where no person can be fitted.
    """
    data, plan = Path(settings["data_folder"]), make_plan(settings)
    subjects = read_subjects(
        data / settings["keyp_folder"], data / settings["img_folder"], settings["max_persons"]
    )
    sound = [s for s in subjects if not s.fault and usable(s.keypoints[None], plan.config)[0]][:count]
    if not sound:
        raise DataError(f"{data / settings['keyp_folder']} holds no person that can be fitted")
    keypoints = np.stack([subject.keypoints for subject in sound])
    pictures = np.array([subject.size for subject in sound], dtype=np.float64)
    _timed(plan, keypoints[:1], pictures[:1], 1)  # the rig is made once
    made: list[BatchTime] = []
    first: Array | None = None
    for size in sorted({min(size, len(sound)) for size in sizes}):
        wall, cpu, projected = _timed(plan, keypoints, pictures, size)
        first = projected if first is None else first
        moved = np.linalg.norm(projected - first, axis=-1).max(axis=1)
        made.append(
            BatchTime(
                size, wall / len(sound), cpu / len(sound), (float(np.median(moved)), float(moved.max()))
            )
        )
    return made


def _timed(plan: FitPlan, keypoints: Array, pictures: Array, size: int) -> tuple[float, float, Array]:
    """Wall and CPU seconds of fitting all in batches of ``size``, and the projected keypoints (N, 17, 2) px."""
    wall, cpu = time.perf_counter(), time.process_time()
    parts = [
        fit_bodies(
            plan.body,
            keypoints[i : i + size],
            pictures[i : i + size],
            plan.config,
            plan.prior,
            plan.shape_prior,
        )
        for i in range(0, len(keypoints), size)
    ]
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return wall, cpu, np.concatenate([part.projected for part in parts])
