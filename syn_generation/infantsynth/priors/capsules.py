"""Approximate a body by capsules to see whether it sinks into itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from infantsynth.body import PART_NAMES, BodyModel
from infantsynth.priors.limits import rest_joints

Array = np.ndarray

SLAB = 0.2  # share of a part's length whose vertices' mean is an end of its capsule
ROUND = 1.0  # the same for the head: both ends are its middle, a ball
DISTAL = 0.45  # a limb's root is in the trunk's flesh: only what is beyond this share of it must stay outside
_ROOTS = {
    "upper_arm": "shoulder",
    "forearm": "elbow",
    "hand": "wrist",
    "thigh": "hip",
    "shank": "knee",
    "foot": "ankle",
}
_CHAINS = (("upper_arm", "forearm", "hand"), ("thigh", "shank", "foot"))


@dataclass(frozen=True)
class Capsules:
    """C capsules of a body. names: part of each. ends: (2 C, V) weights that give all first ends, then all second ones,
    from posed vertices. radii: (C,) m. pairs: (2, N) capsules that must stay apart. reach: (N,) m, how near the bones of
    a pair may come: both radii, or less where fat limbs press on each other at rest already."""

    names: tuple[str, ...]
    ends: Tensor
    radii: Tensor
    pairs: Tensor
    reach: Tensor


@lru_cache(maxsize=8)
def capsules_of(body: BodyModel) -> Capsules:
    """Return capsules around the mean shape at rest; a part without vertices has none."""
    template, parts = body.template.double().cpu().numpy(), np.asarray(body.parts)
    place = dict(zip(body.joint_names, rest_joints(body), strict=True))
    names, ends, radii = [], [], []
    for name, chosen, root, beyond in _regions(template, parts, place):
        weights, radius = _capsule(template, chosen, root, beyond, ROUND if name == "head" else SLAB)
        names.append(name)
        ends.append(weights)
        radii.append(radius)
    first, second = (np.stack(part) for part in zip(*ends, strict=True))
    rows = torch.as_tensor(np.concatenate([first, second]))
    thick, pairs = torch.tensor(radii, dtype=rows.dtype), _pairs(names)
    apart = _gaps(rows @ torch.as_tensor(template), pairs)[0].norm(dim=-1)
    reach = torch.minimum(thick[pairs[0]] + thick[pairs[1]], apart)
    return Capsules(
        tuple(names), rows.to(body.template), thick.to(body.template), pairs, reach.to(body.template)
    )


def _regions(template: Array, parts: Array, place: dict[str, Array]) -> list[tuple[str, Array, Array, float]]:
    """Name, vertices, point at the root's end, and share of the length to leave out, of each capsule."""
    chosen: dict[str, Array] = {
        name: np.flatnonzero(parts == number) for number, name in enumerate(PART_NAMES)
    }
    regions = [("head", _outside(template, chosen["head"]), place["neck"], 0.0)]
    for name, half in (("trunk_left", template[:, 0] > 0), ("trunk_right", template[:, 0] < 0)):
        regions.append(
            (name, np.flatnonzero((parts == PART_NAMES.index("trunk")) & half), place["pelvis"], 0.0)
        )
    for side in ("left", "right"):
        for chain in _CHAINS:
            for part in chain:
                beyond = DISTAL if part == chain[0] else 0.0
                regions.append(
                    (f"{side}_{part}", chosen[f"{side}_{part}"], place[f"{side}_{_ROOTS[part]}"], beyond)
                )
    return [region for region in regions if len(region[1]) >= 8]


def _outside(template: Array, chosen: Array) -> Array:
    """Return the outer half of some vertices: mouth and eyes have many that are inside."""
    distance = np.linalg.norm(template[chosen] - template[chosen].mean(axis=0), axis=1)
    return chosen[distance >= np.median(distance)]


