"""Lay a posed body on flat ground: on enough points, floating nowhere, sinking no deeper than allowed."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from scipy.spatial.transform import Rotation

from infantsynth.body import PART_NAMES, BodyModel
from infantsynth.poses.authored import PoseSample
from infantsynth.scene.flesh import MOVING, State, touching_ground
from infantsynth.scene.places import Ground
from infantsynth.scene.statics import Chain, Equilibrium, Flesh, Forces, measure_flesh

Array = np.ndarray

_SIZE = 0.7  # m: lengths and stiffnesses are those of a body of this length
# stiffness of joints towards the drawn pose, weights x m per rad of a 0.7 m body: at ease, held, carrying the body
_TONE = {
    "trunk": (0.03, 0.5, 1.0),
    "neck": (0.012, 0.2, 0.3),
    "arm": (0.002, 0.1, 0.3),
    "leg": (0.004, 0.12, 0.5),
}
_CARRYING = {
    "crawling": {"trunk": 2.0, "neck": 0.5, "arm": 1.5, "leg": 0.4},
    "standing": {"trunk": 2.0, "neck": 0.5, "arm": 0.2, "leg": 2.0},
    "sitting": {"trunk": 2.0, "neck": 0.5, "arm": 0.3, "leg": 0.5},
}
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
    flesh = measure_flesh(body, chain)
    scale = chain.length / _SIZE
    root = Rotation.from_rotvec(sample.pose[0]).as_matrix()
    limits = chain.moving
    angles = np.clip(chain.angles_of(sample.pose), limits.lo, limits.hi)
    first = State(angles, root, np.zeros(3))
    height = chain.place(first.angles, first.root, first.position).points[:, 2].min()
    first = State(angles, root, np.array([0.0, 0.0, -height]))
    forces = _forces(sample, ground, scale)
    state = Equilibrium(chain, flesh, replace(forces, poise=0.0), first).solve(first)
    chain.use(
        touching_ground(
            body,
            pose_body(body, chain.betas, chain.pose_of(state.angles, state.root), state.position).vertices,
            scale,
        )
    )
    if sample.posture in _ALONE:
        forces, first = (
            replace(forces, tone=3 * forces.tone, upright=0.003 * scale, planted=forces.planted[:0]),
            state,
        )
    for _ in range(2 if forces.poise else 1):
        state = Equilibrium(chain, flesh, forces, first).solve(state, _FINE)
    return _finish(body, chain, flesh, state, sample, ground)


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
    """Return the stiffness of a moving joint of a 0.7 m body."""
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
        pose,
        transl,
        chain.betas,
        posed.vertices,
        posed.joints,
        posed.keypoints,
        supports,
        margin(posed.vertices[supports, :2], centre[:2]),
        -float(posed.vertices[:, 2].min()),
        float(depth.max()),
        scale,
        sample,
    )


@dataclass(frozen=True)
class PosedBody:
    """vertices (V, 3), joints (J, 3), keypoints (17, 3) in m, float64."""

    vertices: Array
    joints: Array
    keypoints: Array


def pose_body(body: BodyModel, betas: Array, pose: Array, transl: Array) -> PosedBody:
    """Return the body's own forward as plain arrays."""
    with torch.no_grad():
        arguments = [torch.as_tensor(a[None], dtype=torch.float32) for a in (betas, pose, transl)]
        output = body(*arguments)
    return PosedBody(
        *(part[0].double().numpy() for part in (output.vertices, output.joints, output.keypoints))
    )


def margin(supports: Array, centre: Array) -> float:
    """Measure how far a point (2,) lies inside the convex outline of points (N, 2), m; negative outside, -inf for < 3."""
    if len(supports) < 3:
        return -np.inf
    outline = cv2.convexHull(supports.astype(np.float32))
    return float(cv2.pointPolygonTest(outline, (float(centre[0]), float(centre[1])), True))


def keeps_posture(settled: Settled, parts: Array) -> bool:
    """Check whether the body still lies, sits or stands as its posture says after it came to rest. parts: (V,) of the body."""
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
    """Measure how badly a body rests, 0 when all is well: weight outside its support, posture lost, limbs in each other."""
    lost = 0.0 if keeps_posture(settled, parts) else 1.0
    return lost + max(-settled.margin, 0.0) + 10 * max(settled.depth - DEEPEST * settled.scale, 0.0)
