"""From directions of limbs to joint rotations: elbows and knees bend about their hinges only."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from infantsynth.body import BodyModel

Array = np.ndarray

_LIMBS = {"arm": ("shoulder", "elbow", "wrist"), "leg": ("hip", "knee", "ankle")}
# where a straight limb would bend to: elbows to the front, knees to the back
_BEND = {"arm": np.array([0.0, -1.0, 0.0]), "leg": np.array([0.0, 1.0, 0.0])}
_STRAIGHT = (
    0.35  # below this sine of the angle between the halves of a limb, its hinge is taken from the rest pose
)


def unit(vector: Array) -> Array:
    """The vector (..., 3) at length 1; zero stays zero."""
    return vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-12)


def shortest_turn(start: Array, end: Array) -> Array:
    """The smallest rotation (3, 3) that brings unit vector ``start`` to ``end``."""
    axis = np.cross(start, end)
    sine, cosine = float(np.linalg.norm(axis)), float(start @ end)
    if sine < 1e-9:
        if cosine > 0:
            return np.eye(3)
        axis, sine = np.cross(start, np.eye(3)[np.argmin(np.abs(start))]), 1.0
    return Rotation.from_rotvec(unit(axis) * np.arctan2(sine if cosine > -1 else 0.0, cosine)).as_matrix()


def frame(along: Array, hinge: Array) -> Array:
    """A right-handed frame (3, 3) whose first column is ``along`` and whose second is nearest to ``hinge``."""
    second = unit(hinge - (hinge @ along) * along)
    return np.stack([along, second, np.cross(along, second)], axis=1)


@dataclass
class Skeleton3D:
    """Rest joints (J, 3) m of a body, and the local rotations (J, 3, 3) that are being built."""

    body: BodyModel
    rest: Array
    local: Array

    @classmethod
    def at_rest(cls, body: BodyModel, rest: Array) -> "Skeleton3D":
        """All joints unturned."""
        return cls(body, rest, np.tile(np.eye(3), (len(rest), 1, 1)))

    def world(self, joint: int) -> Array:
        """Rotation (3, 3) of a joint in the body's frame; -1 is the frame itself."""
        turn = np.eye(3)
        while joint > 0:  # the root stays unturned here
            turn = self.local[joint] @ turn
            joint = self.body.parents[joint]
        return turn

    def turn(self, names: tuple[str, ...], total: Array) -> None:
        """Spread a rotation vector (3,) rad over a chain of joints."""
        for name in names:
            joint = self.body.joint(name)
            self.local[joint] = Rotation.from_rotvec(total / len(names)).as_matrix() @ self.local[joint]

    def aim(self, side: str, limb: str, upper: Array, lower: Array) -> None:
        """Point the halves of a limb ("arm" or "leg") of a side along two directions (3,) in the body's frame."""
        a, b, c = (self.body.joint(f"{side}_{name}") for name in _LIMBS[limb])
        rest_upper, rest_lower = unit(self.rest[b] - self.rest[a]), unit(self.rest[c] - self.rest[b])
        rest_hinge = _hinge(rest_upper, rest_lower, np.cross(rest_upper, _BEND[limb]))
        upper, lower = unit(upper), unit(lower)
        before = self.world(self.body.parents[a])
        carried = shortest_turn(before @ rest_upper, upper) @ before @ rest_hinge
        hinge = _hinge(upper, lower, carried)
        turned = frame(upper, hinge) @ frame(rest_upper, rest_hinge).T
        self.local[a] = before.T @ turned
        self.local[b] = turned.T @ frame(lower, hinge) @ frame(rest_lower, rest_hinge).T

    def pose(self) -> Array:
        """Axis-angle (J, 3) rad."""
        return Rotation.from_matrix(self.local).as_rotvec()


def _hinge(upper: Array, lower: Array, fallback: Array) -> Array:
    """Axis of the bend between two directions; towards ``fallback`` where they are nearly one."""
    normal = np.cross(upper, lower)
    share = min(np.linalg.norm(normal) / _STRAIGHT, 1.0)
    return unit(share * unit(normal) + (1 - share) * unit(fallback))
