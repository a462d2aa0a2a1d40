"""Describe how far an infant's joints turn, in anatomical axes, for any rest pose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch

from infantsynth.body import BodyModel

Array = np.ndarray

Triple = tuple[float, float, float]
LEFT = np.array([1.0, 0.0, 0.0])
FRONT = np.array([0.0, -1.0, 0.0])
DOWN = np.array([0.0, 0.0, -1.0])
MIRROR = np.array([1.0, -1.0, -1.0])  # what a mirror (x to -x) does to a rotation vector
STRAIGHT = 0.15  # rad; a limb that is bent less has no plane of its own
UNLIMITED = np.inf


@dataclass(frozen=True)
class Mobility:
    """Of one joint, rad about its axes (flexion, twist, side): least, most, usual angle and its deviation."""

    lo: Triple
    hi: Triple
    mean: Triple = (0.0, 0.0, 0.0)
    sd: Triple = (0.2, 0.2, 0.2)


# Angles from the anatomical position (upright, arms and legs straight down, for the elbow: forearm in line), for the
# left side; flexion bends forward (knee: backward), twist turns the limb's front inwards, side leads away from the body.
# Infants lie with flexed, turned-out hips and bent knees and elbows. Compound rotations are rotation vectors, so the ranges are a little generous.
MOBILITY: Mapping[str, Mobility] = MappingProxyType(
    {
        "spine": Mobility((-0.35, -0.3, -0.3), (0.5, 0.3, 0.3), sd=(0.15, 0.12, 0.12)),
        "neck": Mobility((-0.7, -0.8, -0.5), (0.6, 0.8, 0.5), sd=(0.25, 0.3, 0.2)),
        "head": Mobility((-0.7, -0.8, -0.5), (0.6, 0.8, 0.5), sd=(0.25, 0.3, 0.2)),
        "collar": Mobility((-0.3, -0.4, -0.4), (0.3, 0.4, 0.4), sd=(0.12, 0.12, 0.12)),
        "shoulder": Mobility((-1.2, -1.4, -0.4), (2.1, 1.4, 3.2), mean=(0.2, 0.0, 1.0), sd=(0.65, 0.5, 0.7)),
        "elbow": Mobility((-0.05, -1.4, -0.2), (2.6, 1.4, 0.2), mean=(1.1, 0.0, 0.0), sd=(0.6, 0.5, 0.1)),
        "wrist": Mobility((-0.9, -0.6, -0.6), (0.9, 0.6, 0.6), sd=(0.3, 0.3, 0.3)),
        "hip": Mobility((-0.5, -1.5, -0.7), (2.4, 1.0, 1.4), mean=(0.75, -0.4, 0.3), sd=(0.6, 0.45, 0.45)),
        "knee": Mobility((-0.05, -0.3, -0.2), (2.6, 0.3, 0.2), mean=(1.0, 0.0, 0.0), sd=(0.6, 0.12, 0.1)),
        "ankle": Mobility((-0.8, -0.4, -0.5), (0.8, 0.4, 0.5), sd=(0.3, 0.2, 0.2)),
        "foot": Mobility((-0.4, -0.3, -0.3), (0.4, 0.3, 0.3), sd=(0.1, 0.1, 0.1)),
        "hand": Mobility((-0.6, -0.4, -0.4), (0.6, 0.4, 0.4), sd=(0.2, 0.2, 0.2)),
        "finger": Mobility((-1.8, -1.8, -1.8), (1.8, 1.8, 1.8), sd=(0.5, 0.5, 0.5)),
        "jaw": Mobility((-0.05, -0.1, -0.1), (0.4, 0.1, 0.1), sd=(0.1, 0.05, 0.05)),
    }
)


# the root, and joints of no known name
FREE = Mobility((-UNLIMITED,) * 3, (UNLIMITED,) * 3, sd=(1.0, 1.0, 1.0))


@dataclass(frozen=True)
class Anatomy:
    """Of one body: axes (J, 3, 3), rows flexion, twist, side; lo, hi, mean, sd (J, 3) rad from its rest pose.

    offset: angles (J, 3) rad of its rest pose from the anatomical position.
    """

    axes: Array
    lo: Array
    hi: Array
    mean: Array
    sd: Array
    offset: Array

    def angles(self, pose: Array) -> Array:
        """Return angles (..., J, 3) rad from the anatomical position of a pose (..., J, 3) rad: alike for every body."""
        return np.einsum("jac,...jc->...ja", self.axes, pose) + self.offset

    def pose(self, angles: Array) -> Array:
        """Return the pose (..., J, 3) rad of angles (..., J, 3) rad from the anatomical position."""
        return np.einsum("jac,...ja->...jc", self.axes, angles - self.offset)


def describe(names: Sequence[str], rest: Array) -> Anatomy:
    """Fit the table to a body: names of its J joints and where they are at rest, (J, 3) m."""
    where = dict(zip(names, np.asarray(rest, dtype=np.float64), strict=True))
    rows = [_joint(name, where) for name in names]
    return Anatomy(*(np.stack(part) for part in zip(*rows, strict=True)))


def family(name: str) -> str:
    """Return what kind of joint a name stands for: "spine2" is a "spine", "left_finger3_1" a "finger"."""
    kind = name.removeprefix("left_").removeprefix("right_")
    return kind.rstrip("0123456789_")


def _joint(name: str, where: Mapping[str, Array]) -> tuple[Array, ...]:
    side, _, kind = name.partition("_")
    mobility = MOBILITY.get(family(name), FREE)
    turned, offset = np.eye(3)[[0, 2, 1]], np.zeros(3)  # flexion about x, twist about z, side about y
    if side in ("left", "right"):
        outward = 1.0 if side == "left" else -1.0
        # built for the left; the right side is its mirror image
        place = {joint: position * (outward, 1.0, 1.0) for joint, position in where.items()}
        build = {"hip": _hip, "knee": _knee, "shoulder": _shoulder, "elbow": _elbow}.get(kind)
        if build is not None:
            turned, offset = build(side, place)
        if side == "right":
            turned = turned * MIRROR
    lo, hi, mean, sd = (np.array(part) for part in (mobility.lo, mobility.hi, mobility.mean, mobility.sd))
    return turned, lo - offset, hi - offset, mean - offset, sd, offset


def _along(place: Mapping[str, Array], side: str, start: str, end: str) -> Array:
    vector = place[f"{side}_{end}"] - place[f"{side}_{start}"]
    return vector / np.linalg.norm(vector)


def _frame(flexion: Array, twist: Array) -> Array:
    """Return rows flexion (made perpendicular), twist, and the third that leads sideways."""
    flexion = flexion - (flexion @ twist) * twist
    flexion = flexion / np.linalg.norm(flexion)
    return np.stack([flexion, twist, np.cross(flexion, twist)])


def _hip(side: str, place: Mapping[str, Array]) -> tuple[Array, Array]:
    thigh = _along(place, side, "hip", "knee")
    return _frame(np.cross(thigh, FRONT), thigh), np.array([_lift(thigh, FRONT), 0.0, _lift(thigh, LEFT)])


def _knee(side: str, place: Mapping[str, Array]) -> tuple[Array, Array]:
    thigh, shank = _along(place, side, "hip", "knee"), _along(place, side, "knee", "ankle")
    return _hinge(thigh, shank, -FRONT)


def _elbow(side: str, place: Mapping[str, Array]) -> tuple[Array, Array]:
    upper, fore = _along(place, side, "shoulder", "elbow"), _along(place, side, "elbow", "wrist")
    return _hinge(upper, fore, FRONT)


def _hinge(upper: Array, lower: Array, towards: Array) -> tuple[Array, Array]:
    """Return axes of a hinge that bends the lower limb ``towards`` a side; at rest it is bent already by the offset."""
    bend = float(np.arccos(np.clip(upper @ lower, -1, 1)))
    flexion = np.cross(upper, lower) if bend > STRAIGHT else np.cross(upper, towards)
    return _frame(flexion, lower), np.array([bend if bend > STRAIGHT else 0.0, 0.0, 0.0])


def _shoulder(side: str, place: Mapping[str, Array]) -> tuple[Array, Array]:
    arm = _along(place, side, "shoulder", "elbow")
    return _frame(np.cross(arm, FRONT), arm), np.array([0.0, 0.0, _lift(arm, LEFT)])


def _lift(limb: Array, towards: Array) -> float:
    """Return the angle by which a limb is lifted from hanging down towards a direction, rad."""
    return float(np.arctan2(limb @ towards, limb @ DOWN))


@dataclass(frozen=True)
class JointLimits:
    """Ranges of rotation vectors along three axes of each joint. axes: (J, 3, 3), rows; lo, hi: (J, 3) rad.

    The root and joints of unknown names are free (infinite limits).
    """

    axes: Array
    lo: Array
    hi: Array

    @classmethod
    def for_body(cls, body: BodyModel) -> "JointLimits":
        """Return the hand-set ranges, fitted to the body's rest pose."""
        anatomy = anatomy_of(body)
        return cls(anatomy.axes, anatomy.lo, anatomy.hi)

    def angles(self, pose: Array) -> Array:
        """Return components (..., J, 3) rad of a pose (..., J, 3) rad along the axes."""
        return np.einsum("jac,...jc->...ja", self.axes, pose)

    def violation(self, pose: Array) -> Array:
        """Measure how far each component of a pose (..., J, 3) rad is outside its range, (..., J, 3) rad, 0 inside."""
        angles = self.angles(pose)
        return np.maximum(np.maximum(angles - self.hi, self.lo - angles), 0.0)

    def clamp(self, pose: Array) -> Array:
        """Return the pose (..., J, 3) rad with each component brought into its range."""
        inside = np.clip(self.angles(pose), self.lo, self.hi)
        return np.einsum("jac,...ja->...jc", self.axes, inside)


def anatomy_of(body: BodyModel) -> Anatomy:
    """Return axes, ranges and usual angles of a body, from its joint names and rest pose."""
    return describe(body.joint_names, rest_joints(body))


def rest_joints(body: BodyModel) -> Array:
    """Return joints (J, 3) m of the mean shape at rest."""
    count = len(body.joint_names)
    with torch.no_grad():
        zero = body.template.new_zeros
        output = body(zero(1, body.num_betas), zero(1, count, 3), zero(1, 3))
    return output.joints[0].double().cpu().numpy()
