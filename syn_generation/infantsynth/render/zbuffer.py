"""What each pixel sees: an exact z-buffer in plain numpy, the same on every machine, so that labels need no renderer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fidip.errors import DataError
from infantsynth.render import scanline
from infantsynth.spec import Camera, Mesh

Array = np.ndarray

NEAR = 0.01  # m; nothing nearer than this is drawn


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

    supersample: buffers of this many times the picture's width and height, for anti-aliasing. Where surfaces
    coincide, the mesh and face named first wins. Raises DataError for vertices that are no numbers and for
    faces that name no vertex.
    """
    camera = enlarged(camera, supersample)
    corners, mesh, face = _gather(camera, meshes)
    drawn, origin = _clip_near(corners)
    xy = drawn[..., :2] / drawn[..., 2:] * _focal(camera) + camera.intrinsics[:2, 2]
    winner = scanline.nearest(xy, 1 / drawn[..., 2], camera.width, camera.height)
    pixel = np.flatnonzero(winner != scanline.NOTHING)
    source = origin[winner[pixel]]
    weights, depth = _intersect(camera, pixel, corners, source)
    shape = camera.height, camera.width
    buffers = Buffers(
        np.full(shape, np.inf, np.float32),
        np.full(shape, scanline.NOTHING, np.int32),
        np.full(shape, scanline.NOTHING, np.int32),
        np.zeros((*shape, 3), np.float32),
    )
    buffers.depth.flat[pixel] = depth
    buffers.mesh.flat[pixel] = mesh[source]
    buffers.face.flat[pixel] = face[source]
    buffers.bary.reshape(-1, 3)[pixel] = weights
    return buffers


def enlarged(camera: Camera, factor: int) -> Camera:
    """The same view with ``factor`` times as many pixels each way."""
    scale = np.diag([factor, factor, 1.0])
    scale[:2, 2] = (
        factor - 1
    ) / 2  # the picture's border stays half a pixel, now a smaller one, before the first
    size = camera.width * factor, camera.height * factor
    return Camera(scale @ camera.intrinsics, camera.rotation, camera.translation, *size)


def visible_fraction(
    camera: Camera, buffers: Buffers, points: Array, normals: Array, tolerance_m: float | Array = 0.005
) -> float:
    """Fraction 0..1 of skin points (N, 3) m with normals (N, 3) turned to the camera that the camera sees.

    A point is seen when nothing lies more than ``tolerance_m`` (one or (N,), m) in front of it at one of the
    four pixel centres around it; points outside the picture are not. 0 where no point faces the camera.
    """
    facing = np.sum((camera.centre - points) * normals, axis=-1) > 0
    if not facing.any():
        return 0.0
    xy, depth = camera.project(points[facing])
    inside = camera.inside(xy)
    corner = np.floor(np.where(inside[:, None], xy, 0)).astype(np.int64)
    column = np.clip(corner[:, 0, None] + [0, 1, 0, 1], 0, camera.width - 1)
    row = np.clip(corner[:, 1, None] + [0, 0, 1, 1], 0, camera.height - 1)
    behind = buffers.depth[row, column].max(axis=1)
    allowed = np.broadcast_to(tolerance_m, facing.shape)[facing]
    return float(np.mean(inside & (behind >= depth - allowed)))


def _focal(camera: Camera) -> Array:
    return np.array([camera.intrinsics[0, 0], camera.intrinsics[1, 1]])


def _gather(camera: Camera, meshes: Sequence[Mesh]) -> tuple[Array, Array, Array]:
    """Corners (T, 3, 3) in camera axes, mesh (T,) and face (T,) of all faces that reach in front of the camera."""
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
    """Where the lines from a to b (N, 3) meet the near plane."""
    share = (NEAR - a[:, 2:]) / (b[:, 2:] - a[:, 2:])
    point = a + share * (b - a)
    point[:, 2] = NEAR
    return point


def _intersect(camera: Camera, pixel: Array, corners: Array, triangle: Array) -> tuple[Array, Array]:
    """Weights (P, 3) of the corners (T, 3, 3) of triangle (P,) where the pixels' rays meet it, and the depth (P,) m.

    In camera axes weight i is proportional to ray . (corner j x corner k), whatever the scale of the ray.
    """
    seen, triangle = np.unique(triangle, return_inverse=True)
    corners = corners[seen]
    volumes = np.cross(corners[:, [1, 2, 0]], corners[:, [2, 0, 1]])
    weights = np.empty((len(pixel), 3), np.float32)
    depth = np.empty(len(pixel), np.float32)
    for start in range(0, len(pixel), scanline.CHUNK):
        part = slice(start, start + scanline.CHUNK)
        row, column = np.divmod(pixel[part], camera.width)
        flat = (np.stack([column, row], axis=1) - camera.intrinsics[:2, 2]) / _focal(camera)
        ray = np.concatenate([flat, np.ones((len(flat), 1))], axis=1)
        volume = np.einsum("pij,pj->pi", volumes[triangle[part]], ray)
        volume = np.maximum(volume * np.sign(volume.sum(axis=1, keepdims=True)), 0)
        volume /= volume.sum(axis=1, keepdims=True)
        weights[part] = volume
        depth[part] = np.einsum("pi,pi->p", volume, corners[triangle[part], :, 2])
    return weights, depth
