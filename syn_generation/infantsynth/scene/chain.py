"""Pose a few hundred skin points and limb capsules on a chain of joints, with derivatives."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy.spatial.transform import Rotation

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
_INFANT_SHARES = {"head": 0.22, "trunk": 0.49, "upper_arm": 0.025, "forearm": 0.014, "hand": 0.008, "thigh": 0.055,
                  "shank": 0.03, "foot": 0.013}  # fmt: skip
_ADULT_SHARES = {"head": 0.08, "trunk": 0.43, "upper_arm": 0.027, "forearm": 0.016, "hand": 0.006, "thigh": 0.142,
                 "shank": 0.043, "foot": 0.011}  # fmt: skip
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
    """The moving joints of a body."""
    moving = np.array([body.joint(name) for name in MOVING])
    limits = JointLimits.for_body(body)
    below = descendants(body.parents)[moving]
    return Joints(moving, below, limits.axes[moving], limits.lo[moving], limits.hi[moving])


@lru_cache(maxsize=4)
def skin_of(body: BodyModel) -> Skin:
    """Skin points of a body, chosen with a generator of their own so that they never change."""
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
    """Skin points for the fine search: those of ``skin_of`` for the weight, and the lowest vertex of each square
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
    """Indices of the vertices of each part that lie outermost in directions all around."""
    turn = np.arange(_EXTREME) + 0.5
    height, angle = (
        1 - 2 * turn / _EXTREME,
        turn * np.pi * (1 + np.sqrt(5)),
    )  # a Fibonacci spiral over the sphere
    width = np.sqrt(1 - height**2)
    directions = np.stack([width * np.cos(angle), width * np.sin(angle), height])
    found = []
    for part in np.unique(parts):
        members = np.flatnonzero(parts == part)
        found.append(members[(vertices[members] @ directions).argmax(axis=0)])
    return np.unique(np.concatenate(found))


def vertex_areas(vertices: Array, faces: Array) -> Array:
    """A third of the area of the faces around each vertex, (V,) m^2."""
    double = np.linalg.norm(face_normals(vertices, faces), axis=1)
    return np.bincount(faces.ravel(), np.repeat(double / 6, 3), len(vertices))


def descendants(parents: tuple[int, ...]) -> Array:
    """(J, J) of 0 and 1: row j marks the joints that joint j carries, itself included."""
    below = np.eye(len(parents))
    for joint in range(len(parents) - 1, 0, -1):
        below[parents[joint]] += below[joint]
    return below


@dataclass(frozen=True)
class Posed:
    """World rotations (J, 3, 3) and positions (J, 3) m of the joints, and the skin points (P, 3) m."""

    rotations: Array
    joints: Array
    points: Array


