"""Normals of a mesh, the same for every renderer."""

import numpy as np

from infantsynth.spec import Mesh

Array = np.ndarray


def face_normals(vertices: Array, faces: Array) -> Array:
    """Normals (F, 3) by the right-hand rule, as long as twice the face's area."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    return np.cross(b - a, c - a)


def vertex_normals(mesh: Mesh) -> Array:
    """Unit normals (V, 3) float32: area-weighted means over faces; vertices in one place (split seams) share theirs.

    A vertex without faces, or whose faces cancel, gets +z.
    """
    vertices = np.asarray(mesh.vertices, dtype=np.float64)
    across = face_normals(vertices, mesh.faces)
    place = _places(np.asarray(mesh.vertices, dtype=np.float32))
    corner = place[mesh.faces].ravel()
    count = int(place.max(initial=-1)) + 1
    total = np.stack([np.bincount(corner, np.repeat(across[:, axis], 3), count) for axis in range(3)], axis=1)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    unit = np.where(length > 1e-20, total / np.maximum(length, 1e-20), [0.0, 0.0, 1.0])
    return np.ascontiguousarray(unit[place], dtype=np.float32)


def _places(vertices: Array) -> Array:
    """The same number (V,) for vertices (V, 3) float32 in the same place, from 0 without gaps."""
    bits = (
        np.ascontiguousarray(vertices + np.float32(0)).view(np.uint32).astype(np.uint64)
    )  # + 0: -0 becomes 0
    mixed = bits[:, 0]
    for axis in (
        1,
        2,
    ):  # an injective mix would need 96 bits; of 64, two places of a mesh never meet in practice
        mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15) + bits[:, axis]
    mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    return np.unique(mixed, return_inverse=True)[1].reshape(-1)
