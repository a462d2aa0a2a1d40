"""Locate each vertex on the body: limb, side, panel coordinates, and where pieces move."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

Array = np.ndarray

INFANT_LENGTH = 0.66  # m; sizes of cloth and hair are stated for a body of this length
BEYOND = -0.5  # limb coordinate of a vertex that no bone of the limb moves
PARTS = ("trunk", "head", "left_arm", "right_arm", "left_leg", "right_leg")
_BONES = {"arm": ("shoulder", "wrist"), "leg": ("hip", "ankle")}
# m at INFANT_LENGTH; only sets the scale
_RADIUS = {"trunk": 0.068, "head": 0.062, "arm": 0.023, "leg": 0.037}


@dataclass(frozen=True)
class Coordinates:
    """Where points (any shape S: vertices, or texels of a texture) lie on the body at rest.

    rest (*S, 3) m. arm, leg (*S): 0 at the shoulder or hip joint, 1 at the wrist or ankle, more on hand or foot,
    down to BEYOND off the limb. head, hand, foot (*S): share of skinning weight. part (*S) int: index in PARTS.
    """

    rest: Array
    arm: Array
    leg: Array
    head: Array
    hand: Array
    foot: Array
    part: Array

    def carried(self, carry: Callable[[Array], Array]) -> "Coordinates":
        """Return the same for other points, whose values ``carry`` interpolates from those (V, C) of these."""
        numbers = np.column_stack([self.rest, self.arm, self.leg, self.head, self.hand, self.foot])
        flags = (self.part[:, None] == np.arange(len(PARTS))).astype(np.float32)
        new, part = carry(numbers), carry(flags).argmax(axis=-1)
        arm, leg, head, hand, foot = (np.ascontiguousarray(new[..., i]) for i in range(3, 8))
        return Coordinates(new[..., :3], arm, leg, head, hand, foot, part)


@dataclass(frozen=True)
class Anatomy:
    """A body's rest pose (template shape); all lengths in m.

    length: crown to sole. at: coordinates of the V vertices. joints: rest position (3,) by name. arm_length,
    leg_length: shoulder or hip to wrist or ankle. neck: centre (3,) and half-axes (3,) of the ellipsoid that cuts
    the neck out of a collar. eyes: the separate eyeballs (left, right) as vertex indices, or None where the body
    has none. face: rest keypoints (5, 3) nose, left eye, right eye, left ear, right ear.
    """

    length: float
    at: Coordinates
    joints: dict[str, Array]
    arm_length: float
    leg_length: float
    neck: tuple[Array, Array]
    eyes: tuple[Array, Array] | None
    face: Array

    @cached_property
    def scale(self) -> float:
        """Size against an infant of INFANT_LENGTH."""
        return self.length / INFANT_LENGTH

    @cached_property
    def adult(self) -> bool:
        """Whether the body is that of a grown-up."""
        return self.length > 1.2

    @cached_property
    def cloth_scale(self) -> float:
        """Factor on folds and looseness: they grow less than the body does."""
        return float(np.sqrt(self.scale))


def study(body: Any) -> Anatomy:
    """Read the anatomy of a BodyModel off its template, skeleton and skinning weights."""
    rest = body.template.detach().cpu().numpy().astype(np.float32)
    weights = body.skinning_weights.detach().cpu().numpy().astype(np.float32)
    joints, face = _rest_landmarks(body)
    shares = _shares(body.joint_names, weights)
    arm, arm_length = _along(
        rest, joints, ("shoulder", "elbow", "wrist"), shares["left_arm"], shares["right_arm"]
    )
    leg, leg_length = _along(rest, joints, ("hip", "knee", "ankle"), shares["left_leg"], shares["right_leg"])
    return Anatomy(
        length=float(np.ptp(rest[:, 2])),
        at=Coordinates(
            rest=rest,
            arm=arm,
            leg=leg,
            head=shares["head"],
            hand=shares["left_hand"] + shares["right_hand"],
            foot=shares["left_foot"] + shares["right_foot"],
            part=np.stack([shares[name] for name in PARTS]).argmax(axis=0),
        ),
        joints=joints,
        arm_length=arm_length,
        leg_length=leg_length,
        neck=_neck(rest, shares["head"], float(np.ptp(rest[:, 2]))),
        eyes=_eyeballs(rest, np.asarray(body.faces), face),
        face=face,
    )


def _rest_landmarks(body: Any) -> tuple[dict[str, Array], Array]:
    """Return joints by name and the five keypoints of the face in the rest pose, m."""
    template = body.template
    output = body(
        template.new_zeros(1, body.num_betas),
        template.new_zeros(1, len(body.joint_names), 3),
        template.new_zeros(1, 3),
    )
    joints = output.joints[0].detach().cpu().numpy()
    keypoints = output.keypoints[0].detach().cpu().numpy()
    # the template's origin need not be the pelvis joint, where the output puts it
    shift = template.detach().cpu().numpy().mean(axis=0) - output.vertices[0].detach().cpu().numpy().mean(
        axis=0
    )
    named = {name: (joints[i] + shift).astype(np.float32) for i, name in enumerate(body.joint_names)}
    return named, (keypoints[:5] + shift).astype(np.float32)


def _shares(names: tuple[str, ...], weights: Array) -> dict[str, Array]:
    def total(*starts: str) -> Array:
        return np.asarray(weights[:, [n.startswith(starts) for n in names]].sum(axis=1))

    shares = {"head": total("neck", "head", "jaw", "left_eye", "right_eye")}
    for side in ("left", "right"):
        hand = total(*(f"{side}_{part}" for part in ("wrist", "hand", "finger")))
        foot = total(f"{side}_ankle", f"{side}_foot")
        shares[f"{side}_arm"] = total(f"{side}_shoulder", f"{side}_elbow") + hand
        shares[f"{side}_leg"] = total(f"{side}_hip", f"{side}_knee") + foot
        shares[f"{side}_hand"], shares[f"{side}_foot"] = hand, foot
    shares["trunk"] = np.clip(1 - sum(shares[p] for p in PARTS[1:]), 0, 1)
    return shares


def _along(
    rest: Array, joints: dict[str, Array], chain: tuple[str, str, str], left: Array, right: Array
) -> tuple[Array, float]:
    """Return the coordinate along both limbs (V,), 0 at the first joint and 1 at the third, and the limb's length."""
    coordinate = np.full(len(rest), BEYOND, dtype=np.float32)
    length = 0.0
    for side, share in (("left", left), ("right", right)):
        a, b, c = (joints[f"{side}_{name}"] for name in chain)
        upper, lower = np.linalg.norm(b - a), np.linalg.norm(c - b)
        length = float(upper + lower)
        first = (rest - a) @ ((b - a) / upper)
        second = (rest - b) @ ((c - b) / lower)
        along = np.where(first < upper, first, upper + np.maximum(second, 0)) / length
        coordinate = np.where(share > 0.01, share * along + (1 - share) * BEYOND, coordinate)
    return coordinate.astype(np.float32), length


