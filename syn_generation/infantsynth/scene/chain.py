"""A posed body as a few hundred skin points that hang on a chain of joints: positions and their derivatives."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from infantsynth.body import PART_NAMES, BodyModel
from infantsynth.priors import JointLimits

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
    corners = vertices[faces]
    double = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
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
