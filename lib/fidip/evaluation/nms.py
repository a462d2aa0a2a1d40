"""Object keypoint similarity (OKS) between predictions, and the suppression of repeated persons by it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fidip.skeleton import COCO17

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

MAX_KEPT = 20  # persons a picture that the soft version keeps; COCO scores no more


def joint_terms(
    a: ArrayLike, b: ArrayLike, area: ArrayLike, sigmas: Sequence[float] = COCO17.sigmas
) -> Array:
    """Each joint's share of the OKS, exp(-d^2 / (2 (2 sigma)^2 (area + eps))), in 0..1.

    a, b: (..., K, 2 or more) in image px, of which x and y are read; area: (...) px^2; all broadcast.
    Returns (..., K). The formula of the COCO keypoint evaluation.
    """
    distance2 = ((np.asarray(a, np.float64)[..., :2] - np.asarray(b, np.float64)[..., :2]) ** 2).sum(-1)
    spread = (2 * np.asarray(sigmas, np.float64)) ** 2 * (
        np.asarray(area, np.float64)[..., None] + np.spacing(1)
    )
    return np.exp(-distance2 / spread / 2)


def oks(
    a: ArrayLike, b: ArrayLike, area_a: ArrayLike, area_b: ArrayLike, sigmas: Sequence[float] = COCO17.sigmas
) -> Array:
    """OKS of predictions with each other: all joints count, the area is the mean of the two.

    a, b: (..., K, 2 or more) image px; area_a, area_b: (...) px^2; all broadcast. Returns (...) in 0..1.
    """
    mean_area = (np.asarray(area_a, np.float64) + np.asarray(area_b, np.float64)) / 2
    return joint_terms(a, b, mean_area, sigmas).mean(axis=-1)


def oks_nms(
    keypoints: ArrayLike,
    scores: ArrayLike,
    areas: ArrayLike,
    threshold: float,
    sigmas: Sequence[float] = COCO17.sigmas,
) -> Indices:
    """Keep the best person of each group whose OKS with it exceeds ``threshold``.

    keypoints (N, K, 2 or 3) image px; scores (N,); areas (N,) px^2. Returns the kept indices, best first.
    """
    xy, scores, areas = _as_arrays(keypoints, scores, areas)
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while order.size:
        best, rest = int(order[0]), order[1:]
        kept.append(best)
        order = rest[oks(xy[best], xy[rest], areas[best], areas[rest], sigmas) <= threshold]
    return np.array(kept, dtype=np.int64)


def soft_oks_nms(
    keypoints: ArrayLike,
    scores: ArrayLike,
    areas: ArrayLike,
    threshold: float,
    sigmas: Sequence[float] = COCO17.sigmas,
) -> Indices:
    """Take the best person again and again, each time lowering the others' scores by exp(-OKS^2 / threshold).

    Arguments as in ``oks_nms``. Returns at most 20 indices in the order in which they were taken.
    """
    return soft_oks_scores(keypoints, scores, areas, threshold, sigmas)[0]


def soft_oks_scores(
    keypoints: ArrayLike,
    scores: ArrayLike,
    areas: ArrayLike,
    threshold: float,
    sigmas: Sequence[float] = COCO17.sigmas,
) -> tuple[Indices, Array]:
    """``soft_oks_nms`` together with the lowered scores of the kept persons (Bodla et al., ICCV 2017)."""
    xy, scores, areas = _as_arrays(keypoints, scores, areas)
    order, lowered = np.arange(len(scores)), scores.copy()
    kept: list[int] = []
    while order.size and len(kept) < MAX_KEPT:
        order = order[np.argsort(-lowered[order], kind="stable")]
        best, order = int(order[0]), order[1:]
        kept.append(best)
        overlap = oks(xy[best], xy[order], areas[best], areas[order], sigmas)
        lowered[order] *= np.exp(-(overlap**2) / threshold)
    indices = np.array(kept, dtype=np.int64)
    return indices, lowered[indices]


def keypoint_areas(keypoints: ArrayLike) -> Array:
    """Area in px^2 of the box around all joints: (N, K, 2 or more) -> (N,)."""
    xy = np.asarray(keypoints, np.float64)[..., :2]
    return np.ptp(xy, axis=-2).prod(axis=-1)


def _as_arrays(keypoints: ArrayLike, scores: ArrayLike, areas: ArrayLike) -> tuple[Array, Array, Array]:
    xy, scores, areas = (np.asarray(values, np.float64) for values in (keypoints, scores, areas))
    if len({len(xy), len(scores), len(areas)}) != 1:
        raise ValueError(f"lengths differ: {len(xy)} keypoints, {len(scores)} scores, {len(areas)} areas")
    return xy, scores, areas
