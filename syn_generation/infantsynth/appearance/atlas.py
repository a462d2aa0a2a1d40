"""A body's texture space: which point of the rest pose each texel shows, and attributes carried over to texels."""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.sparse import csr_matrix

from fidip.errors import DataError

Array = np.ndarray

OVERHANG = 0.6  # px; triangles paint this far beyond their edges, so that seams do not show


@dataclass(frozen=True)
class Atlas:
    """Texture space of a mesh of N texture vertices, of ``size`` x ``size`` texels.

    vertex (N,): body vertex of each texture vertex; coords (N, 2) in 0..1, v up; faces (F, 3) into N.
    filled: (T,) flat index of the texels that a triangle paints; carry: (T, N) sparse, from texture vertices to
    these; nearest (size, size): for each texel, painted or not, the index into ``filled`` of the nearest painted.
    """

    size: int
    vertex: Array
    coords: Array
    faces: Array
    filled: Array
    carry: csr_matrix
    nearest: Array

    def image(self, values: Array) -> Array:
        """Spread values (V,) or (V, C) of body vertices over the texture: (size, size) or (size, size, C) float32."""
        return self.spread(np.asarray(values, dtype=np.float32)[self.vertex])

    def spread(self, values: Array) -> Array:
        """Spread values (N,) or (N, C) of texture vertices over the texture, like ``image``."""
        return (self.carry @ values)[self.nearest]


def make_atlas(vertex: Array, coords: Array, faces: Array, size: int = 1024) -> Atlas:
    """Rasterise a texture layout once. Raises DataError where no triangle covers a texel."""
    pixel, face, weight = rasterise(coords[faces], size)
    if not len(pixel):
        raise DataError("the body's texture coordinates cover nothing: they must lie within 0..1")
    order = np.argsort(pixel, kind="stable")
    filled, first = np.unique(pixel[order], return_index=True)
    pick = order[first]
    indices = faces[face[pick]].ravel()
    carry = csr_matrix(
        (weight[pick].ravel(), indices, np.arange(0, 3 * len(pick) + 1, 3)), shape=(len(pick), len(vertex))
    )
    empty = np.ones((size, size), dtype=np.uint8)
    empty.ravel()[filled] = 0
    _, label = cv2.distanceTransformWithLabels(empty, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    lookup = np.zeros(int(label.max()) + 1, dtype=np.int32)
    lookup[label.ravel()[filled]] = np.arange(len(filled), dtype=np.int32)
    return Atlas(size, vertex, coords, faces, filled, carry, lookup[label])


def rasterise(triangles: Array, size: int, chunk: int = 4096) -> tuple[Array, Array, Array]:
    """Texels under triangles (F, 3, 2), coordinates 0..1 with v up, row 0 at the top.

    Returns flat texel index (M,), triangle (M,) and barycentric weights (M, 3), each weight at least 0; a texel
    under two triangles comes twice, one under a triangle's inside before one under its overhang.
    """
    corners = np.stack([triangles[..., 0] * size - 0.5, (1 - triangles[..., 1]) * size - 0.5], axis=-1)
    parts = [_rasterise_chunk(corners[i : i + chunk], i, size) for i in range(0, len(corners), chunk)]
    pixel, face, weight = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    inside = (weight >= 0).all(axis=1)
    order = np.argsort(~inside, kind="stable")
    weight = np.clip(weight[order], 0, 1)
    return pixel[order], face[order], (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)


def _rasterise_chunk(corners: Array, first: int, size: int) -> tuple[Array, Array, Array]:
    low = np.clip(np.floor(corners.min(axis=1) - OVERHANG), 0, size - 1).astype(int)
    high = np.clip(np.ceil(corners.max(axis=1) + OVERHANG), 0, size - 1).astype(int)
    extent = high - low + 1
    count = extent.prod(axis=1)
    owner = np.repeat(np.arange(len(corners)), count)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    x = low[owner, 0] + within % extent[owner, 0]
    y = low[owner, 1] + within // extent[owner, 0]
    a, b, c = (corners[owner, i] for i in range(3))
    double = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    safe = np.where(np.abs(double) < 1e-9, np.inf, double)
    point = np.stack([x, y], axis=1).astype(np.float64)
    weight = np.stack([_cross(b, c, point), _cross(c, a, point), _cross(a, b, point)], axis=1) / safe[:, None]
    # how far a point lies beyond an edge, px: its weight times the triangle's height over that edge
    edge = np.stack([np.linalg.norm(p - q, axis=1) for p, q in ((b, c), (c, a), (a, b))], axis=1)
    beyond = weight * np.abs(double)[:, None] / np.maximum(edge, 1e-9)
    keep = np.isfinite(safe) & (beyond > -OVERHANG).all(axis=1)
    return (y * size + x)[keep], owner[keep] + first, weight[keep]


def _cross(p: Array, q: Array, x: Array) -> Array:
    return (q[:, 0] - p[:, 0]) * (x[:, 1] - p[:, 1]) - (q[:, 1] - p[:, 1]) * (x[:, 0] - p[:, 0])
