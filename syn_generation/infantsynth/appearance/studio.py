"""Prepare a body model once for dressing: its texture space and the surface of its cloth."""

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import cv2
import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, diags, identity, vstack
from scipy.sparse.csgraph import connected_components

from fidip.errors import DataError
from infantsynth.appearance.anatomy import PARTS, Anatomy, Coordinates, panel, part_axis, study
from infantsynth.spec import face_edges, face_normals

Array = np.ndarray

OVERHANG = 0.6  # px; triangles paint this far beyond their edges, so that seams do not show
GAP = 0.006  # free space round a chart, share of the texture's side
STRETCH = 1.6  # how much more finely the head is drawn than the rest
BULGE = 0.75  # how far a midpoint moves from the flat face to the curved surface (Boubekeur and Alexa 2008)
TEXTURE_SIZE = 1024  # px, side of a body's and a garment's texture


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
    pixel, face, weight = rasterise_texture(coords[faces], size)
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


def rasterise_texture(triangles: Array, size: int, chunk: int = 4096) -> tuple[Array, Array, Array]:
    """Return texels under triangles (F, 3, 2), coordinates 0..1 with v up, row 0 at the top.

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


def unwrap(anatomy: Anatomy, faces: Array) -> tuple[Array, Array, Array]:
    """Return the body vertex (N,), coordinates (N, 2) in 0..1 and faces (F, 3) into N of a made-up texture layout.

    Each part of the body is seen from four sides round its axis and from both ends; faces that look the same way
    and hang together make a chart.
    """
    parts = anatomy.at.part[faces]
    part = np.where(parts[:, 1] == parts[:, 2], parts[:, 1], parts[:, 0])
    way, flat = _project(anatomy, faces, part)
    chart = _charts(faces, part * 6 + way)
    count = int(chart.max()) + 1
    key = chart[:, None] * np.int64(len(anatomy.at.rest)) + faces
    used, uv_faces = np.unique(key, return_inverse=True)
    uv_faces = uv_faces.reshape(-1, 3)
    place = np.zeros((len(used), 2))
    place[uv_faces] = flat
    owner = used // len(anatomy.at.rest)
    low = np.full((count, 2), np.inf)
    high = np.full((count, 2), -np.inf)
    np.minimum.at(low, owner, place)
    np.maximum.at(high, owner, place)
    corner, scale = _pack(high - low)
    coords = (corner[owner] + (place - low[owner]) * scale).astype(np.float32)
    return (used % len(anatomy.at.rest)).astype(np.int32), coords, uv_faces.astype(np.int32)


def _project(anatomy: Anatomy, faces: Array, part: Array) -> tuple[Array, Array]:
    """Find which of six ways each face (F,) looks, seen along its part's axis, and its corners seen from there (F, 3, 2)."""
    rest = anatomy.at.rest.astype(np.float64)
    normal = face_normals(rest, faces)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    way = np.zeros(len(faces), dtype=np.int64)
    flat = np.zeros((len(faces), 3, 2))
    for index, name in enumerate(PARTS):
        mine = part == index
        _, axis = part_axis(anatomy, name)
        front = np.array([0.0, -1.0, 0.0]) - axis * -axis[1]
        front /= np.linalg.norm(front)
        frame = np.stack([np.cross(front, axis), front, axis])
        looks = normal[mine] @ frame.T
        looks[:, 2] *= 0.7  # sides first: a limb's charts run along it
        strongest = np.abs(looks).argmax(axis=1)
        way[mine] = 2 * strongest + (np.take_along_axis(looks, strongest[:, None], axis=1)[:, 0] < 0)
        seen = rest[faces[mine]] @ frame.T
        across = np.array([[1, 2], [0, 2], [0, 1]])[strongest]
        zoom = STRETCH if name == "head" else 1.0
        flat[mine] = zoom * np.take_along_axis(seen, across[:, None, :].repeat(3, axis=1), axis=2)
    return way, flat


