"""Measure a body and give it an infant's proportions and fat."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from infantsynth.body.bake.anny_source import Rig
from infantsynth.spec import face_edges

Array = np.ndarray

DENSITY = 1000.0  # kg/m3 of an infant with the air in its lungs
_ENOUGH = 3  # points that can have a girth
# how far the skin goes out for one unit of fat, as a part of the body's length
_BY_JOINT = {
    "pelvis": 0.010,
    "spine1": 0.011,
    "spine2": 0.010,
    "spine3": 0.005,
    "neck": 0.006,
    "collar": 0.004,
    "hip": 0.013,
    "knee": 0.007,
    "shoulder": 0.008,
    "elbow": 0.006,
    "wrist": 0.002,
    "ankle": 0.003,
}
_BELLY, _CHEEK = 0.014, 0.012
_ROUNDS = 25  # of smoothing over neighbours, so that creases do not fold over


def height(vertices: Array) -> float:
    """Return the extent of vertices (V, 3) along z, m: the length of a body that stands at rest."""
    return float(np.ptp(vertices[:, 2]))


def mass(vertices: Array, faces: Array) -> float:
    """Measure the mass in kg of the closed surface of vertices (V, 3) in m and faces (F, 3)."""
    a, b, c = (vertices[faces[:, corner]].astype(np.float64) for corner in range(3))
    return float(abs(np.einsum("fc,fc->", np.cross(a, b), c)) / 6 * DENSITY)


def girth(vertices: Array, edges: Array, origin: Array, normal: Array) -> float:
    """Return what a tape shows that is drawn tight around edges (E, 2) in the plane of origin and normal (3,), m; 0: none."""
    normal = normal / np.linalg.norm(normal)
    over = (vertices - origin) @ normal
    first, second = over[edges[:, 0]], over[edges[:, 1]]
    cut = (first > 0) != (second > 0)
    start, end = edges[cut].T
    along = (first[cut] / (first[cut] - second[cut]))[:, None]
    points = vertices[start] * (1 - along) + vertices[end] * along
    if len(points) < _ENOUGH:
        return 0.0
    across = np.linalg.svd(normal[None])[2][1:]
    return _perimeter_of_hull((points - origin) @ across.T)


def edges_among(faces: Array, chosen: Array) -> Array:
    """Return the edges (E, 2) of faces (F, 3) whose both ends are in the mask ``chosen`` (V,)."""
    pairs = face_edges(faces)
    unique: Array = np.unique(np.sort(pairs, axis=1), axis=0)
    return unique[chosen[unique].all(axis=1)]


def head_girth(vertices: Array, edges: Array, brow: float) -> float:
    """Return the greatest horizontal girth of the head above its brow, m.

    edges (E, 2): of the head's skin without the ears; brow: z in m over which the tape may lie.
    """
    top = float(vertices[edges, 2].max())
    up = np.array([0.0, 0.0, 1.0])
    return max(girth(vertices, edges, up * z, up) for z in np.linspace(brow, brow + 0.6 * (top - brow), 9))


def _perimeter_of_hull(points: Array) -> float:
    """Measure the perimeter of the convex hull of points (N, 2): support of many directions, exact to some 1e-4."""
    angle = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    support = (points @ np.stack([np.cos(angle), np.sin(angle)])).max(axis=0)
    return float(support.mean() * 2 * np.pi)  # Cauchy: perimeter = mean width times pi


@dataclass(frozen=True)
class Segments:
    """Factors on the segments of a body: how long and how thick each is, by joint; 1 where none is given.

    head: factors on its breadth and depth beside that.
    """

    long: Mapping[str, float]
    thick: Mapping[str, float]
    head: tuple[float, float] = (1.0, 1.0)


# the joint at a segment's end; what hangs from it, such as a hand, is scaled alike in all directions
_ENDS = {
    "left_hip": "left_knee",
    "left_knee": "left_ankle",
    "left_shoulder": "left_elbow",
    "left_elbow": "left_wrist",
    "right_hip": "right_knee",
    "right_knee": "right_ankle",
    "right_shoulder": "right_elbow",
    "right_elbow": "right_wrist",
    "pelvis": "spine1",
    "spine1": "spine2",
    "spine2": "spine3",
    "spine3": "neck",
    "neck": "head",
}


# distance between a bone's joints as a part of the body's length, newborn and at 12 months
# (from the diaphyses of Maresh 1970, with the cartilage at both ends)
BONES = {"hip": (0.185, 0.205), "knee": (0.158, 0.172), "shoulder": (0.158, 0.166), "elbow": (0.130, 0.130)}


def bone_targets(months: float) -> dict[str, float]:
    """Return the length of the bones below hip, knee, shoulder and elbow, as a part of the body's length."""
    return {name: float(np.interp(months, (0, 12), ends)) for name, ends in BONES.items()}


