"""Find what each pixel sees: an exact z-buffer in numpy, the same on every machine."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fidip.errors import DataError
from infantsynth.spec import Camera, Mesh

Array = np.ndarray

SLACK = 1e-9  # px; a pixel centre this close to an edge belongs to the triangles of both sides: no seam leaks
CHUNK = 1 << 17  # pixels drawn at once: few enough to stay near the processor
NOTHING = -1
TOLERANCE = 0.005  # m that may lie before a vertex that is seen
NEAR = 0.01  # m; nothing nearer than this is drawn


@dataclass(frozen=True)
class Spans:
    """Runs of pixels of one triangle in one row; all (S,).

    triangle: index; first: index of the first pixel in the image; length: px; value and slope: nearness
    (1 / depth, linear in the image) at the first pixel and its growth per pixel.
    """

    triangle: Array
    first: Array
    length: Array
    value: Array
    slope: Array

    def __getitem__(self, part: slice) -> "Spans":
        return Spans(
            self.triangle[part], self.first[part], self.length[part], self.value[part], self.slope[part]
        )


def nearest_triangle(corners: Array, nearness: Array, width: int, height: int) -> Array:
    """Return the index of the nearest triangle at each pixel centre, (height * width,) int64, -1 for none.

    corners: (T, 3, 2) px. nearness: (T, 3) 1 / depth, > 0. Where triangles are equally near, the first wins.
    """
    best = np.zeros(width * height)
    winner = np.full(width * height, NOTHING, dtype=np.int64)
    spans = _spans(corners, nearness, width, height)
    limits = nearness.min(axis=1), nearness.max(axis=1)
    ends = np.cumsum(spans.length)
    cuts = np.unique(np.searchsorted(ends, np.arange(0, ends[-1] if len(ends) else 0, CHUNK)[1:]))
    for begin, end in zip([0, *cuts], [*cuts, len(ends)], strict=True):
        _draw_spans(spans[begin:end], limits, best, winner)
    return winner


def _draw_spans(spans: Spans, limits: tuple[Array, Array], best: Array, winner: Array) -> None:
    """Enter the pixels of some spans into the nearest values and triangles so far, in place."""
    span = np.repeat(np.arange(len(spans.length)), spans.length)
    step = np.arange(len(span)) - np.repeat(np.cumsum(spans.length) - spans.length, spans.length)
    pixel = spans.first[span] + step
    value = spans.value[span] + step * spans.slope[span]
    low, high = limits[0][spans.triangle], limits[1][spans.triangle]
    value = np.clip(value, low[span], high[span])  # the plane of a triangle seen edge-on is badly conditioned
    ahead = value > best[pixel]
    pixel, value, span = pixel[ahead], value[ahead], span[ahead]
    np.maximum.at(best, pixel, value)
    won = np.flatnonzero(value == best[pixel])[::-1]  # of equals, the first is written last and stays
    winner[pixel[won]] = spans.triangle[span[won]]


def _spans(corners: Array, nearness: Array, width: int, height: int) -> Spans:
    which = _with_centres(corners, width, height)
    order = np.argsort(corners[which, :, 1], axis=1)
    points = np.take_along_axis(corners[which], order[..., None], axis=1)
    depths = np.take_along_axis(nearness[which], order, axis=1)
    low = np.maximum(np.ceil(points[:, 0, 1] - SLACK), 0).astype(np.int64)
    rows = np.minimum(np.floor(points[:, 2, 1] + SLACK), height - 1).astype(np.int64) - low + 1
    local = np.repeat(np.arange(len(which)), rows)
    y = low[local] + np.arange(len(local)) - np.repeat(np.cumsum(rows) - rows, rows)
    left, right = _bounds(points, local, y.astype(np.float64))
    start = np.maximum(np.ceil(left - SLACK), 0).astype(np.int64)
    stop = np.minimum(np.floor(right + SLACK), width - 1).astype(np.int64)
    full = np.flatnonzero(stop >= start)
    local, y, start, stop = local[full], y[full], start[full], stop[full]
    across, down = _gradient(points, depths)
    corner = points[local, 0]
    value = depths[local, 0] + (start - corner[:, 0]) * across[local] + (y - corner[:, 1]) * down[local]
    return Spans(which[local], y * width + start, stop - start + 1, value, across[local])


def _with_centres(corners: Array, width: int, height: int) -> Array:
    """Return indices of triangles whose surrounding box holds a pixel centre of the image, and that have an area."""
    low, high = corners.min(axis=1) - SLACK, corners.max(axis=1) + SLACK
    first, last = np.maximum(np.ceil(low), 0), np.minimum(np.floor(high), [width - 1, height - 1])
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
    return np.flatnonzero((last >= first).all(axis=1) & (area > 0))


def _bounds(points: Array, triangle: Array, y: Array) -> tuple[Array, Array]:
    """Find where rows y (S,) enter and leave triangles whose corners ``points`` (T, 3, 2) go from top to bottom.

    An edge is always walked from its upper end, so that both triangles of a shared edge find the same place.
    """
    (top, middle, bottom) = np.moveaxis(points, 1, 0)
    lower = (y >= middle[triangle, 1]) & (bottom[:, 1] > middle[:, 1])[triangle]
    y = np.clip(y, top[triangle, 1], bottom[triangle, 1])
    long = _at(top, bottom, triangle, y)
    short = np.where(lower, _at(middle, bottom, triangle, y), _at(top, middle, triangle, y))
    return np.minimum(long, short), np.maximum(long, short)


def _at(a: Array, b: Array, triangle: Array, y: Array) -> Array:
    """Find where edges from a down to b (T, 2) cross rows y (S,)."""
    fall = b[:, 1] - a[:, 1]
    slope = (b[:, 0] - a[:, 0]) / np.where(fall > 0, fall, 1) * (fall > 0)
    return a[triangle, 0] + (y - a[triangle, 1]) * slope[triangle]


def _gradient(points: Array, values: Array) -> tuple[Array, Array]:
    """Return growth per px to the right and down, each (T,), of values (T, 3) that are linear over triangles (T, 3, 2)."""
    a, b = points[:, 1] - points[:, 0], points[:, 2] - points[:, 0]
    p, q = values[:, 1] - values[:, 0], values[:, 2] - values[:, 0]
    area = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return (p * b[:, 1] - q * a[:, 1]) / area, (q * a[:, 0] - p * b[:, 0]) / area


@dataclass(frozen=True)
class Buffers:
    """The nearest surface at each pixel centre.

    depth: (H, W) float32, m along the camera's axis, inf where there is nothing. mesh: (H, W) int32 index of the
    mesh, -1 for nothing. face: (H, W) int32 index of the face in that mesh, -1 for nothing. bary: (H, W, 3)
    float32 weights of the face's vertices, in space (perspective-correct), 0 for nothing.
    """

    depth: Array
    mesh: Array
    face: Array
    bary: Array


def rasterise(camera: Camera, meshes: Sequence[Mesh], supersample: int = 1) -> Buffers:
    """Find the nearest surface at each pixel centre; both sides of a face count.

    supersample: buffers of this many times the image's width and height, for anti-aliasing. Where surfaces
    coincide, the mesh and face named first wins. Raises DataError for vertices that are no numbers and for
    faces that name no vertex.
    """
    camera = enlarged(camera, supersample)
    corners, mesh, face = _gather(camera, meshes)
    drawn, origin = _clip_near(corners)
    xy = drawn[..., :2] / drawn[..., 2:] * _focal(camera) + camera.intrinsics[:2, 2]
    winner = nearest_triangle(xy, 1 / drawn[..., 2], camera.width, camera.height)
    pixel = np.flatnonzero(winner != NOTHING)
    source = origin[winner[pixel]]
    weights, depth = _intersect(camera, pixel, corners, source)
    shape = camera.height, camera.width
    buffers = Buffers(
        np.full(shape, np.inf, np.float32),
        np.full(shape, NOTHING, np.int32),
        np.full(shape, NOTHING, np.int32),
        np.zeros((*shape, 3), np.float32),
    )
    buffers.depth.flat[pixel] = depth
    buffers.mesh.flat[pixel] = mesh[source]
    buffers.face.flat[pixel] = face[source]
    buffers.bary.reshape(-1, 3)[pixel] = weights
    return buffers


def enlarged(camera: Camera, factor: int) -> Camera:
    """Return the same view with ``factor`` times as many pixels each way."""
    scale = np.diag([factor, factor, 1.0])
    # the image's border stays half a pixel, now a smaller one, before the first
    scale[:2, 2] = (factor - 1) / 2
    size = camera.width * factor, camera.height * factor
    return Camera(scale @ camera.intrinsics, camera.rotation, camera.translation, *size)


def visible_shares(
    camera: Camera, buffers: Buffers, vertices: Array, normals: Array, patches: Sequence[Array]
) -> Array:
    """Measure the share 0..1 of each patch of skin that the camera sees, of the part that faces it; (len(patches),).

    vertices (V, 3) m, normals (V, 3); patches: indices of vertices. A vertex is seen when nothing lies more than
    ``TOLERANCE`` in front of it at one of the four pixel centres around it; outside the image none is. 0 where none
    of a patch faces the camera.
    """
    near = np.concatenate(patches)
    owner = np.repeat(np.arange(len(patches)), [len(patch) for patch in patches])
    facing = np.sum((camera.centre - vertices[near]) * normals[near], axis=-1) > 0
    owner = owner[facing]
    xy, depth = camera.project(vertices[near][facing])
    inside = camera.inside(xy)
    corner = np.floor(np.where(inside[:, None], xy, 0)).astype(np.int64)
    column = np.clip(corner[:, 0, None] + [0, 1, 0, 1], 0, camera.width - 1)
    row = np.clip(corner[:, 1, None] + [0, 0, 1, 1], 0, camera.height - 1)
    seen = inside & (buffers.depth[row, column].max(axis=1) >= depth - TOLERANCE)
    count = np.bincount(owner, minlength=len(patches))
    return np.bincount(owner, seen, len(patches)) / np.maximum(count, 1)


def _focal(camera: Camera) -> Array:
    return np.array([camera.intrinsics[0, 0], camera.intrinsics[1, 1]])


def _gather(camera: Camera, meshes: Sequence[Mesh]) -> tuple[Array, Array, Array]:
    """Return corners (T, 3, 3) in camera axes, mesh (T,) and face (T,) of all faces that reach in front of the camera."""
    corners, mesh_index, face_index = [np.empty((0, 3, 3))], [np.empty(0, np.int32)], [np.empty(0, np.int32)]
    for index, mesh in enumerate(meshes):
        seen = camera.to_camera(np.asarray(mesh.vertices, dtype=np.float64))
        if not np.isfinite(seen).all():
            raise DataError(f"mesh {index} ({mesh.kind}) has vertices that are no numbers; check its maker")
        if mesh.faces.size and not 0 <= mesh.faces.min() <= mesh.faces.max() < len(seen):
            raise DataError(f"mesh {index} ({mesh.kind}) has faces that name no vertex; check its maker")
        faces = np.flatnonzero((seen[:, 2] > NEAR)[mesh.faces].any(axis=1))
        corners.append(seen[mesh.faces[faces]])
        mesh_index.append(np.full(len(faces), index, np.int32))
        face_index.append(faces.astype(np.int32))
    return np.concatenate(corners), np.concatenate(mesh_index), np.concatenate(face_index)


def _clip_near(corners: Array) -> tuple[Array, Array]:
    """Cut triangles (T, 3, 3) at the near plane (Sutherland and Hodgman 1974).

    Returns triangles (S, 3, 3) in front of it and, for each, which of the T it is part of, in the order of T.
    """
    before = corners[..., 2] > NEAR
    count = before.sum(axis=1)
    parts, origin = [corners[count == 3]], [np.flatnonzero(count == 3)]
    for number in (1, 2):
        which = np.flatnonzero(count == number)
        lone = (before[which] == (number == 1)).argmax(axis=1)  # the corner that is alone on its side
        order = (lone[:, None] + np.arange(3)) % 3
        a, b, c = np.moveaxis(np.take_along_axis(corners[which], order[..., None], axis=1), 1, 0)
        ab, ac = _cut(a, b), _cut(a, c)
        for triangle in [(a, ab, ac)] if number == 1 else [(ab, b, c), (ab, c, ac)]:
            parts.append(np.stack(triangle, axis=1))
            origin.append(which)
    joined = np.concatenate(origin)
    order = np.argsort(joined, kind="stable")
    return np.concatenate(parts)[order], joined[order]


def _cut(a: Array, b: Array) -> Array:
    """Find where the lines from a to b (N, 3) meet the near plane."""
    share = (NEAR - a[:, 2:]) / (b[:, 2:] - a[:, 2:])
    point = a + share * (b - a)
    point[:, 2] = NEAR
    return point


def _intersect(camera: Camera, pixel: Array, corners: Array, triangle: Array) -> tuple[Array, Array]:
    """Return weights (P, 3) of the corners (T, 3, 3) of triangle (P,) where the pixels' rays meet it, and the depth (P,) m.

    In camera axes weight i is proportional to ray . (corner j x corner k), whatever the scale of the ray.
    """
    seen, triangle = np.unique(triangle, return_inverse=True)
    corners = corners[seen]
    volumes = np.cross(corners[:, [1, 2, 0]], corners[:, [2, 0, 1]])
    weights = np.empty((len(pixel), 3), np.float32)
    depth = np.empty(len(pixel), np.float32)
    for start in range(0, len(pixel), CHUNK):
        part = slice(start, start + CHUNK)
        row, column = np.divmod(pixel[part], camera.width)
        flat = (np.stack([column, row], axis=1) - camera.intrinsics[:2, 2]) / _focal(camera)
        ray = np.concatenate([flat, np.ones((len(flat), 1))], axis=1)
        volume = np.einsum("pij,pj->pi", volumes[triangle[part]], ray)
        volume = np.maximum(volume * np.sign(volume.sum(axis=1, keepdims=True)), 0)
        volume /= volume.sum(axis=1, keepdims=True)
        weights[part] = volume
        depth[part] = np.einsum("pi,pi->p", volume, corners[triangle[part], :, 2])
    return weights, depth
