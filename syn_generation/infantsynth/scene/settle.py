"""Lay a posed body to rest on flat ground: Newton's method on weight, support, muscles, flesh."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from scipy.spatial.transform import Rotation

from infantsynth.body import PART_NAMES, BodyModel
from infantsynth.poses.authored import PoseSample
from infantsynth.scene.chain import MOVING, Chain, Flesh, Posed, State, touching_ground
from infantsynth.scene.places import Ground

Array = np.ndarray

_FLESH = 150.0  # stiffness of flesh against flesh, weights per m and skin point
_STEPS = 40
_VERTICAL = np.array([0.0, 0.0, 1.0])
_PLANT = 20.0  # weights per m that draw a planted part to the ground
_SKIN = 0.001  # m: softness of the onset of contact, so that the search feels the ground before it is there
_ENOUGH = 2e-6  # m: gain of potential energy per weight at which the search stops
_LONGEST = np.array([0.03, 0.3])  # most that height (m) and angles (rad) change in one step
_SIZE = 0.7  # m: lengths and stiffnesses are those of a body of this length
# stiffness of joints towards the drawn pose, weights x m per rad of a 0.7 m body: at ease, held, carrying the body
_TONE = {
    "trunk": (0.03, 0.5, 1.0),
    "neck": (0.012, 0.2, 0.3),
    "arm": (0.002, 0.1, 0.3),
    "leg": (0.004, 0.12, 0.5),
}
_CARRYING = {"crawling": {"trunk": 2.0, "neck": 0.5, "arm": 1.5, "leg": 0.4}, "standing": {"trunk": 2.0, "neck": 0.5,
             "arm": 0.2, "leg": 2.0}, "sitting": {"trunk": 2.0, "neck": 0.5, "arm": 0.3, "leg": 0.5}}  # fmt: skip
# weights x m per rad that hold the whole body upright while its limbs find the ground
_UPRIGHT = {"standing": 3.0, "sitting": 0.3, "crawling": 0.3}
_POISE = {"standing": 200.0}  # weights per m that bring the weight over the feet
_ALONE = ("sitting",)  # must then rest with nothing that holds them
_FINE = 15  # steps of the fine search
_UPRIGHT_SHARE = {"sitting": 0.6, "standing": 0.75}  # least share of the trunk's length that is upright
_CLEARANCE = 0.03  # m that head and trunk of a crawling body of 0.7 m are above the ground
DEEPEST = 0.005  # m of a 0.7 m body that skin may be in the capsule of another limb
_ENDS = 0.4  # wrists and ankles are this much softer than the rest of a limb


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
        """The skin of a state."""
        return self.chain.place(state.angles, state.root, state.position)

    def energy(self, state: State, posed: Posed) -> float:
        """Energy of a state, weight x m."""
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
        """Gradient (D,) and Gauss-Newton Hessian (D, D) of the energy."""
        chain = self.chain
        levers = chain.levers(posed, state.angles)
        weight = self._mean_derivative(posed, levers, _VERTICAL)
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
                sway = self._mean_derivative(posed, levers, np.eye(3)[axis]) - self._support_derivative(
                    posed, levers, np.eye(3)[axis]
                )
                gradient += self.forces.poise * off[axis] * sway
                hessian += self.forces.poise * np.outer(sway, sway)
        return gradient, hessian

    def _mean_derivative(self, posed: Posed, levers: Array, along: Array) -> Array:
        """How the centre of mass moves along a direction with the state, (D,)."""
        return self._weighted_derivative(posed, levers, along, self.chain.skin.masses)

    def _support_derivative(self, posed: Posed, levers: Array, along: Array) -> Array:
        return self._weighted_derivative(posed, levers, along, self.bearing)

    def _weighted_derivative(self, posed: Posed, levers: Array, along: Array, shares: Array) -> Array:
        held = self.chain.skin.carried * shares[:, None]
        arms = held.T @ posed.points - held.sum(axis=0)[:, None] * posed.joints[self.chain.moving.moving]
        bent = np.einsum("mad,md->ma", levers, np.cross(arms, along)).ravel()
        middle = shares @ posed.points
        return np.concatenate([along[2:], np.cross(middle - posed.joints[0], along)[:2], bent])

    def _bearing(self, posed: Posed) -> Array:
        """Shares (P,) of the skin points that touch the ground, summing to 1, as much for each part of the body."""
        touching = (posed.points[:, 2] < 2 * _SKIN) & (self.ground > 0)
        parts = self.chain.skin.parts
        count = np.bincount(parts[touching], minlength=parts.max() + 1)
        shares = touching / np.maximum(count[parts], 1)
        return shares / max(shares.sum(), 1e-9)

    def _soles(self, posed: Posed) -> Array:
        """The lowest skin point of each planted part, (L,) indices."""
        return np.where(
            self.chain.skin.parts == self.forces.planted[:, None], posed.points[:, 2], np.inf
        ).argmin(axis=1)

    def _off_balance(self, posed: Posed) -> Array:
        """Centre of mass less the middle of the support, seen from above, (2,) m."""
        return ((self.chain.skin.masses - self.bearing) @ posed.points)[:2]

    def _lean(self, state: State) -> Array:
        """Turn about world x and y since the first orientation, (2,) rad, for small turns."""
        turned = state.root @ self.first.root.T
        return np.array([turned[2, 1] - turned[1, 2], turned[0, 2] - turned[2, 0]]) / 2

    def _free(self, state: State, gradient: Array) -> Array:
        """Which of the D variables may move: not those that push against their limits."""
        joints = self.chain.moving
        slope = gradient[3:].reshape(-1, 3)
        stuck = ((state.angles >= joints.hi) & (slope < 0)) | ((state.angles <= joints.lo) & (slope > 0))
        return np.concatenate([[True] * 3, ~stuck.ravel()])


def _sunk(height: Array) -> tuple[Array, Array]:
    """How deep points at a height (N,) m are in the ground, with a soft onset, and the slope 0..1 of that."""
    share = 1 / (1 + np.exp(np.clip(height / _SKIN, -50, 50)))
    return _SKIN * np.logaddexp(0, -height / _SKIN), share


def _shorten(step: Array) -> Array:
    """The step with height and angles kept within what the linear picture is good for."""
    longest = max(abs(step[0]) / _LONGEST[0], np.abs(step[1:]).max() / _LONGEST[1], 1.0)
    return step / longest


@dataclass(frozen=True)
class Settled:
    """A body at rest. pose (J, 3) rad, transl (3,) m, betas (K,); vertices (V, 3), joints (J, 3), keypoints (17, 3).

    supports: indices of the vertices that touch the ground. margin: how far the centre of mass lies inside the
    outline of the supports, seen from above, m (negative: outside). sunk: of the lowest vertex below the ground, m.
    depth: of the worst skin point in another limb, m. scale: of the body to a 0.7 m one. sample: the drawn pose.
    """

    pose: Array
    transl: Array
    betas: Array
    vertices: Array
    joints: Array
    keypoints: Array
    supports: Array
    margin: float
    sunk: float
    depth: float
    scale: float
    sample: PoseSample


def settle(body: BodyModel, betas: Array, sample: PoseSample, ground: Ground) -> Settled:
    """Let the body come to rest on the ground z = 0 above the world's origin.

    Limbs that are not held sink until something carries them, within joint limits and without entering each other.
    """
    chain = Chain(body, betas, sample.pose)
    flesh = Flesh.of(body, chain)
    scale = chain.length / _SIZE
    root = Rotation.from_rotvec(sample.pose[0]).as_matrix()
    limits = chain.moving
    angles = np.clip(chain.angles_of(sample.pose), limits.lo, limits.hi)
    first = State(angles, root, np.zeros(3))
    height = chain.place(*_parts(first)).points[:, 2].min()
    first = State(angles, root, np.array([0.0, 0.0, -height]))
    forces = _forces(sample, ground, scale)
    state = Equilibrium(chain, flesh, replace(forces, poise=0.0), first).solve(first)
    chain.use(touching_ground(body, _pose(body, chain, state).vertices, scale))
    if sample.posture in _ALONE:
        forces, first = (
            replace(forces, tone=3 * forces.tone, upright=0.003 * scale, planted=forces.planted[:0]),
            state,
        )
    for _ in range(2 if forces.poise else 1):
        state = Equilibrium(chain, flesh, forces, first).solve(state, _FINE)
    return _finish(body, chain, flesh, state, sample, ground)


def _pose(body: BodyModel, chain: Chain, state: State) -> "PosedBody":
    return pose_body(body, chain.betas, chain.pose_of(state.angles, state.root), state.position)


def _parts(state: State) -> tuple[Array, Array, Array]:
    return state.angles, state.root, state.position


def _forces(sample: PoseSample, ground: Ground, scale: float) -> Forces:
    tone = np.array([_tone(name, sample) for name in MOVING]) * scale
    return Forces(
        ground=ground.stiffness / scale,
        tone=tone,
        upright=_UPRIGHT.get(sample.posture, 0.1 if "trunk" in sample.held else 0.003) * scale,
        poise=_POISE.get(sample.posture, 0.0) / scale,
        planted=np.array([PART_NAMES.index(name) for name in sample.planted], dtype=int),
    )


def _tone(joint: str, sample: PoseSample) -> float:
    """Stiffness of a moving joint of a 0.7 m body."""
    side, _, name = joint.partition("_")
    if side not in ("left", "right"):
        group = "neck" if joint in ("neck", "head") else "trunk"
        held = "trunk" in sample.held
    else:
        group = "leg" if name in ("hip", "knee", "ankle") else "arm"
        carries = name == "hip" and sample.posture in _ALONE  # the trunk of who sits stands on loose legs too
        held = carries or f"{side}_{group}" in sample.held
    value = _TONE[group][2 if held and group == "arm" and "trunk" in sample.held else 1 if held else 0]
    if held and sample.posture in _CARRYING:
        value = _CARRYING[sample.posture][group]
    if name == "collar":
        value = max(value, 0.05)
    return value * (_ENDS if name in ("wrist", "ankle") else 1.0)


def _finish(
    body: BodyModel, chain: Chain, flesh: Flesh, state: State, sample: PoseSample, ground: Ground
) -> Settled:
    """Pose the whole body exactly, keep it from floating or sinking, centre it, and measure how it rests."""
    pose = chain.pose_of(state.angles, state.root)
    scale = chain.length / _SIZE
    vertices = pose_body(body, chain.betas, pose, state.position).vertices
    lowest = vertices[:, 2].min()
    allowed = ground.sink * scale
    touch = 0.25 * ground.sink * scale
    lift = np.clip(lowest, -allowed, -min(touch, allowed)) - lowest
    middle = (vertices[:, :2].min(axis=0) + vertices[:, :2].max(axis=0)) / 2
    transl = state.position + np.array([-middle[0], -middle[1], lift])
    posed = pose_body(body, chain.betas, pose, transl)
    placed = chain.place(state.angles, state.root, transl)
    supports = np.flatnonzero(posed.vertices[:, 2] < 0)
    centre = chain.skin.masses @ placed.points
    depth, *_ = flesh.depths(chain, placed, flesh.room(chain))
    return Settled(
        pose, transl, chain.betas, posed.vertices, posed.joints, posed.keypoints, supports,
        margin(posed.vertices[supports, :2], centre[:2]), -float(posed.vertices[:, 2].min()), float(depth.max()),
        scale, sample,
    )  # fmt: skip


@dataclass(frozen=True)
class PosedBody:
    """vertices (V, 3), joints (J, 3), keypoints (17, 3) in m, float64."""

    vertices: Array
    joints: Array
    keypoints: Array


def pose_body(body: BodyModel, betas: Array, pose: Array, transl: Array) -> PosedBody:
    """The body's own forward as plain arrays."""
    with torch.no_grad():
        arguments = [torch.as_tensor(a[None], dtype=torch.float32) for a in (betas, pose, transl)]
        output = body(*arguments)
    return PosedBody(
        *(part[0].double().numpy() for part in (output.vertices, output.joints, output.keypoints))
    )