def _capsule(
    template: Array, chosen: Array, root: Array, beyond: float, slab: float
) -> tuple[tuple[Array, Array], float]:
    """Return weights of both ends over all vertices, and the radius in m. slab: share of the length that makes an end."""
    points = template[chosen]
    centre = points.mean(axis=0)
    axis = np.linalg.svd(points - centre, full_matrices=False)[2][0]
    along = (points - centre) @ axis
    along = along * np.sign(along @ np.linalg.norm(points - root, axis=1))  # grows away from the root
    low, high = along.min() + beyond * np.ptp(along), along.max()
    low = along[along >= low].min()  # so that its slab is not empty
    slabs = (along >= low) & (along <= low + slab * (high - low)), along >= high - slab * (high - low)
    ends = []
    for members in slabs:
        weights = np.zeros(len(template))
        weights[chosen[members]] = 1 / members.sum()
        ends.append(weights)
    start, end = (weights @ template for weights in ends)
    bone = end - start
    share = np.clip((points - start) @ bone / max(bone @ bone, 1e-12), 0, 1)
    radius = np.median(np.linalg.norm(points - start - share[:, None] * bone, axis=1)[along >= low])
    return (ends[0], ends[1]), float(radius)


def _pairs(names: Sequence[str]) -> Tensor:
    """Return pairs that must stay apart: not neighbours along a limb, not head and trunk."""
    core = {"head", "trunk_left", "trunk_right"}
    apart = []
    for (i, one), (j, other) in combinations(enumerate(names), 2):
        # an arm lifted beside the head touches it
        beside = "head" in (one, other) and (one + other).count("upper_arm") > 0
        if {one, other} <= core or _neighbours(one, other) or beside:
            continue
        apart.append((i, j))
    return torch.tensor(apart).T


def _neighbours(one: str, other: str) -> bool:
    for side in ("left", "right"):
        for chain in _CHAINS:
            limb = [f"{side}_{part}" for part in chain]
            if one in limb and other in limb and abs(limb.index(one) - limb.index(other)) == 1:
                return True
    return False


def nearest_shares(a0: Tensor, a1: Tensor, b0: Tensor, b1: Tensor) -> tuple[Tensor, Tensor]:
    """Find where segments a and b (..., 3) are nearest: shares (...) of the way from a0 to a1 and from b0 to b1.

    Ericson, Real-Time Collision Detection (2004), section 5.1.9.
    """
    along_a, along_b, apart = a1 - a0, b1 - b0, a0 - b0
    aa, bb, ab = ((x * y).sum(-1) for x, y in ((along_a, along_a), (along_b, along_b), (along_a, along_b)))
    a_apart, b_apart = (along_a * apart).sum(-1), (along_b * apart).sum(-1)
    room = (aa * bb - ab**2).clamp_min(1e-12)  # parallel segments: any share of a will do
    share = ((ab * b_apart - a_apart * bb) / room).clamp(0, 1)
    other = ((ab * share + b_apart) / bb.clamp_min(1e-12)).clamp(0, 1)
    return ((ab * other - a_apart) / aa.clamp_min(1e-12)).clamp(0, 1), other


def sinking(ends: Tensor, capsules: Capsules) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Measure how much deeper than at rest pairs sink into each other, (B, N) m, 0 for those apart; ends: (B, 2 C, 3) m.

    Also the unit vector (B, N, 3) from the second to the first, and the shares (B, N) along both bones.
    """
    apart, first, second = _gaps(ends, capsules.pairs)
    distance = apart.norm(dim=-1)
    depth = (capsules.reach - distance).clamp_min(0)
    return depth, apart / distance.clamp_min(1e-9)[..., None], first, second


def _gaps(ends: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Measure the gap from the second to the first bone of each pair where they are nearest, (..., N, 3) m, and the shares (..., N)
    along both; ends: (..., 2 C, 3) m."""
    count = ends.shape[-2] // 2
    one, other = pairs
    a0, a1 = ends[..., one, :], ends[..., one + count, :]
    b0, b1 = ends[..., other, :], ends[..., other + count, :]
    first, second = nearest_shares(a0, a1, b0, b1)
    apart = a0 + first[..., None] * (a1 - a0) - b0 - second[..., None] * (b1 - b0)
    return apart, first, second


def self_penetration(body: BodyModel, vertices: Array) -> Array:
    """Measure how deep the worst pair of body parts sinks into each other, (B,) m, for posed vertices (B, V, 3) m.

    Parts are capsules, so flesh that is merely pressed together counts up to about 2 cm; what overlaps at rest does not
    count.
    """
    capsules = capsules_of(body)
    ends = capsules.ends @ torch.as_tensor(np.asarray(vertices)).to(capsules.ends)
    return sinking(ends, capsules)[0].amax(dim=1).cpu().numpy()