def _neck(rest: Array, head: Array, length: float) -> tuple[Array, Array]:
    ring = rest[(head > 0.3) & (head < 0.75)]
    low, high = np.percentile(ring, 5, axis=0), np.percentile(ring, 95, axis=0)
    centre = (low + high) / 2
    half = (high - low) / 2 + 0.012 * length / INFANT_LENGTH * np.array([0.6, 0.8, 1.0])
    return centre.astype(np.float32), half.astype(np.float32)


def _eyeballs(rest: Array, faces: Array, face: Array) -> tuple[Array, Array] | None:
    edges = np.concatenate([faces[:, :2], faces[:, 1:]])
    graph = coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(len(rest),) * 2)
    count, label = connected_components(graph, directed=False)
    apart = float(np.linalg.norm(face[1] - face[2]))
    found = []
    for eye in face[1:3]:
        near = [
            members
            for members in (np.nonzero(label == i)[0] for i in range(count))
            if 8 < len(members) < len(rest) / 10
            and np.linalg.norm((rest[members].min(axis=0) + rest[members].max(axis=0)) / 2 - eye)
            < 0.5 * apart
        ]
        if not near:
            return None
        found.append(min(near, key=lambda m: float(np.linalg.norm(rest[m].mean(axis=0) - eye))))
    return found[0], found[1]


def panel(anatomy: Anatomy, at: Coordinates) -> tuple[Array, Array]:
    """Measure the round and along coordinates of points, m: two arrays of their shape. Round is 0 at the front of each part."""
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
    """Return a point on the axis of a part, and the unit direction of the axis: upwards, or from hand or foot to the root."""
    joints = anatomy.joints
    kind = name.split("_")[-1]
    if kind not in _BONES:
        middle = (joints["pelvis"] + joints["neck"]) / 2 if name == "trunk" else joints["head"]
        return middle, np.array([0.0, 0.0, 1.0])
    root, end = (joints[f"{name.split('_')[0]}_{bone}"] for bone in _BONES[kind])
    return end, (root - end) / np.linalg.norm(root - end)


@dataclass(frozen=True)
class Placement:
    """posed = size * rotation @ rest + shift; rotation (3, 3), shift (3,) m."""

    rotation: Array
    size: float
    shift: Array

    def point(self, rest: Array) -> Array:
        """Convert points (..., 3) m of the template at rest to where they are on the posed body."""
        return self.size * np.asarray(rest) @ self.rotation.T + self.shift

    def direction(self, rest: Array) -> Array:
        """Return directions (..., 3) of the rest pose, turned with the body; lengths stay."""
        return np.asarray(rest) @ self.rotation.T


def follow(anatomy: Anatomy, vertices: Array, chosen: Array) -> Placement:
    """Return the frame of the chosen vertices (V,) bool of a posed body (V, 3) m, by least squares (Umeyama 1991)."""
    rest, posed = anatomy.at.rest[chosen].astype(np.float64), np.asarray(vertices)[chosen].astype(np.float64)
    low, high = rest.mean(axis=0), posed.mean(axis=0)
    u, strength, vt = np.linalg.svd((posed - high).T @ (rest - low))
    proper = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = (u * proper) @ vt
    size = float((strength * proper).sum() / ((rest - low) ** 2).sum())
    return Placement(rotation, size, high - size * rotation @ low)
