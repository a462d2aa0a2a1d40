"""How cloth lies on the body: coordinates in metres round and along the trunk and each limb, as panels are cut."""

import numpy as np

from infantsynth.appearance.anatomy import PARTS, Anatomy, Coordinates

Array = np.ndarray

_BONES = {"arm": ("shoulder", "wrist"), "leg": ("hip", "ankle")}
_RADIUS = {
    "trunk": 0.068,
    "head": 0.062,
    "arm": 0.023,
    "leg": 0.037,
}  # m at INFANT_LENGTH; only sets the scale


def panel(anatomy: Anatomy, at: Coordinates) -> tuple[Array, Array]:
    """Round and along coordinate of points, m: two arrays of their shape. Round is 0 at the front of each part."""
    round_, along = np.zeros(at.part.shape, dtype=np.float32), np.zeros(at.part.shape, dtype=np.float32)
    for index, name in enumerate(PARTS):
        inside = at.part == index
        if inside.any():
            round_[inside], along[inside] = _unroll(anatomy, name, at.rest[inside])
    return round_, along


def _unroll(anatomy: Anatomy, name: str, points: Array) -> tuple[Array, Array]:
    origin, axis = part_axis(anatomy, name)
    front = np.array([0.0, -1.0, 0.0])
    front -= axis * (front @ axis)
    front /= np.linalg.norm(front)
    side = np.cross(axis, front)
    offset = points - origin.astype(np.float32)
    angle = np.arctan2(offset @ side.astype(np.float32), offset @ front.astype(np.float32))
    radius = _RADIUS[name.split("_")[-1]] * anatomy.scale
    return angle * radius, offset @ axis.astype(np.float32)


def part_axis(anatomy: Anatomy, name: str) -> tuple[Array, Array]:
    """A point on the axis of a part, and the unit direction of the axis: upwards, or from hand or foot to the root."""
    joints = anatomy.joints
    kind = name.split("_")[-1]
    if kind not in _BONES:
        middle = (joints["pelvis"] + joints["neck"]) / 2 if name == "trunk" else joints["head"]
        return middle, np.array([0.0, 0.0, 1.0])
    root, end = (joints[f"{name.split('_')[0]}_{bone}"] for bone in _BONES[kind])
    return end, (root - end) / np.linalg.norm(root - end)