class Chain:
    """One body shape, ready to be posed.

    State: angles (M, 3) rad of the moving joints along their anatomical axes, root rotation (3, 3), root
    position (3,) m; other joints (fingers) keep the pose that is given.
    """

    def __init__(self, body: BodyModel, betas: Array, pose: Array) -> None:
        self.body, self.moving, self.parents = body, joints_of(body), body.parents
        with torch.no_grad():
            flat = torch.zeros(1, len(body.parents), 3)
            rest = body(torch.as_tensor(betas[None], dtype=torch.float32), flat, torch.zeros(1, 3))
        self.rest_joints = rest.joints[0].double().numpy()
        self.rest_vertices = rest.vertices[0].double().numpy()
        self.pose, self.betas = np.array(pose, dtype=np.float64), np.asarray(betas, dtype=np.float64)
        self.length = float(np.ptp(self.rest_vertices[:, 2]))  # m
        self.use(skin_of(body))

    def use(self, skin: Skin) -> None:
        """Change the skin points."""
        self.skin, self.rest_points = skin, self.rest_vertices[skin.vertices]

    def angles_of(self, pose: Array) -> Array:
        """Angles (M, 3) rad of a pose (J, 3)."""
        return np.einsum("mac,mc->ma", self.moving.axes, pose[self.moving.moving])

    def pose_of(self, angles: Array, root: Array) -> Array:
        """Axis-angle pose (J, 3) rad of a state."""
        pose = self.pose.copy()
        pose[self.moving.moving] = np.einsum("mac,ma->mc", self.moving.axes, angles)
        pose[0] = Rotation.from_matrix(root).as_rotvec()
        return pose

    def place(self, angles: Array, root: Array, position: Array) -> Posed:
        """Forward kinematics and linear blend skinning of the points."""
        local = Rotation.from_rotvec(self.pose_of(angles, root)).as_matrix()
        turned, where = local.copy(), np.empty_like(self.rest_joints)
        where[0] = position
        for joint in range(1, len(self.parents)):
            parent = self.parents[joint]
            turned[joint] = turned[parent] @ local[joint]
            where[joint] = where[parent] + turned[parent] @ (
                self.rest_joints[joint] - self.rest_joints[parent]
            )
        shift = where - np.einsum("jab,jb->ja", turned, self.rest_joints)
        blend = self.skin.weights @ np.concatenate([turned.reshape(-1, 9), shift], axis=1)
        points = np.einsum("pab,pb->pa", blend[:, :9].reshape(-1, 3, 3), self.rest_points) + blend[:, 9:]
        return Posed(turned, where, points)

    def levers(self, posed: Posed, angles: Array) -> Array:
        """(M, 3, 3) that turn a torque about each moving joint, world axes, into a force on its three angles."""
        moving, axes = self.moving.moving, self.moving.axes
        right = right_jacobian(np.einsum("mac,ma->mc", axes, angles))
        return np.einsum("mac,mbc,mdb->mad", axes, right, posed.rotations[moving])

    def derivative(self, posed: Posed, levers: Array, points: Array, carried: Array, along: Array) -> Array:
        """How points (N, 3) move along directions (N, 3) with the state: (N, 3 + 3 M).

        Columns: height of the root, its turns about world x and y, then the angles. carried: (N, M) share of each
        point that hangs on each moving joint.
        """
        arms = points[:, None] - posed.joints[self.moving.moving]
        torque = np.cross(arms, along[:, None]) * carried[..., None]
        bent = np.einsum("mad,nmd->nma", levers, torque).reshape(len(points), 3 * len(levers))
        root = np.cross(points - posed.joints[0], along)
        return np.concatenate([along[:, 2:3], root[:, :2], bent], axis=1)

    def move(self, state: "State", step: Array) -> "State":
        """The state after a step (3 + 3 M,), angles kept within their limits."""
        angles = np.clip(state.angles + step[3:].reshape(-1, 3), self.moving.lo, self.moving.hi)
        turn = Rotation.from_rotvec(np.array([step[1], step[2], 0.0])).as_matrix()
        return State(angles, turn @ state.root, state.position + np.array([0.0, 0.0, step[0]]))


@dataclass(frozen=True)
class State:
    """Angles (M, 3) rad, root rotation (3, 3), root position (3,) m."""

    angles: Array
    root: Array
    position: Array


def right_jacobian(vectors: Array) -> Array:
    """Right Jacobians (N, 3, 3) of the exponential at rotation vectors (N, 3) (Chirikjian 2012, eq. 10.86)."""
    angle = np.linalg.norm(vectors, axis=1)
    small = angle < 1e-4
    safe = np.where(small, 1.0, angle)
    first = np.where(small, 0.5, (1 - np.cos(safe)) / safe**2)
    second = np.where(small, 1 / 6, (safe - np.sin(safe)) / safe**3)
    x, y, z = vectors.T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)
    return np.eye(3) - first[:, None, None] * cross + second[:, None, None] * (cross @ cross)


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
    return LimbCapsules(start, end, part, half, against, below[:, start].T, below[:, end].T)


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

    capsules: LimbCapsules
    start: Array
    end: Array
    radius: Array

    @classmethod
    def of(cls, body: BodyModel, chain: Chain) -> "Flesh":
        """Measure the radii from the skin at rest; hands, feet and head reach to the middle of their skin."""
        capsules = limb_capsules(body)
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
