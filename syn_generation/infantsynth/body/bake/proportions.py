"""An infant's proportions: Anny's baby is a slim toddler, so its segments are scaled about their joints."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from infantsynth.body.bake.rig import Rig

Array = np.ndarray


@dataclass(frozen=True)
class Segments:
    """Factors on the segments of a body: how long and how thick each is, by joint; 1 where none is given.

    head: factors on its breadth and depth beside that.
    """

    long: Mapping[str, float]
    thick: Mapping[str, float]
    head: tuple[float, float] = (1.0, 1.0)


# the joint at a segment's end; what hangs from it, such as a hand, is scaled alike in all directions
_ENDS = {
    "left_hip": "left_knee",
    "left_knee": "left_ankle",
    "left_shoulder": "left_elbow",
    "left_elbow": "left_wrist",
    "right_hip": "right_knee",
    "right_knee": "right_ankle",
    "right_shoulder": "right_elbow",
    "right_elbow": "right_wrist",
    "pelvis": "spine1",
    "spine1": "spine2",
    "spine2": "spine3",
    "spine3": "neck",
    "neck": "head",
}

# distance between a bone's joints as a part of the body's length, newborn and at 12 months
# (from the diaphyses of Maresh 1970, with the cartilage at both ends)
BONES = {"hip": (0.185, 0.205), "knee": (0.158, 0.172), "shoulder": (0.158, 0.166), "elbow": (0.130, 0.130)}


def bone_targets(months: float) -> dict[str, float]:
    """Length of the bones below hip, knee, shoulder and elbow, as a part of the body's length."""
    return {name: float(np.interp(months, (0, 12), ends)) for name, ends in BONES.items()}


def bone_length(rig: Rig, joints: Array, name: str) -> float:
    """Mean length of the left and right bone that starts at this joint, m."""
    ends = [(f"{side}_{name}", _ENDS[f"{side}_{name}"]) for side in ("left", "right")]
    return float(np.mean([np.linalg.norm(joints[rig.joint(a)] - joints[rig.joint(b)]) for a, b in ends]))


def scale_segments(rig: Rig, vertices: Array, joints: Array, segments: Segments) -> tuple[Array, Array]:
    """Vertices (V, 3) and joints (J, 3) of the body whose segments are this much longer and thicker."""
    maps = np.zeros((len(rig.names), 3, 3))
    placed = joints.copy()
    for index, (name, parent) in enumerate(zip(rig.names, rig.parents, strict=True)):
        maps[index] = _map_of(rig, joints, name, segments)
        if parent >= 0:
            placed[index] = placed[parent] + maps[parent] @ (joints[index] - joints[parent])
    shifts = placed - np.einsum("jab,jb->ja", maps, joints)
    blended = rig.weights @ np.concatenate([maps, shifts[..., None]], axis=2).reshape(len(maps), 12)
    blended = blended.reshape(-1, 3, 4)
    return np.einsum("vab,vb->va", blended[..., :3], vertices) + blended[..., 3], placed


def _map_of(rig: Rig, joints: Array, name: str, segments: Segments) -> Array:
    plain = name.removeprefix("left_").removeprefix("right_")
    if "finger" in plain:
        plain = "wrist"
    thick, long = segments.thick.get(plain, 1.0), segments.long.get(plain, 1.0)
    end = _ENDS.get(name)
    if plain == "head":
        return np.diag([thick * segments.head[0], thick * segments.head[1], long])
    if end is None:
        return thick * np.eye(3)
    axis = joints[rig.joint(end)] - joints[rig.joint(name)]
    axis = np.array([0.0, 0.0, 1.0]) if plain in _UPRIGHT else axis / np.linalg.norm(axis)
    return thick * np.eye(3) + (long - thick) * np.outer(axis, axis)


_UPRIGHT = ("pelvis", "spine1", "spine2", "spine3", "neck")
