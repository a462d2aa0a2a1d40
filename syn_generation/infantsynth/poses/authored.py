"""Draw poses from the authored postures: within joint limits, no limb inside another."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from fidip.errors import ConfigError
from fidip.progress import progress
from infantsynth.body import BodyModel
from infantsynth.poses.library import ADULT, ARMS, INFANT, LEGS, POSTURES, Limb, Variant
from infantsynth.priors import JointLimits, capsules

Array = np.ndarray

LEGACY_STEPS = 10  # images that the published renderer made of each body
_LEGACY_SIGNS = np.array([1.0, -1.0, -1.0])
_LIMBS = {"arm": ("shoulder", "elbow", "wrist"), "leg": ("hip", "knee", "ankle")}
# where a straight limb would bend to: elbows to the front, knees to the back
_BEND = {"arm": np.array([0.0, -1.0, 0.0]), "leg": np.array([0.0, 1.0, 0.0])}
# below this sine of the angle between the halves of a limb, its hinge is taken from the rest pose
_STRAIGHT = 0.35
_SHAPES = {"fist": (1.25, 0.15), "loose": (0.55, 0.2), "open": (0.1, 0.15), "point": (1.1, 0.2)}  # curl, rad
_CHANCES = (0.3, 0.4, 0.2, 0.1)
_TRIES = 12
_ARM_SD, _LEG_SD = 0.14, 0.10  # noise on each component of a limb's unit direction
# m, of a 70 cm body: how far capsules of bones may enter each other; longer bodies in proportion
DEEPEST = 0.02
_BEYOND = 0.5  # rad, how far a drawn pose may lie outside the limits before they are imposed on it
_SIDES = ("left", "right")
_SPINE, _HEAD = ("spine1", "spine2", "spine3"), ("neck", "head")


def uniform_rotation(rng: np.random.Generator) -> Array:
    """Draw the axis-angle (3,) rad of an orientation drawn uniformly from SO(3): a normal quaternion (Marsaglia 1972)."""
    return Rotation.from_quat(rng.normal(size=4)).as_rotvec()


def legacy_rotation(root: Array, step: int) -> Array:
    """Return the published sweep: ``step`` x pi/11 added to the components of the root's axis-angle (3,) rad as (+, -, -).

    No composition of rotations, and far from uniform: kept to make images as the published ones.
    """
    return root + step * np.pi / 11 * _LEGACY_SIGNS


def compose(first: Array, then: Array) -> Array:
    """Return the axis-angle (3,) rad of the rotation ``first`` followed by ``then``."""
    return (Rotation.from_rotvec(then) * Rotation.from_rotvec(first)).as_rotvec()


def unit(vector: Array) -> Array:
    """Return the vector (..., 3) at length 1; zero stays zero."""
    return vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-12)


def shortest_turn(start: Array, end: Array) -> Array:
    """Return the smallest rotation (3, 3) that brings unit vector ``start`` to ``end``."""
    axis = np.cross(start, end)
    sine, cosine = float(np.linalg.norm(axis)), float(start @ end)
    if sine < 1e-9:
        if cosine > 0:
            return np.eye(3)
        axis, sine = np.cross(start, np.eye(3)[np.argmin(np.abs(start))]), 1.0
    return Rotation.from_rotvec(unit(axis) * np.arctan2(sine if cosine > -1 else 0.0, cosine)).as_matrix()


def frame(along: Array, hinge: Array) -> Array:
    """Return a right-handed frame (3, 3) whose first column is ``along`` and whose second is nearest to ``hinge``."""
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
        """Start with all joints unturned."""
        return cls(body, rest, np.tile(np.eye(3), (len(rest), 1, 1)))

    def joint(self, name: str) -> int:
        """Look up the index of a joint."""
        return self.body.joint_names.index(name)

    def world(self, joint: int) -> Array:
        """Return the rotation (3, 3) of a joint in the body's frame; -1 is the frame itself."""
        turn = np.eye(3)
        while joint > 0:  # the root stays unturned here
            turn = self.local[joint] @ turn
            joint = self.body.parents[joint]
        return turn

    def turn(self, names: tuple[str, ...], total: Array) -> None:
        """Spread a rotation vector (3,) rad over a chain of joints."""
        for name in names:
            joint = self.joint(name)
            self.local[joint] = Rotation.from_rotvec(total / len(names)).as_matrix() @ self.local[joint]

    def aim(self, side: str, limb: str, upper: Array, lower: Array) -> None:
        """Point the halves of a limb ("arm" or "leg") of a side along two directions (3,) in the body's frame."""
        a, b, c = (self.joint(f"{side}_{name}") for name in _LIMBS[limb])
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
        """Return the pose as axis-angle (J, 3) rad."""
        return Rotation.from_matrix(self.local).as_rotvec()


