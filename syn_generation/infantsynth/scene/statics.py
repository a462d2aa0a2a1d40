"""Compute how a limp body rests on the ground: kinematics, and Newton's method on the energy.

The energy is that of weight, support, muscles and flesh, in units of the body's weight times a metre, so that nothing
depends on its mass.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from infantsynth.body import PART_NAMES, BodyModel
from infantsynth.scene.flesh import (
    LimbCapsules,
    Posed,
    Skin,
    State,
    joints_of,
    limb_capsules,
    skin_of,
    vertex_areas,
)

Array = np.ndarray

_SHALLOW = 0.88  # radius of a capsule as share of the median distance of its skin: soft parts may be pressed
# of the head's length, and of the way from wrist or ankle to the middle of hand or foot
_LONG, _TO_TIP = (0.14, 1.5)
_ASIDE = 0.65  # of the mean distance of a trunk's half from the middle: where the line inside that half lies
_FLESH = 150.0  # stiffness of flesh against flesh, weights per m and skin point
_STEPS = 40
_VERTICAL = np.array([0.0, 0.0, 1.0])
_PLANT = 20.0  # weights per m that draw a planted part to the ground
_SKIN = 0.001  # m: softness of the onset of contact, so that the search feels the ground before it is there
_ENOUGH = 2e-6  # m: gain of potential energy per weight at which the search stops
_LONGEST = np.array([0.03, 0.3])  # most that height (m) and angles (rad) change in one step


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
        """Return angles (M, 3) rad of a pose (J, 3)."""
        return np.einsum("mac,mc->ma", self.moving.axes, pose[self.moving.moving])

    def pose_of(self, angles: Array, root: Array) -> Array:
        """Return the axis-angle pose (J, 3) rad of a state."""
        pose = self.pose.copy()
        pose[self.moving.moving] = np.einsum("mac,ma->mc", self.moving.axes, angles)
        pose[0] = Rotation.from_matrix(root).as_rotvec()
        return pose

    def place(self, angles: Array, root: Array, position: Array) -> Posed:
        """Return forward kinematics and linear blend skinning of the points."""
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
        """Return (M, 3, 3) that turn a torque about each moving joint, world axes, into a force on its three angles."""
        moving, axes = self.moving.moving, self.moving.axes
        right = right_jacobian(np.einsum("mac,ma->mc", axes, angles))
        return np.einsum("mac,mbc,mdb->mad", axes, right, posed.rotations[moving])

    def derivative(self, posed: Posed, levers: Array, points: Array, carried: Array, along: Array) -> Array:
        """Compute how points (N, 3) move along directions (N, 3) with the state: (N, 3 + 3 M).

        Columns: height of the root, its turns about world x and y, then the angles. carried: (N, M) share of each
        point that hangs on each moving joint.
        """
        arms = points[:, None] - posed.joints[self.moving.moving]
        torque = np.cross(arms, along[:, None]) * carried[..., None]
        bent = np.einsum("mad,nmd->nma", levers, torque).reshape(len(points), 3 * len(levers))
        root = np.cross(points - posed.joints[0], along)
        return np.concatenate([along[:, 2:3], root[:, :2], bent], axis=1)

    def move(self, state: State, step: Array) -> State:
        """Return the state after a step (3 + 3 M,), angles kept within their limits."""
        angles = np.clip(state.angles + step[3:].reshape(-1, 3), self.moving.lo, self.moving.hi)
        turn = Rotation.from_rotvec(np.array([step[1], step[2], 0.0])).as_matrix()
        return State(angles, turn @ state.root, state.position + np.array([0.0, 0.0, step[0]]))


def right_jacobian(vectors: Array) -> Array:
    """Return right Jacobians (N, 3, 3) of the exponential at rotation vectors (N, 3) (Chirikjian 2012, eq. 10.86)."""
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
class Flesh:
    """The capsules of one body shape: ends in the rest pose (C, 3) m, and radii (C,) m."""

    capsules: LimbCapsules
    start: Array
    end: Array
    radius: Array

    def ends(self, posed: Posed, rest_joints: Array) -> tuple[Array, Array]:
        """Return world positions of both ends of the capsules, (C, 3) m each."""
        sides = []
        for joints, rest in ((self.capsules.start, self.start), (self.capsules.end, self.end)):
            offset = rest - rest_joints[joints]
            sides.append(posed.joints[joints] + np.einsum("cab,cb->ca", posed.rotations[joints], offset))
        return sides[0], sides[1]

    def room(self, chain: Chain) -> Array:
        """Return the radius (P, C) m that each capsule has for each skin point: less where it is inside at rest; 0 for neighbours."""
        distance, _, _ = to_segments(chain.rest_points, self.start, self.end)
        return np.minimum(self.radius, distance) * self.capsules.against.T[chain.skin.parts]

    def depths(
        self, chain: Chain, posed: Posed, room: Array
    ) -> tuple[Array, Array, Array, tuple[Array, Array]]:
        """Return the depth (P, C) m of each skin point in each capsule, 0 outside; share along (P, C); offset (P, C, 3)."""
        start, end = self.ends(posed, chain.rest_joints)
        distance, share, offset = to_segments(posed.points, start, end)
        return np.maximum(room - distance, 0), share, offset, (start, end)

    def push(self, chain: Chain, posed: Posed, levers: Array, room: Array) -> tuple[Array, Array]:
        """Return depths (N,) m of the skin points that are inside a capsule, and their derivatives (N, 3 + 3 M)."""
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


def measure_flesh(body: BodyModel, chain: Chain) -> Flesh:
    """Measure the radii from the skin at rest; hands, feet and head reach to the middle of their skin."""
    capsules = limb_capsules(body)
    start, end = chain.rest_joints[capsules.start].copy(), chain.rest_joints[capsules.end].copy()
    radius = np.empty(len(start))
    areas = vertex_areas(chain.rest_vertices, body.faces)
    hip, head, trunk = body.joint("left_hip"), PART_NAMES.index("head"), PART_NAMES.index("trunk")
    for c, part in enumerate(capsules.part):
        chosen = body.parts == part
        if capsules.half[c]:
            chosen &= chain.rest_vertices[:, 0] * capsules.half[c] > 0
        elif capsules.start[c] == hip and part == trunk:
            chosen &= chain.rest_vertices[:, 2] < start[c, 2]
        elif part == head:
            chosen &= chain.rest_vertices[:, 2] > start[c, 2]  # without the neck
        points, weights = chain.rest_vertices[chosen], areas[chosen]
        if capsules.half[c]:
            start[c, :2], end[c, :2] = _middle(points, start[c, 2]), _middle(points, end[c, 2])
        elif capsules.start[c] == capsules.end[c]:
            middle = weights @ points / weights.sum()
            if part == head:  # longer than it is wide
                length = np.array([0.0, _LONG * np.ptp(points[:, 1]), 0.0])
                start[c], end[c] = middle - length, middle + length
            else:
                end[c] = start[c] + _TO_TIP * (middle - start[c])
        distance, _, _ = to_segments(points, start[c : c + 1], end[c : c + 1])
        radius[c] = _SHALLOW * _median(distance[:, 0], weights)
    return Flesh(capsules, start, end, radius)


def _median(values: Array, weights: Array) -> float:
    """Return the weighted median of values (N,)."""
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order[np.searchsorted(total, total[-1] / 2)]])


def _middle(points: Array, height: float) -> Array:
    """Return the middle line (2,) m of one half of a trunk at a height, drawn in towards the body's middle, from its skin."""
    near = np.abs(points[:, 2] - height) <= np.quantile(np.abs(points[:, 2] - height), 0.35)
    low, high = points[near, 1].min(), points[near, 1].max()
    return np.array([_ASIDE * points[near, 0].mean(), (low + high) / 2])


