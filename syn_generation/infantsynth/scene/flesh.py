"""Choose the skin points, joints and limb capsules that stand for a body while it settles."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from infantsynth.body import PART_NAMES, BodyModel
from infantsynth.priors import JointLimits
from infantsynth.spec import face_normals

Array = np.ndarray

_EVEN = 600  # skin points spread evenly over the skin: they carry the weight
_EXTREME = 24  # further points of each part, the outermost in as many directions: they touch the ground first
_NEAR, _SQUARE = 0.03, 0.01  # m, of a 0.7 m body: height below which skin may touch, and the grid of contacts
MOVING = (
    "spine1",
    "spine2",
    "spine3",
    "neck",
    "head",
    *tuple(
        f"{side}_{joint}"
        for side in ("left", "right")
        for joint in ("collar", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    ),
)
# share of the mass of each part, one side; infants carry a fifth in the head, adults 8 % (Jensen 1989, de Leva 1996)
_INFANT_SHARES = {
    "head": 0.22,
    "trunk": 0.49,
    "upper_arm": 0.025,
    "forearm": 0.014,
    "hand": 0.008,
    "thigh": 0.055,
    "shank": 0.03,
    "foot": 0.013,
}
_ADULT_SHARES = {
    "head": 0.08,
    "trunk": 0.43,
    "upper_arm": 0.027,
    "forearm": 0.016,
    "hand": 0.006,
    "thigh": 0.142,
    "shank": 0.043,
    "foot": 0.011,
}
_LIMBS = {
    "upper_arm": ("shoulder", "elbow"),
    "forearm": ("elbow", "wrist"),
    "thigh": ("hip", "knee"),
    "shank": ("knee", "ankle"),
}
_ENDS = {"hand": "wrist", "foot": "ankle"}
_TOUCHING = (
    ("trunk", "head"),
    ("trunk", "upper_arm"),
    ("trunk", "thigh"),
    ("upper_arm", "forearm"),
    ("forearm", "hand"),
    ("thigh", "shank"),
    ("shank", "foot"),
    ("head", "upper_arm"),
)


@dataclass(frozen=True)
class Skin:
    """Chosen skin points of a body. vertices: their indices (P,); weights: skinning (P, J); parts (P,) of the body;
    carried: (P, M) share of each that hangs on each moving joint; masses (P,) sum to 1; areas (P,): share of all
    skin that each stands for where it touches the ground."""

    vertices: Array
    weights: Array
    parts: Array
    carried: Array
    masses: Array
    areas: Array


@dataclass(frozen=True)
class Joints:
    """The joints that move: their indices (M,), below (M, J): the joints that each carries, axes and limits."""

    moving: Array
    below: Array
    axes: Array
    lo: Array
    hi: Array


@lru_cache(maxsize=4)
def joints_of(body: BodyModel) -> Joints:
    """Return the moving joints of a body."""
    moving = np.array([body.joint(name) for name in MOVING])
    limits = JointLimits.for_body(body)
    below = descendants(body.parents)[moving]
    return Joints(moving, below, limits.axes[moving], limits.lo[moving], limits.hi[moving])


@lru_cache(maxsize=4)
def skin_of(body: BodyModel) -> Skin:
    """Return skin points of a body, chosen with a generator of their own so that they never change."""
    template = body.template.detach().cpu().double().numpy()
    areas = vertex_areas(template, body.faces)
    rng = np.random.default_rng(0)
    even = rng.choice(len(template), size=min(_EVEN, len(template)), replace=False, p=areas / areas.sum())
    chosen = np.union1d(even, outermost(template, body.parts))
    shares = _ADULT_SHARES if body.name == "adult" else _INFANT_SHARES
    share = np.array([shares[name.removeprefix("left_").removeprefix("right_")] for name in PART_NAMES])
    carries, parts = np.isin(chosen, even), body.parts[chosen].astype(int)
    count = np.bincount(parts[carries], minlength=len(PART_NAMES))
    masses = carries * share[parts] / np.maximum(count[parts], 1)
    return _skin(body, chosen, masses / masses.sum(), np.full(len(chosen), 1 / len(even)))


def _skin(body: BodyModel, chosen: Array, masses: Array, areas: Array) -> Skin:
    weights = body.skinning_weights.detach().cpu().double().numpy()[chosen]
    carried = weights @ joints_of(body).below.T
    return Skin(chosen, weights, body.parts[chosen].astype(int), carried, masses, areas)


def touching_ground(body: BodyModel, vertices: Array, scale: float) -> Skin:
    """Return skin points for the fine search: those of ``skin_of`` for the weight, and the lowest vertex of each square
    of the ground for the contact. vertices: (V, 3) m, nearly at rest on z = 0. scale: of the body to a 0.7 m one."""
    coarse = skin_of(body)
    near = np.flatnonzero(vertices[:, 2] < _NEAR * scale)
    square = np.floor(vertices[near, :2] / (_SQUARE * scale)).astype(int)
    order = np.lexsort((vertices[near, 2], square[:, 1], square[:, 0]))
    first = np.ones(len(order), dtype=bool)
    first[1:] = (np.diff(square[order], axis=0) != 0).any(axis=1)
    lowest = near[order[first]]
    skin = vertex_areas(vertices, body.faces).sum()
    masses = np.concatenate([coarse.masses, np.zeros(len(lowest))])
    areas = np.concatenate([np.zeros(len(coarse.areas)), np.full(len(lowest), (_SQUARE * scale) ** 2 / skin)])
    return _skin(body, np.concatenate([coarse.vertices, lowest]), masses, areas)


def outermost(vertices: Array, parts: Array) -> Array:
    """Return indices of the vertices of each part that lie outermost in directions all around."""
    turn = np.arange(_EXTREME) + 0.5
    # a Fibonacci spiral over the sphere
    height, angle = (1 - 2 * turn / _EXTREME, turn * np.pi * (1 + np.sqrt(5)))
    width = np.sqrt(1 - height**2)
    directions = np.stack([width * np.cos(angle), width * np.sin(angle), height])
    found = []
    for part in np.unique(parts):
        members = np.flatnonzero(parts == part)
        found.append(members[(vertices[members] @ directions).argmax(axis=0)])
    return np.unique(np.concatenate(found))


def vertex_areas(vertices: Array, faces: Array) -> Array:
    """Return a third of the area of the faces around each vertex, (V,) m^2."""
    double = np.linalg.norm(face_normals(vertices, faces), axis=1)
    return np.bincount(faces.ravel(), np.repeat(double / 6, 3), len(vertices))


def descendants(parents: tuple[int, ...]) -> Array:
    """Return (J, J) of 0 and 1: row j marks the joints that joint j carries, itself included."""
    below = np.eye(len(parents))
    for joint in range(len(parents) - 1, 0, -1):
        below[parents[joint]] += below[joint]
    return below


@dataclass(frozen=True)
class LimbCapsules:
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
def limb_capsules(body: BodyModel) -> LimbCapsules:
    """Return a capsule for each limb, half of the trunk, and head of a body."""
    rows = [
        ("trunk", "pelvis", "spine3"),
        ("trunk", "pelvis", "spine3"),
        ("trunk", "left_hip", "right_hip"),
        ("head", "head", "head"),
    ]
    for side in ("left", "right"):
        rows += [(f"{side}_{limb}", f"{side}_{a}", f"{side}_{b}") for limb, (a, b) in _LIMBS.items()]
        rows += [(f"{side}_{limb}", f"{side}_{joint}", f"{side}_{joint}") for limb, joint in _ENDS.items()]
    start, end = (np.array([body.joint(row[k]) for row in rows]) for k in (1, 2))
    below = joints_of(body).below
    part = np.array([PART_NAMES.index(row[0]) for row in rows])
    against = np.array([[not _neighbours(row[0], name) for name in PART_NAMES] for row in rows])
    half = np.array([1, -1] + [0] * (len(rows) - 2))
    return LimbCapsules(start, end, part, half, against, below[:, start].T, below[:, end].T)


def _neighbours(first: str, second: str) -> bool:
    """Check whether two parts are the same or meet at a joint."""
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
class Posed:
    """World rotations (J, 3, 3) and positions (J, 3) m of the joints, and the skin points (P, 3) m."""

    rotations: Array
    joints: Array
    points: Array


@dataclass(frozen=True)
class State:
    """Angles (M, 3) rad, root rotation (3, 3), root position (3,) m."""

    angles: Array
    root: Array
    position: Array