def _charts(faces: Array, group: Array) -> Array:
    """Return the number of the connected patch of equal ``group`` that each face belongs to, (F,)."""
    edges = np.sort(face_edges(faces), axis=1)
    owner = np.tile(np.arange(len(faces)), 3)
    order = np.lexsort((edges[:, 1], edges[:, 0]))
    same = (edges[order][1:] == edges[order][:-1]).all(axis=1)
    first, second = owner[order][:-1][same], owner[order][1:][same]
    alike = group[first] == group[second]
    links = coo_matrix((np.ones(alike.sum()), (first[alike], second[alike])), shape=(len(faces),) * 2)
    return connected_components(links, directed=False)[1].astype(np.int64)


def _pack(sizes: Array) -> tuple[Array, float]:
    """Return lower corners (C, 2) and common scale at which charts of (C, 2) fit the unit square, on shelves by height."""
    order = np.argsort(-sizes[:, 1], kind="stable")
    scale = 0.95 / np.sqrt(sizes.prod(axis=1).sum())
    while True:
        corner, top = _shelves(sizes * scale, order)
        if top <= 1:
            return corner, scale
        scale *= 0.97


def _shelves(sizes: Array, order: Array) -> tuple[Array, float]:
    corner = np.zeros_like(sizes)
    x = y = height = 0.0
    for chart in order:
        width = sizes[chart, 0] + GAP
        if x + width > 1 and x > 0:
            x, y, height = 0.0, y + height, 0.0
        corner[chart] = (x + GAP / 2, y + GAP / 2)
        x += width
        height = max(height, sizes[chart, 1] + GAP)
    return corner, (2.0 if sizes[:, 0].max() + GAP > 1 else y + height)


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
        """Convert body vertices (V, 3) to vertices of the fabric (W, 3) on the curved surface that the normals tell."""
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
    split, uv_faces = np.unique(uv_faces, return_inverse=True)
    uv_faces = uv_faces.reshape(-1, 3)
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
    edges = np.unique(np.sort(face_edges(fine_faces), axis=1), axis=0)
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


def _halve(faces: Array) -> tuple[Array, Array]:
    """Cut each face in four: ends (M, 2) of the halved edges, and the new faces."""
    count = int(faces.max()) + 1
    edges = np.sort(face_edges(faces), axis=1)
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


@dataclass(frozen=True)
class Studio:
    """A body model's anatomy, texture space and cloth surface.

    texels: coordinates of the texture's points (size, size); round, along (size, size): their panel coordinates,
    m; texel: side of a texel on the body, m (median). regions: masks (V,) 0..1 that the body model brings along.
    """

    anatomy: Anatomy
    atlas: Atlas
    fabric: Fabric
    faces: Array
    texels: Coordinates
    round: Array
    along: Array
    texel: float
    regions: dict[str, Array]


_prepared: WeakKeyDictionary[Any, dict[int, Studio]] = WeakKeyDictionary()


def prepare(body: Any, size: int = TEXTURE_SIZE) -> Studio:
    """Return the studio of a BodyModel with textures of ``size`` px; kept as long as the body model lives."""
    sizes = _prepared.setdefault(body, {})
    if size not in sizes:
        sizes[size] = _prepare(body, size)
    return sizes[size]


def _prepare(body: Any, size: int) -> Studio:
    anatomy = study(body)
    faces = np.asarray(body.faces)
    if body.uv is not None:
        vertex, coords, uv_faces = body.uv.vertex, body.uv.coords, body.uv.faces
    else:
        vertex, coords, uv_faces = unwrap(anatomy, faces)
    atlas = make_atlas(np.asarray(vertex), np.asarray(coords), np.asarray(uv_faces), size)
    texels = anatomy.at.carried(lambda values: atlas.image(values))
    round_, along = panel(anatomy, texels)
    regions = {
        name: np.asarray(mask, dtype=np.float32)
        for name, mask in (getattr(body, "regions", None) or {}).items()
    }
    return Studio(
        anatomy,
        atlas,
        weave(anatomy, atlas),
        faces,
        texels,
        round_,
        along,
        _texel_side(anatomy, atlas),
        regions,
    )


def _texel_side(anatomy: Anatomy, atlas: Atlas) -> float:
    area = np.linalg.norm(face_normals(anatomy.at.rest[atlas.vertex], atlas.faces), axis=1) / 2
    return float(np.sqrt(area.sum() / len(atlas.filled)))
