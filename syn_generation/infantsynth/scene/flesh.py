"""Limbs as capsules, so that no skin point of another limb enters them while the body settles."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from infantsynth.body import PART_NAMES, BodyModel
from infantsynth.scene.chain import Chain, Posed, joints_of, vertex_areas

Array = np.ndarray

_LIMBS = {"upper_arm": ("shoulder", "elbow"), "forearm": ("elbow", "wrist"), "thigh": ("hip", "knee"),
          "shank": ("knee", "ankle")}  # fmt: skip
_ENDS = {"hand": "wrist", "foot": "ankle"}
_TOUCHING = (("trunk", "head"), ("trunk", "upper_arm"), ("trunk", "thigh"), ("upper_arm", "forearm"),
             ("forearm", "hand"), ("thigh", "shank"), ("shank", "foot"), ("head", "upper_arm"))  # fmt: skip
_SHALLOW = 0.88  # radius of a capsule as share of the median distance of its skin: soft parts may be pressed
_LONG, _TO_TIP = (
    0.14,
    1.5,
)  # of the head's length, and of the way from wrist or ankle to the middle of hand or foot
_ASIDE = 0.65  # of the mean distance of a trunk's half from the middle: where the line inside that half lies


@dataclass(frozen=True)
class Capsules:
    """C capsules between points fixed to joints. start, end: joint indices (C,); part (C,) that each stands for.

    half: (C,) 1 or -1 for the left and right half of the trunk, else 0. against: (C, 14) which parts may not enter it. carried_start, carried_end: (C, M) which moving joints carry the ends.
    """

    start: Array
    end: Array
    part: Array
    half: Array
    against: Array
    carried_start: Array
    carried_end: Array


@lru_cache(maxsize=4)
def capsules_for(body: BodyModel) -> Capsules:
    """A capsule for each limb, half of the trunk, and head of a body."""
    rows = [("trunk", "pelvis", "spine3"), ("trunk", "pelvis", "spine3"), ("trunk", "left_hip", "right_hip"),
            ("head", "head", "head")]  # fmt: skip
    for side in ("left", "right"):
        rows += [(f"{side}_{limb}", f"{side}_{a}", f"{side}_{b}") for limb, (a, b) in _LIMBS.items()]
        rows += [(f"{side}_{limb}", f"{side}_{joint}", f"{side}_{joint}") for limb, joint in _ENDS.items()]
    start, end = (np.array([body.joint(row[k]) for row in rows]) for k in (1, 2))
    below = joints_of(body).below
    part = np.array([PART_NAMES.index(row[0]) for row in rows])
    against = np.array([[not _neighbours(row[0], name) for name in PART_NAMES] for row in rows])
    half = np.array([1, -1] + [0] * (len(rows) - 2))
    return Capsules(start, end, part, half, against, below[:, start].T, below[:, end].T)


def _neighbours(first: str, second: str) -> bool:
    """Whether two parts are the same or meet at a joint."""
    if first == second:
        return True
    side_a, limb_a = _split(first)
    side_b, limb_b = _split(second)
    if side_a and side_b and side_a != side_b:
        return False
    return (limb_a, limb_b) in _TOUCHING or (limb_b, limb_a) in _TOUCHING


def _split(part: str) -> tuple[str, str]:
    side, _, limb = part.partition("_")
    return (side, limb) if side in ("left", "right") else ("", part)


@dataclass(frozen=True)
class Flesh:
    """The capsules of one body shape: ends in the rest pose (C, 3) m, and radii (C,) m."""

    capsules: Capsules
    start: Array
    end: Array
    radius: Array

    @classmethod
    def of(cls, body: BodyModel, chain: Chain) -> "Flesh":
        """Measure the radii from the skin at rest; hands, feet and head reach to the middle of their skin."""
        capsules = capsules_for(body)
        start, end = chain.rest_joints[capsules.start].copy(), chain.rest_joints[capsules.end].copy()
        radius = np.empty(len(start))
        areas = vertex_areas(chain.rest_vertices, body.faces)
        for c, part in enumerate(capsules.part):
            chosen = body.parts == part
            if capsules.half[c]:
                chosen &= chain.rest_vertices[:, 0] * capsules.half[c] > 0
            elif capsules.start[c] == body.joint("left_hip") and part == PART_NAMES.index("trunk"):
                chosen &= chain.rest_vertices[:, 2] < start[c, 2]
            elif part == PART_NAMES.index("head"):
                chosen &= chain.rest_vertices[:, 2] > start[c, 2]  # without the neck
            points, weights = chain.rest_vertices[chosen], areas[chosen]
            if capsules.half[c]:
                start[c, :2], end[c, :2] = _middle(points, start[c, 2]), _middle(points, end[c, 2])
            elif capsules.start[c] == capsules.end[c]:
                middle = weights @ points / weights.sum()
                if part == PART_NAMES.index("head"):  # longer than it is wide
                    length = np.array([0.0, _LONG * np.ptp(points[:, 1]), 0.0])
                    start[c], end[c] = middle - length, middle + length
                else:
                    end[c] = start[c] + _TO_TIP * (middle - start[c])
            distance, _, _ = to_segments(points, start[c : c + 1], end[c : c + 1])
            radius[c] = _SHALLOW * _median(distance[:, 0], weights)
        return cls(capsules, start, end, radius)

    def ends(self, posed: Posed, rest_joints: Array) -> tuple[Array, Array]:
        """World positions of both ends of the capsules, (C, 3) m each."""
        sides = []
        for joints, rest in ((self.capsules.start, self.start), (self.capsules.end, self.end)):
            offset = rest - rest_joints[joints]
            sides.append(posed.joints[joints] + np.einsum("cab,cb->ca", posed.rotations[joints], offset))
        return sides[0], sides[1]

    def room(self, chain: Chain) -> Array:
        """Radius (P, C) m that each capsule has for each skin point: less where it is inside at rest; 0 for neighbours."""
        distance, _, _ = to_segments(chain.rest_points, self.start, self.end)
        return np.minimum(self.radius, distance) * self.capsules.against.T[chain.skin.parts]

    def depths(
        self, chain: Chain, posed: Posed, room: Array
    ) -> tuple[Array, Array, Array, tuple[Array, Array]]:
        """Depth (P, C) m of each skin point in each capsule, 0 outside; share along (P, C); offset (P, C, 3)."""
        start, end = self.ends(posed, chain.rest_joints)
        distance, share, offset = to_segments(posed.points, start, end)
        return np.maximum(room - distance, 0), share, offset, (start, end)

    def push(self, chain: Chain, posed: Posed, levers: Array, room: Array) -> tuple[Array, Array]:
        """Depths (N,) m of the skin points that are inside a capsule, and their derivatives (N, 3 + 3 M)."""
        depth, share, offset, (start, end) = self.depths(chain, posed, room)
        point, capsule = np.nonzero(depth)
        along = offset[point, capsule]
        along = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
        t = share[point, capsule][:, None]
        axis = start[capsule] + t * (end - start)[capsule]
        held = (1 - t) * self.capsules.carried_start[capsule] + t * self.capsules.carried_end[capsule]
        out = chain.derivative(posed, levers, posed.points[point], chain.skin.carried[point], along)
        inner = chain.derivative(posed, levers, axis, held, along)
        return depth[point, capsule], inner - out


def _median(values: Array, weights: Array) -> float:
    """Weighted median of values (N,)."""
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order[np.searchsorted(total, total[-1] / 2)]])


def _middle(points: Array, height: float) -> Array:
    """Middle line (2,) m of one half of a trunk at a height, drawn in towards the body's middle, from its skin."""
    near = np.abs(points[:, 2] - height) <= np.quantile(np.abs(points[:, 2] - height), 0.35)
    low, high = points[near, 1].min(), points[near, 1].max()
    return np.array([_ASIDE * points[near, 0].mean(), (low + high) / 2])


def to_segments(points: Array, start: Array, end: Array) -> tuple[Array, Array, Array]:
    """From points (P, 3) to segments (C): distance (P, C), share along the segment (P, C), offset (P, C, 3)."""
    axis = end - start
    length = np.maximum((axis**2).sum(axis=1), 1e-12)
    share = np.clip((points @ axis.T - (start * axis).sum(axis=1)) / length, 0, 1)
    offset = points[:, None] - start - share[..., None] * axis
    return np.sqrt((offset**2).sum(axis=2)), share, offset
