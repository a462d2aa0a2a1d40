"""Find what light meets at the samples of a z-buffer: place, normal with relief, material."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from infantsynth.render.develop import to_linear
from infantsynth.render.zbuffer import Buffers
from infantsynth.spec import Camera, Material, Mesh, face_normals, shading_normals

Array = np.ndarray

_ROW = 8192  # samples a row: OpenCV's images may not be wider than 32767
_COARSEST = 4  # px
_STEEPEST = 1.5  # slope of relief that shading believes


@dataclass(frozen=True)
class Texture:
    """An image (H, W) or (H, W, C) float32 that repeats, with ever smaller copies of itself."""

    levels: tuple[Array, ...]

    def at(self, uv: Array, level: Array) -> Array:
        """Return values (N, C) at uv (N, 2), v up; level (N,): log2 of the texels that one sample covers."""
        chosen = np.clip(np.rint(level), 0, len(self.levels) - 1).astype(np.int8)
        channels = 1 if self.levels[0].ndim == 2 else self.levels[0].shape[2]
        values = np.empty((len(uv), channels), dtype=np.float32)
        for number, image in enumerate(self.levels):
            here = np.flatnonzero(chosen == number)
            if len(here):
                values[here] = _bilinear(image, uv[here]).reshape(len(here), channels)
        return values


def make_texture(image: Array) -> Texture:
    """Build an image (H, W) or (H, W, C), row 0 at v = 1, with its pyramid."""
    levels = [np.ascontiguousarray(image, dtype=np.float32)]
    while min(levels[-1].shape[:2]) >= 2 * _COARSEST:
        height, width = levels[-1].shape[:2]
        levels.append(cv2.resize(levels[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA))
    return Texture(tuple(levels))


def slope_texture(relief: Array) -> Texture:
    """Return growth of a relief (H, W) in m per unit of u and of v, as a texture of two channels."""
    height, width = relief.shape
    across = (np.roll(relief, -1, axis=1) - np.roll(relief, 1, axis=1)) * (width / 2)
    up = (np.roll(relief, 1, axis=0) - np.roll(relief, -1, axis=0)) * (height / 2)
    return make_texture(np.stack([across, up], axis=-1))


def mean_color(material: Material) -> Array:
    """Return the colour (3,) sRGB of a material, of an image its mean."""
    return np.asarray(material.color, dtype=np.float32).reshape(-1, 3).mean(axis=0)


def _bilinear(image: Array, uv: Array) -> Array:
    height, width = image.shape[:2]
    x = np.mod(uv[:, 0], 1) * width - 0.5
    y = np.mod(1 - uv[:, 1], 1) * height - 0.5
    rows = -(-len(x) // _ROW)
    where = np.zeros((2, rows * _ROW), dtype=np.float32)
    where[0, : len(x)], where[1, : len(x)] = x, y
    grid = where.reshape(2, rows, _ROW)
    found = cv2.remap(image, grid[0], grid[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return found.reshape(rows * _ROW, -1)[: len(x)]


@dataclass(frozen=True)
class Surface:
    """N samples, float32. place (N, 3) m; normal, view (N, 3): unit, turned to and towards the camera.

    color (N, 3) linear; roughness, specular, sheen (N,): see Material; depth (N,) m.
    """

    place: Array
    normal: Array
    view: Array
    color: Array
    roughness: Array
    specular: Array
    sheen: Array
    depth: Array


def gather(camera: Camera, meshes: Sequence[Mesh], buffers: Buffers, where: Array) -> Surface:
    """Return the surface at the samples ``where`` (N,), flat indices into the buffers of ``camera``, all of them filled."""
    depth = buffers.depth.ravel()[where]
    view, place = _rays(camera, where, depth)
    mesh, face, bary = (
        buffers.mesh.ravel()[where],
        buffers.face.ravel()[where],
        buffers.bary.reshape(-1, 3)[where],
    )
    normal, color = np.empty((2, len(where), 3), dtype=np.float32)
    finish = np.empty((3, len(where)), dtype=np.float32)
    footprint = depth / np.float32(camera.intrinsics[0, 0])
    order = np.argsort(mesh, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(mesh[order])) + 1):
        if not len(part):
            continue
        made = meshes[mesh[part[0]]]
        normal[part], color[part] = _shade_mesh(made, face[part], bary[part], view[part], footprint[part])
        material = made.material
        finish[:, part] = np.array([[material.roughness], [material.specular], [material.sheen]], np.float32)
    roughness, specular, sheen = finish
    return Surface(place, normal, view, to_linear(color), roughness, specular, sheen, depth)


def _rays(camera: Camera, where: Array, depth: Array) -> tuple[Array, Array]:
    """Return unit vectors to the camera and places (N, 3) of the samples at ``depth`` (N,) m."""
    row, column = np.divmod(where, camera.width)
    focal = camera.intrinsics[0, 0], camera.intrinsics[1, 1]
    centre = camera.intrinsics[:2, 2]
    flat = np.stack(
        [(column - centre[0]) / focal[0], (row - centre[1]) / focal[1], np.ones(len(where))], axis=1
    )
    ray = flat @ camera.rotation
    place = camera.centre + ray * depth[:, None]
    view = -ray / np.linalg.norm(ray, axis=1, keepdims=True)
    return view.astype(np.float32), place.astype(np.float32)


def _shade_mesh(mesh: Mesh, face: Array, bary: Array, view: Array, footprint: Array) -> tuple[Array, Array]:
    """Return normals and sRGB colours (P, 3) at points of faces (P,); footprint (P,): side of a sample seen head-on, m."""
    vertices = np.asarray(mesh.vertices, dtype=np.float32)
    flat = face_normals(vertices, mesh.faces)[face]
    area = np.linalg.norm(flat, axis=1)
    flat = flat / np.maximum(area, 1e-20)[:, None]
    normal = flat
    if mesh.smooth:
        normal = _unit(_mix(shading_normals(mesh), mesh.faces, face, bary))
    facing = np.einsum("pi,pi->p", flat, view)
    color = np.broadcast_to(mean_color(mesh.material), normal.shape)
    if mesh.uv is not None and np.ndim(mesh.material.color) == 3:
        footprint = footprint / np.sqrt(np.clip(np.abs(facing), 0.1, 1))
        color, normal = _textured(mesh, face, bary, normal, footprint)
    return np.where(facing[:, None] < 0, -normal, normal), color


def _textured(mesh: Mesh, face: Array, bary: Array, normal: Array, footprint: Array) -> tuple[Array, Array]:
    """Return colours (P, 3) sRGB and normals bent by the relief (P, 3) (Blinn 1978)."""
    assert mesh.uv is not None  # noqa: S101  the caller has looked
    uv = _mix(mesh.uv, mesh.faces, face, bary)
    slope_u, slope_v = (gradient[face] for gradient in _uv_gradients(mesh.vertices, mesh.faces, mesh.uv))
    spread = np.sqrt(np.linalg.norm(np.cross(slope_u, slope_v), axis=1))  # uv units per m
    image = mesh.material.color
    level = np.log2(np.maximum(spread * footprint * np.sqrt(image.shape[0] * image.shape[1]), 1e-6))
    color = make_texture(image).at(uv, level)
    relief = mesh.material.relief
    if relief is not None:
        level = level + np.log2(np.sqrt(relief.size / (image.shape[0] * image.shape[1])))
        slope = slope_texture(relief).at(uv, level)
        rise = slope[:, :1] * slope_u + slope[:, 1:] * slope_v
        steep = np.linalg.norm(rise, axis=1, keepdims=True)
        normal = _unit(normal - rise * np.minimum(1, _STEEPEST / np.maximum(steep, 1e-9)))
    return color, normal


def _uv_gradients(vertices: Array, faces: Array, uv: Array) -> tuple[Array, Array]:
    """Return growth of u and of v over space for each face: two vectors (F, 3), per m."""
    a, b, c = (np.asarray(vertices, np.float32)[faces[:, corner]] for corner in range(3))
    first, second = b - a, c - a
    across = np.cross(first, second)
    size = np.maximum(np.einsum("fi,fi->f", across, across), 1e-24)[:, None]
    along, back = np.cross(second, across) / size, np.cross(across, first) / size
    grow = uv[faces[:, 1:]] - uv[faces[:, :1]]
    return tuple(grow[:, 0, axis, None] * along + grow[:, 1, axis, None] * back for axis in (0, 1))


def _mix(values: Array, faces: Array, face: Array, bary: Array) -> Array:
    """Return values (V, C) of vertices at weights (P, 3) of the corners of faces (P,)."""
    corner = faces[face]
    return sum(values[corner[:, number]] * bary[:, number, None] for number in range(3))


def _unit(vectors: Array) -> Array:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
