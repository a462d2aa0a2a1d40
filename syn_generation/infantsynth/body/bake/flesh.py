"""The fat of infants, which Anny's slim baby lacks: belly, buttocks, limbs, cheeks and the chin's second fold."""

import numpy as np

from infantsynth.body.bake.rig import Rig

Array = np.ndarray

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


def fat_offsets(rig: Rig, vertices: Array, joints: Array, faces: Array, eyes: Array, mouth: Array) -> Array:
    """Where one unit of fat carries each vertex, (V, 3) m.

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
    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    start, end = np.concatenate([pairs, pairs[:, ::-1]]).T
    count = np.bincount(start, minlength=len(vertices))[:, None] + 1.0
    for _ in range(_ROUNDS):
        total = np.stack([np.bincount(start, normals[end, axis], len(vertices)) for axis in range(3)], axis=1)
        normals = (normals + total) / count
    return normals
