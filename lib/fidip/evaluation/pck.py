"""Numbers that say where a model fails: PCK and OKS per joint."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fidip.evaluation.matching import Match
from fidip.skeleton import COCO17, Skeleton

THRESHOLDS = (0.05, 0.1, 0.2)  # shares of the longer side of the ground-truth box

JointValues = dict[str, float | None]


def pck(
    matches: Sequence[Match], skeleton: Skeleton = COCO17, thresholds: Sequence[float] = THRESHOLDS
) -> dict[str, dict[str, Any]]:
    """Share of labelled joints predicted within ``threshold`` x the longer side of the ground-truth box.

    The joints of a missed person count as wrong. Returns {"0.05": {"mean": over all labelled joints,
    "joints": {name: over the persons with this joint labelled}}, ...}; None where nothing is labelled.
    """
    labelled, within = right_joints(matches, skeleton, thresholds)
    summary: dict[str, dict[str, Any]] = {}
    for threshold, right in zip(thresholds, within, strict=True):
        mean = float(right.sum() / labelled.sum()) if labelled.any() else None
        summary[f"{threshold:g}"] = {"mean": mean, "joints": _joint_means(right, labelled, skeleton)}
    return summary


def right_joints(
    matches: Sequence[Match], skeleton: Skeleton = COCO17, thresholds: Sequence[float] = THRESHOLDS
) -> tuple[np.ndarray, np.ndarray]:
    """Which joints of M persons are labelled, (M, K) bool, and which of these are right, (P, M, K) bool.

    The P thresholds are shares of the longer side of the ground-truth box; joints of a missed person are wrong.
    """
    labelled = _labelled(matches, skeleton)
    within = _relative_distances(matches, skeleton) <= np.reshape(thresholds, (-1, 1, 1))
    return labelled, within & labelled


def joint_oks(matches: Sequence[Match], skeleton: Skeleton = COCO17) -> JointValues:
    """Mean over persons of each joint's OKS term exp(-e), 0 for a missed person; None if never labelled."""
    terms = np.array([match.terms for match in matches]).reshape(-1, skeleton.num_joints)
    return _joint_means(terms, _labelled(matches, skeleton), skeleton)


def _labelled(matches: Sequence[Match], skeleton: Skeleton) -> np.ndarray:
    return np.array([match.labelled for match in matches], dtype=bool).reshape(-1, skeleton.num_joints)


def _relative_distances(matches: Sequence[Match], skeleton: Skeleton) -> np.ndarray:
    """Distance between prediction and label over the longer side of the box, (M, K); infinite where missed."""
    distances = np.full((len(matches), skeleton.num_joints), np.inf)
    for row, match in zip(distances, matches, strict=True):
        if match.prediction is not None:
            offset = match.prediction[:, :2] - match.truth[:, :2]
            row[:] = np.hypot(offset[:, 0], offset[:, 1]) / match.box[2:].max()
    return distances


def _joint_means(values: np.ndarray, labelled: np.ndarray, skeleton: Skeleton) -> JointValues:
    counts, sums = labelled.sum(axis=0), np.where(labelled, values, 0).sum(axis=0)
    return {
        name: float(total / count) if count else None
        for name, total, count in zip(skeleton.names, sums, counts, strict=True)
    }
