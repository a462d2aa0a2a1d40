"""Fingers: random curls of bodies that have them."""

import numpy as np
from scipy.spatial.transform import Rotation

from infantsynth.poses.limbs import Skeleton3D, unit

Array = np.ndarray

_SHAPES = {"fist": (1.25, 0.15), "loose": (0.55, 0.2), "open": (0.1, 0.15), "point": (1.1, 0.2)}  # curl, rad
_CHANCES = (0.3, 0.4, 0.2, 0.1)


def curl_fingers(skeleton: Skeleton3D, side: str, rng: np.random.Generator) -> None:
    """Close the hand of a side ("left", "right") by a random amount; bodies without fingers stay as they are."""
    names = set(skeleton.body.joint_names)
    if f"{side}_finger2_1" not in names:
        return
    shape = list(_SHAPES)[rng.choice(len(_SHAPES), p=_CHANCES)]
    mean, sd = _SHAPES[shape]
    palm = _palm(skeleton, side)
    for finger in range(1, 6):
        curl = 0.05 if shape == "point" and finger == 2 else mean
        for part in range(1, 4):
            joint = skeleton.body.joint(f"{side}_finger{finger}_{part}")
            along = _direction(skeleton, side, finger, part)
            angle = max(rng.normal(curl, sd), -0.1) * (0.4 if finger == 1 else 1.0 if part < 3 else 0.6)
            axis = unit(np.cross(along, palm))
            skeleton.local[joint] = Rotation.from_rotvec(axis * angle).as_matrix()


def _direction(skeleton: Skeleton3D, side: str, finger: int, part: int) -> Array:
    """Where a finger's bone points at rest, unit (3,); the last bone goes on as the one before."""
    part = min(part, 2)
    start, end = (skeleton.body.joint(f"{side}_finger{finger}_{p}") for p in (part, part + 1))
    return unit(skeleton.rest[end] - skeleton.rest[start])


def _palm(skeleton: Skeleton3D, side: str) -> Array:
    """Where the palm looks at rest, unit (3,): across the knuckles and the fingers, by the hand's side."""
    joint, rest = skeleton.body.joint, skeleton.rest
    knuckles = rest[joint(f"{side}_finger5_1")] - rest[joint(f"{side}_finger2_1")]
    along = rest[joint(f"{side}_finger3_1")] - rest[joint(f"{side}_wrist")]
    return unit(np.cross(knuckles, along) if side == "left" else np.cross(along, knuckles))
