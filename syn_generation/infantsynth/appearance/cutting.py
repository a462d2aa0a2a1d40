"""Cutting a surface along the zero line of a field, as scissors would: new vertices where the line crosses edges."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix, identity

Array = np.ndarray


@dataclass(frozen=True)
class Cut:
    """A piece of a surface of N vertices: faces (F, 3) int32 into G vertices, each a mean of the N by ``carry``.

    carry: (G, N) sparse, rows sum to 1.
    """

    faces: Array
    carry: csr_matrix

    def trim(self, field: Array) -> "Cut":
        """What lies where ``field`` (N,) is positive."""
        return cut(self.faces, self.carry @ field, self.carry)


def whole(faces: Array, count: int) -> Cut:
    """The uncut surface of ``count`` vertices."""
    return Cut(faces, identity(count, dtype=np.float32, format="csr"))


def cut(faces: Array, field: Array, carry: csr_matrix) -> Cut:
    """Keep the part of a surface where ``field`` (G,) > 0; crossing triangles are cut at the zero line."""
    field = np.where(field == 0, -1e-9, field)
    inside = field > 0
    kept = inside[faces].sum(axis=1)
    turned = [_turn(faces[kept == n], inside, n) for n in (1, 2)]
    edges = np.concatenate(
        [_edges(turned[0], 0, 1), _edges(turned[0], 0, 2), _edges(turned[1], 0, 2), _edges(turned[1], 1, 2)]
    )
    crossing, inverse = np.unique(edges, axis=0, return_inverse=True)
    one, two = len(turned[0]), len(turned[1])
    made = len(field) + inverse.reshape(-1)
    a, b = made[:one], made[one : 2 * one]
    c, d = made[2 * one : 2 * one + two], made[2 * one + two :]
    pieces = [
        faces[kept == 3],
        np.stack([turned[0][:, 0], a, b], axis=1),
        np.stack([turned[1][:, 0], turned[1][:, 1], d], axis=1),
        np.stack([turned[1][:, 0], d, c], axis=1),
    ]
    lerp = _lerp(crossing, field, carry)
    return _compact(np.concatenate(pieces), lerp)


def _turn(faces: Array, inside: Array, count: int) -> Array:
    """Rotate faces so that the one vertex inside comes first, or the one outside last."""
    flags = inside[faces]
    odd = (flags if count == 1 else ~flags).argmax(axis=1)
    start = odd if count == 1 else (odd + 1) % 3
    order = (start[:, None] + np.arange(3)) % 3
    return np.take_along_axis(faces, order, axis=1)


def _edges(faces: Array, i: int, j: int) -> Array:
    return np.sort(faces[:, [i, j]], axis=1)


def _lerp(crossing: Array, field: Array, carry: csr_matrix) -> csr_matrix:
    """Rows of ``carry`` for old vertices, then for the points where edges (E, 2) cross the zero of ``field``."""
    from_, to = field[crossing[:, 0]], field[crossing[:, 1]]
    share = (from_ / (from_ - to)).astype(np.float32)
    count = len(crossing)
    rows = np.repeat(np.arange(count), 2)
    data = np.stack([1 - share, share], axis=1).ravel()
    step = csr_matrix((data, (rows, crossing.ravel())), shape=(count, len(field)))
    new = step @ carry
    indptr = np.concatenate([carry.indptr, carry.indptr[-1] + new.indptr[1:]])
    stacked = (np.concatenate([carry.data, new.data]), np.concatenate([carry.indices, new.indices]), indptr)
    return csr_matrix(stacked, shape=(carry.shape[0] + count, carry.shape[1]))


def _compact(faces: Array, carry: csr_matrix) -> Cut:
    used = np.zeros(carry.shape[0], dtype=bool)
    used[faces] = True
    index = np.cumsum(used) - 1
    return Cut(index[faces].astype(np.int32), carry[np.nonzero(used)[0]])


def rim(faces: Array, place: Array) -> Array:
    """Edges (E, 2) at the border of a surface, each in the order in which its one face has them.

    place (G,): number of the place of each vertex; those that a texture seam parts have the same.
    """
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).astype(np.int64)
    placed = place[edges].astype(np.int64)
    span = int(placed.max(initial=0)) + 1
    forth = placed[:, 0] * span + placed[:, 1]
    back = placed[:, 1] * span + placed[:, 0]
    return edges[~np.isin(forth, back) & (forth != back)].astype(np.int32)