def _hinge(upper: Array, lower: Array, fallback: Array) -> Array:
    """Return axis of the bend between two directions; towards ``fallback`` where they are nearly one."""
    normal = np.cross(upper, lower)
    share = min(np.linalg.norm(normal) / _STRAIGHT, 1.0)
    return unit(share * unit(normal) + (1 - share) * unit(fallback))


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
            joint = skeleton.joint(f"{side}_finger{finger}_{part}")
            along = _direction(skeleton, side, finger, part)
            angle = max(rng.normal(curl, sd), -0.1) * (0.4 if finger == 1 else 1.0 if part < 3 else 0.6)
            axis = unit(np.cross(along, palm))
            skeleton.local[joint] = Rotation.from_rotvec(axis * angle).as_matrix()


def _direction(skeleton: Skeleton3D, side: str, finger: int, part: int) -> Array:
    """Find where a finger's bone points at rest, unit (3,); the last bone goes on as the one before."""
    part = min(part, 2)
    start, end = (skeleton.joint(f"{side}_finger{finger}_{p}") for p in (part, part + 1))
    return unit(skeleton.rest[end] - skeleton.rest[start])


def _palm(skeleton: Skeleton3D, side: str) -> Array:
    """Find where the palm looks at rest, unit (3,): across the knuckles and the fingers, by the hand's side."""
    joint, rest = skeleton.joint, skeleton.rest
    knuckles = rest[joint(f"{side}_finger5_1")] - rest[joint(f"{side}_finger2_1")]
    along = rest[joint(f"{side}_finger3_1")] - rest[joint(f"{side}_wrist")]
    return unit(np.cross(knuckles, along) if side == "left" else np.cross(along, knuckles))


@dataclass(frozen=True)
class PoseSample:
    """pose (J, 3) axis-angle rad, root first; posture; source: "authored:VARIANT" or "fit:INDEX".

    held: what muscles keep in place, of "trunk", "left_arm", "right_arm", "left_leg", "right_leg".
    planted: body parts that are put on the ground, such as "left_hand".
    """

    pose: Array
    posture: str
    source: str
    held: tuple[str, ...] = ()
    planted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Checks:
    """What a pose of a body is held against: its limits, its rest joints (J, 3) m, and its length in m."""

    body: BodyModel
    limits: JointLimits
    rest: Array
    length: float

    def clamp(self, pose: Array) -> Array:
        """Return the pose (J, 3) rad with every joint inside its limits; the root is free."""
        inside = self.limits.clamp(pose)
        inside[0] = pose[0]
        return inside

    def beyond(self, pose: Array) -> float:
        """Measure how far the worst joint of a pose (J, 3) lies outside its limits, rad."""
        return float(self.limits.violation(pose)[1:].max())

    def depth(self, pose: Array) -> float:
        """Measure how deep limbs of a pose (J, 3) are inside each other, m for a 70 cm body."""
        with torch.no_grad():
            posed = self.body(*_tensors(self.body, pose))
        return float(capsules.self_penetration(self.body, posed.vertices)[0]) * 0.7 / self.length


