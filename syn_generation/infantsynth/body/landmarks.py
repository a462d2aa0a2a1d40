"""Which vertices of the skin tell whether a keypoint can be seen."""

import numpy as np

from fidip.skeleton import COCO17
from infantsynth.body.parts import PART_NAMES, split_side

Array = np.ndarray

# the parts whose skin covers a keypoint; a knee is not seen because the other knee is
_COVER = {
    "nose": ("head",),
    "eye": ("head",),
    "ear": ("head",),
    "shoulder": ("upper_arm", "trunk"),
    "elbow": ("upper_arm", "forearm"),
    "wrist": ("forearm", "hand"),
    "hip": ("thigh", "trunk"),
    "knee": ("thigh", "shank"),
    "ankle": ("shank", "foot"),
}
_REACH = 1.35  # of the distance to the nearest skin
_LEAST = 0.012  # of the body's height: a patch on the face, where the keypoint lies on the skin


def skin_near_keypoints(template: Array, regressor: Array, parts: Array) -> tuple[Array, ...]:
    """For each of the 17 keypoints the vertices around it, index arrays.

    template (V, 3) m at rest, regressor (17, V), parts (V,) index in PART_NAMES.
    """
    height = float(np.ptp(template[:, 2]))
    near = []
    for name, point in zip(COCO17.names, regressor @ template, strict=True):
        side, plain = split_side(name)
        cover = [PART_NAMES.index(f"{side}_{p}" if f"{side}_{p}" in PART_NAMES else p) for p in _COVER[plain]]
        distance = np.linalg.norm(template - point, axis=1)
        distance[~np.isin(parts, cover)] = np.inf
        near.append(np.flatnonzero(distance <= max(_REACH * distance.min(), _LEAST * height)))
    return tuple(near)
