"""The torso as the measure of a person: where it is, which way it points, how long it is."""

from dataclasses import dataclass

import numpy as np

from fidip.skeleton import Skeleton

Array = np.ndarray


@dataclass(frozen=True)
class Torsos:
    """Of N persons: axis (N, 2) from the shoulders' to the hips' middle, center (N, 2), length (N,); image px.

    labelled: (N,) both shoulders and both hips are.
    """

    center: Array
    axis: Array
    length: Array
    labelled: Array


def has_pair(skeleton: Skeleton, joint: str) -> bool:
    """Whether a skeleton has the left and right joint of a name, e.g. "hip"."""
    return {f"left_{joint}", f"right_{joint}"} <= set(skeleton.names)


def pair(skeleton: Skeleton, joint: str) -> list[int]:
    """Indices of the left and right joint of a name, e.g. "hip"."""
    return [skeleton.names.index(f"{side}_{joint}") for side in ("left", "right")]


def measure_torsos(keypoints: Array, skeleton: Skeleton) -> Torsos:
    """Torsos of keypoints (N, K, 3), image px and visibility; none is labelled without shoulders and hips."""
    if not (has_pair(skeleton, "shoulder") and has_pair(skeleton, "hip")):
        nothing = np.zeros((len(keypoints), 2))
        return Torsos(nothing, nothing, nothing[:, 0], np.zeros(len(keypoints), dtype=bool))
    shoulders, hips = (keypoints[:, pair(skeleton, joint)] for joint in ("shoulder", "hip"))
    top, bottom = shoulders[..., :2].mean(axis=1), hips[..., :2].mean(axis=1)
    labelled = np.concatenate([shoulders, hips], axis=1)[..., 2].min(axis=1) > 0
    axis = bottom - top
    return Torsos((top + bottom) / 2, axis, np.linalg.norm(axis, axis=1), labelled)


def cross(first: Array, second: Array) -> Array:
    """Cross product of vectors (..., 2); above 0 when ``second`` is clockwise of ``first`` in a picture."""
    return first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]
