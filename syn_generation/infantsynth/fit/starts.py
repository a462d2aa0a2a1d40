"""First guesses: how the trunk lies in the picture, from several sides, and how far away it is."""

import numpy as np
from scipy.spatial.transform import Rotation

Array = np.ndarray

# body (x left, -y front, z up) upright and facing the camera (x right, y down, z forward)
FACING = Rotation.from_matrix([[1, 0, 0], [0, 0, -1], [0, 1, 0]])
UPPER, LOWER = (5, 6), (11, 12)  # shoulders, hips: COCO-17
UPPER_INSTEAD, LOWER_INSTEAD = (0, 1, 2, 3, 4), (13, 14, 15, 16)
BONES = np.array(
    [(5, 11), (6, 12), (5, 12), (6, 11), (5, 6), (11, 12), (5, 7), (6, 8), (7, 9), (8, 10), (11, 13), (12, 14), (13, 15),
     (14, 16)]
)  # fmt: skip
CLEAREST = 0.8  # quantile of the bones' scales: most are foreshortened, few look too long


def orientations(keypoints: Array, count: int) -> Array:
    """Rotation vectors (N, count, 3) rad: the body's axis as in the picture, turned about itself in equal steps.

    keypoints: (N, 17, 3) px and weights.
    """
    axis = _middle(keypoints, UPPER, UPPER_INSTEAD) - _middle(keypoints, LOWER, LOWER_INSTEAD)
    axis = np.where(np.isfinite(axis).all(axis=1, keepdims=True), axis, (0.0, -1.0))
    lean = np.arctan2(axis[:, 0], -axis[:, 1])
    leaned = Rotation.from_rotvec(lean[:, None] * (0.0, 0.0, 1.0)) * FACING
    turns = Rotation.from_rotvec(np.arange(count)[:, None] * (0.0, 0.0, 2 * np.pi / count))
    return np.stack([(leaned * turn).as_rotvec() for turn in turns], axis=1)


def distances(keypoints: Array, rest: Array, focal: Array) -> Array:
    """Distance (N,) m at which bones of the body at rest, (17, 3) m, look as long as seen; focal: (N,) px."""
    start, end = BONES.T
    seen = np.linalg.norm(keypoints[:, start, :2] - keypoints[:, end, :2], axis=2)
    scale = seen / np.linalg.norm(rest[start] - rest[end], axis=1)  # px per m
    scale[(keypoints[:, start, 2] == 0) | (keypoints[:, end, 2] == 0)] = np.nan
    known = np.isfinite(scale).any(axis=1)
    chosen = extents(keypoints).max(axis=1) / np.ptp(rest, axis=0).max()
    chosen[known] = np.nanquantile(scale[known], CLEAREST, axis=1)
    return focal / np.maximum(chosen, 1e-3)


def extents(keypoints: Array) -> Array:
    """Width and height (N, 2) px of the box around the seen keypoints of (N, 17, 3); 0 without any."""
    shown = (keypoints[..., 2] > 0)[..., None]
    high = np.where(shown, keypoints[..., :2], -np.inf).max(axis=1)
    low = np.where(shown, keypoints[..., :2], np.inf).min(axis=1)
    return np.where(shown.any(axis=1), high - low, 0.0)


def places(keypoints: Array, focal: Array, centre: Array) -> Array:
    """Where the pelvis is seen, (N, 2) as x/z and y/z."""
    hips = _middle(keypoints, LOWER, UPPER)
    shown = keypoints[..., 2] > 0
    mean = (keypoints[..., :2] * shown[..., None]).sum(axis=1) / np.maximum(shown.sum(axis=1), 1)[:, None]
    return (np.where(np.isfinite(hips), hips, mean) - centre) / focal[:, None]


def _middle(keypoints: Array, joints: tuple[int, ...], instead: tuple[int, ...]) -> Array:
    """Mean place (N, 2) px of the seen ones of ``joints``, else of ``instead``, else NaN."""
    middle = np.full((len(keypoints), 2), np.nan)
    for group in (instead, joints):
        shown = keypoints[:, group, 2] > 0
        some = shown.any(axis=1)
        total = (keypoints[:, group, :2] * shown[..., None]).sum(axis=1)
        middle[some] = total[some] / shown[some].sum(axis=1)[:, None]
    return middle