def to_segments(points: Array, start: Array, end: Array) -> tuple[Array, Array, Array]:
    """Measure from points (P, 3) to segments (C): distance (P, C), share along the segment (P, C), offset (P, C, 3)."""
    axis = end - start
    length = np.maximum((axis**2).sum(axis=1), 1e-12)
    share = np.clip((points @ axis.T - (start * axis).sum(axis=1)) / length, 0, 1)
    offset = points[:, None] - start - share[..., None] * axis
    return np.sqrt((offset**2).sum(axis=2)), share, offset


@dataclass(frozen=True)
class Forces:
    """What acts on the body besides its weight.

    ground: stiffness of the ground, weights per m when all skin touched it. tone: (M,) stiffness of the moving
    joints towards their first angles, weights x m per rad. upright: that of the whole body's orientation.
    poise: (weights per m) draws the centre of mass over the middle of the support, 0 for none.
    planted: (L,) parts of the body that are put on the ground: the lowest point of each is drawn to it.
    """

    ground: float
    tone: Array
    upright: float
    poise: float
    planted: Array


class Equilibrium:
    """The energy of one body over a flat ground at height 0, its derivative, and the way down."""

    def __init__(self, chain: Chain, flesh: Flesh, forces: Forces, first: State) -> None:
        self.chain, self.flesh, self.forces, self.first = chain, flesh, forces, first
        self.tone = np.repeat(forces.tone, 3)
        self.ground = forces.ground * chain.skin.areas
        self.room = flesh.room(chain)
        self.bearing = chain.skin.masses  # shares of the skin points in the support, renewed by each solve

    def solve(self, state: State, steps: int = _STEPS) -> State:
        """Go down from a state until nothing is gained; damped Gauss-Newton with limits as bounds."""
        damping = 1e-3
        posed = self.place(state)
        self.bearing = self._bearing(posed)
        energy = self.energy(state, posed)
        for _ in range(steps):
            gradient, hessian = self.slopes(state, posed)
            free = self._free(state, gradient)
            for attempt in range(8):  # noqa: B007 - read after the loop
                step = np.zeros_like(gradient)
                system = hessian[np.ix_(free, free)] + damping * np.eye(free.sum())
                step[free] = -np.linalg.solve(system, gradient[free])
                trial = self.chain.move(state, _shorten(step))
                trial_posed = self.place(trial)
                trial_energy = self.energy(trial, trial_posed)
                if trial_energy < energy:
                    break
                damping *= 10
            else:
                return state
            gain, state, posed, energy = energy - trial_energy, trial, trial_posed, trial_energy
            damping = damping if attempt else max(damping / 4, 1e-5)
            if gain < _ENOUGH:
                return state
        return state

    def place(self, state: State) -> Posed:
        """Return the skin of a state."""
        return self.chain.place(state.angles, state.root, state.position)

    def energy(self, state: State, posed: Posed) -> float:
        """Return the energy of a state, weight x m."""
        sunk, _ = _sunk(posed.points[:, 2])
        depth, _, _, _ = self.flesh.depths(self.chain, posed, self.room)
        bent = (state.angles - self.first.angles).ravel()
        lean = self._lean(state)
        off = self._off_balance(posed)
        return float(
            self.chain.skin.masses @ posed.points[:, 2]
            + self.ground @ sunk**2 / 2
            + _FLESH / 2 * (depth**2).sum()
            + (self.tone * bent) @ bent / 2
            + self.forces.upright / 2 * (lean @ lean)
            + self.forces.poise / 2 * (off @ off)
            + _PLANT / 2 * (posed.points[self._soles(posed), 2] ** 2).sum()
        )

    def slopes(self, state: State, posed: Posed) -> tuple[Array, Array]:
        """Return the gradient (D,) and Gauss-Newton Hessian (D, D) of the energy."""
        chain = self.chain
        levers = chain.levers(posed, state.angles)
        weight = self._mean_derivative(posed, levers, _VERTICAL, chain.skin.masses)
        low = np.flatnonzero((posed.points[:, 2] < 6 * _SKIN) & (self.ground > 0))
        stiff = self.ground[low]
        sunk, share = _sunk(posed.points[low, 2])
        touch = chain.derivative(
            posed, levers, posed.points[low], chain.skin.carried[low], np.tile(_VERTICAL, (len(low), 1))
        )
        depth, inward = self.flesh.push(chain, posed, levers, self.room)
        gradient = weight - (stiff * sunk * share) @ touch + _FLESH * depth @ inward
        hessian = (touch.T * (stiff * share)) @ touch + _FLESH * inward.T @ inward
        soles = self._soles(posed)
        tread = chain.derivative(
            posed, levers, posed.points[soles], chain.skin.carried[soles], np.tile(_VERTICAL, (len(soles), 1))
        )
        gradient += _PLANT * posed.points[soles, 2] @ tread
        hessian += _PLANT * tread.T @ tread
        gradient[3:] += self.tone * (state.angles - self.first.angles).ravel()
        gradient[1:3] += self.forces.upright * self._lean(state)
        hessian[np.diag_indices(len(hessian))] += np.concatenate(
            [[0.0], [self.forces.upright] * 2, self.tone]
        )
        if self.forces.poise:
            off = self._off_balance(posed)
            for axis in (0, 1):
                way = np.eye(3)[axis]
                sway = self._mean_derivative(posed, levers, way, chain.skin.masses)
                sway -= self._mean_derivative(posed, levers, way, self.bearing)
                gradient += self.forces.poise * off[axis] * sway
                hessian += self.forces.poise * np.outer(sway, sway)
        return gradient, hessian

    def _mean_derivative(self, posed: Posed, levers: Array, along: Array, shares: Array) -> Array:
        """Compute how the mean of the skin points, by shares (P,), moves along a direction (3,) with the state, (D,)."""
        held = self.chain.skin.carried * shares[:, None]
        arms = held.T @ posed.points - held.sum(axis=0)[:, None] * posed.joints[self.chain.moving.moving]
        bent = np.einsum("mad,md->ma", levers, np.cross(arms, along)).ravel()
        middle = shares @ posed.points
        return np.concatenate([along[2:], np.cross(middle - posed.joints[0], along)[:2], bent])

    def _bearing(self, posed: Posed) -> Array:
        """Return shares (P,) of the skin points that touch the ground, summing to 1, as much for each part of the body."""
        touching = (posed.points[:, 2] < 2 * _SKIN) & (self.ground > 0)
        parts = self.chain.skin.parts
        count = np.bincount(parts[touching], minlength=parts.max() + 1)
        shares = touching / np.maximum(count[parts], 1)
        return shares / max(shares.sum(), 1e-9)

    def _soles(self, posed: Posed) -> Array:
        """Return the lowest skin point of each planted part, (L,) indices."""
        return np.where(
            self.chain.skin.parts == self.forces.planted[:, None], posed.points[:, 2], np.inf
        ).argmin(axis=1)

    def _off_balance(self, posed: Posed) -> Array:
        """Return the centre of mass less the middle of the support, seen from above, (2,) m."""
        return ((self.chain.skin.masses - self.bearing) @ posed.points)[:2]

    def _lean(self, state: State) -> Array:
        """Turn about world x and y since the first orientation, (2,) rad, for small turns."""
        turned = state.root @ self.first.root.T
        return np.array([turned[2, 1] - turned[1, 2], turned[0, 2] - turned[2, 0]]) / 2

    def _free(self, state: State, gradient: Array) -> Array:
        """Find which of the D variables may move: not those that push against their limits."""
        joints = self.chain.moving
        slope = gradient[3:].reshape(-1, 3)
        stuck = ((state.angles >= joints.hi) & (slope < 0)) | ((state.angles <= joints.lo) & (slope > 0))
        return np.concatenate([[True] * 3, ~stuck.ravel()])


def _sunk(height: Array) -> tuple[Array, Array]:
    """Measure how deep points at a height (N,) m are in the ground, with a soft onset, and the slope 0..1 of that."""
    share = 1 / (1 + np.exp(np.clip(height / _SKIN, -50, 50)))
    return _SKIN * np.logaddexp(0, -height / _SKIN), share


def _shorten(step: Array) -> Array:
    """Return the step with height and angles kept within what the linear image is good for."""
    longest = max(abs(step[0]) / _LONGEST[0], np.abs(step[1:]).max() / _LONGEST[1], 1.0)
    return step / longest
