"""The surface that cloth is cut from: the body without head, hands and feet, refined so that it can fold."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix, diags, identity, vstack

from infantsynth.appearance.anatomy import Anatomy, Coordinates
from infantsynth.appearance.atlas import Atlas

Array = np.ndarray

BULGE = 0.75  # how far a midpoint moves from the flat face to the curved surface (Boubekeur and Alexa 2008)


@dataclass(frozen=True)
class Fabric:
    """W vertices where cloth can be, refined once from the V of the body.

    old (O,): body vertices that are kept, the first O of the W. ends (W - O, 2): indices into ``old`` of the ends
    of the edge that each further vertex halves. carry (W, V): to average values of the body. faces (F, 3) into W.
    edges (E, 2) of the refined surface. smoother (W, W): mean of the neighbours. source (W,): nearest body vertex.
    split (U,): vertex of each texture vertex; coords (U, 2); uv_faces (F, 3) into U.
    """

    old: Array
    ends: Array
    carry: csr_matrix
    faces: Array
    edges: Array
    smoother: csr_matrix
    source: Array
    split: Array
    coords: Array
    uv_faces: Array
    at: Coordinates

    def refine(self, positions: Array, normals: Array) -> Array:
        """Body vertices (V, 3) to vertices of the fabric (W, 3) on the curved surface that the normals tell."""
        kept, kept_normals = positions[self.old], normals[self.old]
        a, b = kept[self.ends[:, 0]], kept[self.ends[:, 1]]
        middle = (a + b) / 2
        lifted = np.zeros_like(middle)
        for end in (0, 1):
            normal = kept_normals[self.ends[:, end]]
            lifted += np.einsum("ij,ij->i", kept[self.ends[:, end]] - middle, normal)[:, None] * normal
        return np.concatenate([kept, middle + BULGE * lifted / 2]).astype(np.float32)


def weave(anatomy: Anatomy, atlas: Atlas) -> Fabric:
    """Prepare the cloth's surface of a body once."""
    at = anatomy.at
    bare = (at.head > 0.95) | (at.hand > 0.8) | (at.foot > 0.8)
    vertex_faces = atlas.vertex[atlas.faces]
    uv_faces = atlas.faces[~bare[vertex_faces].all(axis=1)]
    split, uv_faces = _renumber(uv_faces)
    coords, vertex = atlas.coords[split], atlas.vertex[split]
    old, faces = np.unique(vertex[uv_faces], return_inverse=True)
    faces = faces.reshape(-1, 3)
    ends, fine_faces = _halve(faces)
    uv_ends, fine_uv_faces = _halve(uv_faces)
    count = len(at.rest)
    pick = identity(count, dtype=np.float32, format="csr")[old]
    halves = csr_matrix(
        (np.full(2 * len(ends), 0.5, np.float32), (np.repeat(np.arange(len(ends)), 2), ends.ravel())),
        shape=(len(ends), len(old)),
    )
    carry = vstack([pick, halves @ pick], format="csr")
    new_split = np.zeros(len(split) + len(uv_ends), dtype=np.int64)
    new_split[fine_uv_faces] = fine_faces  # same order of corners in both
    edges = _unique_edges(fine_faces)
    return Fabric(
        old=old,
        ends=ends,
        carry=carry,
        faces=fine_faces,
        edges=edges,
        smoother=_mean_of_neighbours(edges, carry.shape[0]),
        source=np.concatenate([old, old[ends[:, 0]]]).astype(np.int32),
        split=new_split,
        coords=np.concatenate([coords, coords[uv_ends].mean(axis=1)]).astype(np.float32),
        uv_faces=fine_uv_faces,
        at=at.carried(lambda values: carry @ values),
    )


def _renumber(faces: Array) -> tuple[Array, Array]:
    used, inverse = np.unique(faces, return_inverse=True)
    return used, inverse.reshape(-1, 3)


def _unique_edges(faces: Array) -> Array:
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    return np.unique(np.sort(edges, axis=1), axis=0)


def _halve(faces: Array) -> tuple[Array, Array]:
    """Cut each face in four: ends (M, 2) of the halved edges, and the new faces."""
    count = int(faces.max()) + 1
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    ends, inverse = np.unique(edges, axis=0, return_inverse=True)
    ab, bc, ca = inverse.reshape(3, -1) + count
    a, b, c = faces.T
    pieces = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return ends, np.concatenate([np.stack(piece, axis=1) for piece in pieces])


def _mean_of_neighbours(edges: Array, count: int) -> csr_matrix:
    rows, columns = np.concatenate([edges, edges[:, ::-1]]).T
    links = csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=(count, count))
    degree = np.asarray(links.sum(axis=1)).ravel()
    return (diags(1 / np.maximum(degree, 1)) @ links).tocsr().astype(np.float32)


def vertex_normals(positions: Array, faces: Array) -> Array:
    """Unit normals (V, 3) of a surface, faces weighted by area; zero where no face is."""
    corner = positions[faces]
    face = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    total = np.zeros((len(positions), 3))
    for axis in range(3):
        total[:, axis] = np.bincount(faces.ravel(), np.repeat(face[:, axis], 3), len(positions))
    return (total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-20)).astype(np.float32)