def _tensors(body: BodyModel, pose: Array) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the mean shape, the pose (J, 3) and no shift as a batch of one."""
    batch = torch.as_tensor(pose[None], dtype=torch.float32)
    return torch.zeros(1, body.num_betas), batch, torch.zeros(1, 3)


@lru_cache(maxsize=4)
def checks_for(body: BodyModel) -> Checks:
    """Return the checks of a body, made once."""
    with torch.no_grad():
        rest = body(*_tensors(body, np.zeros((len(body.joint_names), 3))))
    height = rest.vertices[0, :, 2]
    return Checks(
        body, JointLimits.for_body(body), rest.joints[0].double().numpy(), float(height.max() - height.min())
    )


def sample_pose(body: BodyModel, posture: str, rng: np.random.Generator) -> PoseSample:
    """Draw a pose of ``posture`` (one of POSTURES), as often left-handed as right-handed.

    Draws again while limits are exceeded by far or limbs lie deeper than DEEPEST inside each other; the best of
    a dozen draws is taken then. Limits hold for what is returned. Raises ConfigError for an unknown posture.
    """
    if posture not in POSTURES:
        raise ConfigError(f"there is no posture {posture!r}; choose from {', '.join(POSTURES)}")
    checks = checks_for(body)
    library = ADULT if body.name == "adult" else INFANT
    variants = library[posture]
    chances = np.array([v.weight for v in variants])
    best: tuple[float, PoseSample] | None = None
    for _ in range(_TRIES):
        variant = variants[rng.choice(len(variants), p=chances / chances.sum())]
        drawn = author(checks, variant, rng)
        pose = checks.clamp(drawn.pose)
        badness = checks.beyond(drawn.pose) / _BEYOND + max(checks.depth(pose) / DEEPEST - 1, 0)
        if best is None or badness < best[0]:
            best = (badness, replace(drawn, pose=pose, posture=posture))
        if badness < 1:
            break
    assert best is not None  # noqa: S101 - the loop runs
    return best[1]


def author(checks: Checks, variant: Variant, rng: np.random.Generator) -> PoseSample:
    """Draw one noisy pose of a variant on any heading, mirrored half of the time; limits not yet imposed, no posture."""
    skeleton = Skeleton3D.at_rest(checks.body, checks.rest)
    skeleton.turn(_SPINE, rng.normal(variant.spine.mean, variant.spine.sd))
    skeleton.turn(_HEAD, rng.normal(variant.head.mean, variant.head.sd))
    held, planted = ["trunk"] if variant.erect else [], []
    swapped = bool(rng.random() < 0.5)
    for limb, names, entries, sd in (
        ("arm", variant.arms, ARMS, _ARM_SD),
        ("leg", variant.legs, LEGS, _LEG_SD),
    ):
        for side, entry in zip(_SIDES, _both_sides(entries, names, variant.alike, rng), strict=True):
            mirror = np.array([1.0 if side == "left" else -1.0, 1.0, 1.0])
            upper, lower = (
                unit(np.array(d)) * mirror + rng.normal(0, sd, 3) for d in (entry.upper, entry.lower)
            )
            _follow_with_collar(skeleton, side, limb, upper)
            skeleton.aim(side, limb, upper, lower)
            named = _SIDES[_SIDES.index(side) ^ swapped]  # the side it has once mirrored
            held += [f"{named}_{limb}"] if rng.random() < entry.held else []
            planted += [f"{named}_{entry.planted}"] if entry.planted else []
    for side in _SIDES:
        _turn_ends(skeleton, side, rng)
        curl_fingers(skeleton, side, rng)
    pose = skeleton.pose()
    pose[0] = stand(variant, rng)
    if swapped:
        pose = np.asarray(checks.body.mirror_pose(torch.as_tensor(pose)), dtype=np.float64)
    pose[0] = compose(pose[0], np.array([0, 0, rng.uniform(-np.pi, np.pi)]))
    return PoseSample(pose, "", f"authored:{variant.name}", tuple(held), tuple(planted))


def _both_sides(
    entries: dict[str, Limb], names: tuple[str, ...], alike: float, rng: np.random.Generator
) -> tuple[Limb, Limb]:
    weights = np.array([entries[name].weight for name in names])
    left, right = rng.choice(len(names), size=2, p=weights / weights.sum())
    return entries[names[left]], entries[names[left if rng.random() < alike else right]]


def _follow_with_collar(skeleton: Skeleton3D, side: str, limb: str, upper: Array) -> None:
    """Let the shoulder girdle take part in raising and in reaching: about a quarter of the way."""
    if limb == "leg":
        return
    sign = 1.0 if side == "left" else -1.0
    raised, forward = unit(upper)[2], -unit(upper)[1]
    turn = np.array([0.0, -sign * 0.3 * max(raised + 0.2, 0), -sign * 0.25 * max(forward, 0)])
    skeleton.turn((f"{side}_collar",), turn)


def _turn_ends(skeleton: Skeleton3D, side: str, rng: np.random.Generator) -> None:
    """Turn wrists, forearms and feet at random."""
    elbow, wrist = (skeleton.joint(f"{side}_{name}") for name in ("elbow", "wrist"))
    along = unit(skeleton.rest[wrist] - skeleton.rest[elbow])
    twist = Rotation.from_rotvec(along * rng.normal(0, 0.35)).as_matrix()
    skeleton.local[elbow] = skeleton.local[elbow] @ twist
    skeleton.turn((f"{side}_wrist",), rng.normal(0, 0.18, 3))
    skeleton.turn((f"{side}_ankle",), rng.normal((0.2, 0, 0), (0.2, 0.08, 0.12)))


def stand(variant: Variant, rng: np.random.Generator) -> Array:
    """Draw root orientation (3,) rad of a variant over the ground, heading not yet drawn."""
    roll = np.radians(rng.normal(*variant.roll))
    tilt = np.radians(rng.normal(*variant.root))
    return compose(np.array([0, 0, roll]), np.array([tilt, 0, 0]))


def authored_poses(body: BodyModel, count: int, seed: int) -> Array:
    """Draw poses (count, J, 3) rad of the authored postures, each as often."""
    numbers = progress(range(count), count, "poses", "pose")
    return np.stack(
        [
            sample_pose(body, POSTURES[i % len(POSTURES)], np.random.default_rng([seed, i])).pose
            for i in numbers
        ]
    )