def bone_length(rig: Rig, joints: Array, name: str) -> float:
    """Return the mean length of the left and right bone that starts at this joint, m."""
    ends = [(f"{side}_{name}", _ENDS[f"{side}_{name}"]) for side in ("left", "right")]
    return float(np.mean([np.linalg.norm(joints[rig.joint(a)] - joints[rig.joint(b)]) for a, b in ends]))


def scale_segments(rig: Rig, vertices: Array, joints: Array, segments: Segments) -> tuple[Array, Array]:
    """Return vertices (V, 3) and joints (J, 3) of the body whose segments are this much longer and thicker."""
    maps = np.zeros((len(rig.names), 3, 3))
    placed = joints.copy()
    for index, (name, parent) in enumerate(zip(rig.names, rig.parents, strict=True)):
        maps[index] = _map_of(rig, joints, name, segments)
        if parent >= 0:
            placed[index] = placed[parent] + maps[parent] @ (joints[index] - joints[parent])
    shifts = placed - np.einsum("jab,jb->ja", maps, joints)
    blended = rig.weights @ np.concatenate([maps, shifts[..., None]], axis=2).reshape(len(maps), 12)
    blended = blended.reshape(-1, 3, 4)
    return np.einsum("vab,vb->va", blended[..., :3], vertices) + blended[..., 3], placed


def _map_of(rig: Rig, joints: Array, name: str, segments: Segments) -> Array:
    plain = name.removeprefix("left_").removeprefix("right_")
    if "finger" in plain:
        plain = "wrist"
    thick, long = segments.thick.get(plain, 1.0), segments.long.get(plain, 1.0)
    end = _ENDS.get(name)
    if plain == "head":
        return np.diag([thick * segments.head[0], thick * segments.head[1], long])
    if end is None:
        return thick * np.eye(3)
    axis = joints[rig.joint(end)] - joints[rig.joint(name)]
    axis = np.array([0.0, 0.0, 1.0]) if plain in _UPRIGHT else axis / np.linalg.norm(axis)
    return thick * np.eye(3) + (long - thick) * np.outer(axis, axis)


_UPRIGHT = ("pelvis", "spine1", "spine2", "spine3", "neck")


def fat_offsets(rig: Rig, vertices: Array, joints: Array, faces: Array, eyes: Array, mouth: Array) -> Array:
    """Find where one unit of fat carries each vertex, (V, 3) m.

    vertices (V, 3), joints (J, 3) m at rest; eyes, mouth (3,) m: where they are, to find the cheeks.
    """
    length = float(np.ptp(vertices[:, 2]))
    depth = np.zeros(len(vertices))
    for joint, name in enumerate(rig.names):
        plain = name.removeprefix("left_").removeprefix("right_")
        depth += rig.weights[:, joint] * _BY_JOINT.get(plain, 0.0)
    trunk = rig.weights[
        :, [rig.joint(name) for name in ("pelvis", "spine1", "spine2", "left_hip", "right_hip")]
    ]
    navel = 0.6 * joints[rig.joint("spine1")] + 0.4 * joints[rig.joint("spine2")]
    front = np.clip((navel[1] - vertices[:, 1]) / (0.1 * length), 0, 1)
    depth += _BELLY * trunk.sum(axis=1) * front * _bump(vertices[:, 2] - navel[2], 0.085 * length)
    # a cheek lies beside the mouth, under the eye
    drop = eyes[2] - mouth[2]
    for side in (-1.0, 1.0):
        cheek = np.array([side * 1.15 * drop, mouth[1] + 0.35 * drop, mouth[2] + 0.2 * drop])
        near = _bump(np.linalg.norm(vertices - cheek, axis=1), 0.62 * drop)
        depth += _CHEEK * rig.weights[:, rig.joint("head")] * near
    return length * (depth[:, None] * _soft_normals(vertices, faces))


def _bump(distance: Array, width: float) -> Array:
    return np.exp(-0.5 * (distance / width) ** 2)


def _soft_normals(vertices: Array, faces: Array) -> Array:
    corner = vertices[faces]
    face = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    normals = np.zeros_like(vertices)
    for index in range(3):
        np.add.at(normals, faces[:, index], face)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    pairs = face_edges(faces)
    start, end = np.concatenate([pairs, pairs[:, ::-1]]).T
    count = np.bincount(start, minlength=len(vertices))[:, None] + 1.0
    for _ in range(_ROUNDS):
        total = np.stack([np.bincount(start, normals[end, axis], len(vertices)) for axis in range(3)], axis=1)
        normals = (normals + total) / count
    return normals