def margin(supports: Array, centre: Array) -> float:
    """How far a point (2,) lies inside the convex outline of points (N, 2), m; negative outside, -inf for < 3."""
    if len(supports) < 3:
        return -np.inf
    outline = cv2.convexHull(supports.astype(np.float32))
    return float(cv2.pointPolygonTest(outline, (float(centre[0]), float(centre[1])), True))


def keeps_posture(settled: Settled, parts: Array) -> bool:
    """Whether the body still lies, sits or stands as its posture says after it came to rest. parts: (V,) of the body."""
    posture = settled.sample.posture
    left, back, up = Rotation.from_rotvec(settled.pose[0]).as_matrix()[2]
    if posture in _UPRIGHT_SHARE:
        return bool(up > _UPRIGHT_SHARE[posture])
    if posture == "side":
        return bool(abs(left) > 0.55)
    if posture == "supine":
        return bool(back < -0.6)
    if posture == "prone":
        return bool(back > 0.55)
    clear = [settled.vertices[parts == PART_NAMES.index(name), 2].min() for name in ("head", "trunk")]
    return bool(back > 0.35 and min(clear) > _CLEARANCE * settled.scale)


def badness(settled: Settled, parts: Array) -> float:
    """How badly a body rests, 0 when all is well: weight outside its support, posture lost, limbs in each other."""
    lost = 0.0 if keeps_posture(settled, parts) else 1.0
    return lost + max(-settled.margin, 0.0) + 10 * max(settled.depth - DEEPEST * settled.scale, 0.0)
