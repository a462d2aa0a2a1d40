"""Describe one image as plain arrays: camera, surfaces, lights and body."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from fidip.errors import DataError

Array = np.ndarray


@dataclass(frozen=True)
class Camera:
    """Intrinsics (3, 3) in px, world-to-camera rotation (3, 3) and translation (3,) in m, image size in px."""

    intrinsics: Array
    rotation: Array
    translation: Array
    width: int
    height: int

    @cached_property
    def centre(self) -> Array:
        """Where the camera stands in the world, (3,) m."""
        return -self.rotation.T @ self.translation

    def to_camera(self, points: Array) -> Array:
        """Convert world points (..., 3) in m to camera axes (..., 3) in m."""
        return points @ self.rotation.T + self.translation

    def project(self, points: Array) -> tuple[Array, Array]:
        """Convert world points (..., 3) in m to image positions (..., 2) in px and depths (...) in m along the axis.

        A point at or behind the camera's plane has no image position: NaN.
        """
        seen = self.to_camera(np.asarray(points, dtype=np.float64))
        depth = seen[..., 2]
        safe = np.where(depth > 0, depth, np.nan)[..., None]
        focal = np.array([self.intrinsics[0, 0], self.intrinsics[1, 1]])
        return seen[..., :2] / safe * focal + self.intrinsics[:2, 2], depth

    def inside(self, xy: Array) -> Array:
        """Find which image positions (..., 2) in px fall on a pixel of the image: (...) bool."""
        edge = np.array([self.width, self.height]) - 0.5
        return np.all((xy >= -0.5) & (xy < edge), axis=-1)  # NaN compares false


def look_at(
    eye: Array, target: Array, fov: float, size: tuple[int, int], roll: float = 0.0, up: Array | None = None
) -> Camera:
    """Return a camera at ``eye`` that looks at ``target`` (both (3,) m).

    fov: horizontal field of view, rad. size: (width, height) px. roll: turn of the camera about its axis, rad,
    which turns the image the other way. up: (3,) direction that is up in the image, default +z; where the
    camera looks along it, +y is taken. Raises DataError where eye and target coincide.
    """
    forward = np.asarray(target, dtype=np.float64) - eye
    length = np.linalg.norm(forward)
    if length < 1e-9:
        raise DataError("a camera cannot look at the point where it stands: move eye or target")
    forward = forward / length
    right = np.cross(forward, np.array([0.0, 0.0, 1.0]) if up is None else up)
    if np.linalg.norm(right) < 1e-6:
        right = np.cross(forward, np.array([0.0, 1.0, 0.0]))
    right = right / np.linalg.norm(right)
    down = np.cross(forward, right)
    cos, sin = np.cos(roll), np.sin(roll)
    rotation = np.stack([cos * right + sin * down, cos * down - sin * right, forward])
    width, height = size
    focal = width / 2 / np.tan(fov / 2)
    intrinsics = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1.0]])
    return Camera(intrinsics, rotation, -rotation @ np.asarray(eye, dtype=np.float64), width, height)


@dataclass(frozen=True)
class Material:
    """How a surface looks: base colour and the parameters of a principled BSDF (Burley 2012), each 0..1.

    color: (3,) or (H, W, 3) float32 image, sRGB 0..1, row 0 at v = 1; it repeats outside 0..1.
    relief: (H, W) float32 height in m for bump shading, or None.
    """

    color: Array
    roughness: float = 0.8
    specular: float = 0.3
    sheen: float = 0.0
    relief: Array | None = None


@dataclass(frozen=True)
class Mesh:
    """A surface: vertices (V, 3) float32 m, faces (F, 3) int32, uv (V, 2) float32 with v up, or None.

    Seams are split: a vertex has one uv. kind: "body" (skin and what is painted on it), "garment", "hair" (worn
    by the body: part of the person), "support", "blanket", "toy", "room". source: for worn meshes the body vertex
    that each vertex moves with, (V,) int32, or None. smooth: shade with vertex normals.
    """

    kind: str
    vertices: Array
    faces: Array
    material: Material
    uv: Array | None = None
    source: Array | None = None
    smooth: bool = True


@dataclass(frozen=True)
class AreaLight:
    """A rectangle that shines towards ``target``: centre and target (3,) m, size (w, h) m, radiance (3,) linear RGB."""

    centre: Array
    target: Array
    size: tuple[float, float]
    radiance: Array


@dataclass(frozen=True)
class Environment:
    """Light from everywhere: radiance (3,) linear RGB, or (H, W, 3) float32 equirectangular image, row 0 up.

    turn: rotation of the image about the vertical, rad.
    """

    radiance: Array
    turn: float = 0.0


@dataclass(frozen=True)
class BodyInScene:
    """The posed body in the world: what labels are read from.

    vertices (V, 3), joints (J, 3), keypoints (17, 3) m; skin (tuple of 17 index arrays): vertices near each
    keypoint, for the visibility test; normals (V, 3); parts (V,) int8 body part of each vertex;
    betas (K,), pose (J, 3) rad, transl (3,) m: the parameters that give it back.
    """

    vertices: Array
    normals: Array
    joints: Array
    keypoints: Array
    skin: tuple[Array, ...]
    parts: Array
    betas: Array
    pose: Array
    transl: Array


WORN = ("body", "garment", "hair")  # kinds of meshes that belong to the person


@dataclass(frozen=True)
class SceneSpec:
    """Everything of one image. aperture and focus in m (0 aperture: everything sharp).

    background: (H, W, 3) uint8 image of the camera's size behind all meshes, or None.
    info: what was chosen, ready for JSON (posture, age in months, seed, names of surfaces and garments, ...).
    """

    camera: Camera
    meshes: tuple[Mesh, ...]
    body: BodyInScene
    lights: tuple[AreaLight, ...]
    environment: Environment
    aperture: float = 0.0
    focus: float = 1.0
    background: Array | None = None
    info: dict[str, Any] = field(default_factory=dict)


def face_edges(faces: Array) -> Array:
    """List the edges (3 F, 2) of faces (F, 3), each in the order in which its face has it."""
    return np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])


def face_normals(vertices: Array, faces: Array) -> Array:
    """Compute normals (F, 3) by the right-hand rule, as long as twice the face's area."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    return np.cross(b - a, c - a)


def vertex_normals(vertices: Array, faces: Array) -> Array:
    """Compute unit normals (V, 3), of the vertices' type, faces weighted by area; zero where no face is."""
    across = np.repeat(face_normals(vertices, faces), 3, axis=0)
    corner = faces.ravel()
    total = np.stack([np.bincount(corner, across[:, axis], len(vertices)) for axis in range(3)], axis=1)
    return (total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-20)).astype(vertices.dtype)


def shading_normals(mesh: Mesh) -> Array:
    """Return unit normals (V, 3) float32: area-weighted means over faces; vertices in one place (split seams) share theirs.

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
    """Return the same number (V,) for vertices (V, 3) float32 in the same place, from 0 without gaps."""
    # + 0: -0 becomes 0
    bits = np.ascontiguousarray(vertices + np.float32(0)).view(np.uint32).astype(np.uint64)
    mixed = bits[:, 0]
    # an injective mix would need 96 bits; of 64, two places of a mesh never meet in practice
    for axis in (1, 2):
        mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15) + bits[:, axis]
    mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    return np.unique(mixed, return_inverse=True)[1].reshape(-1)
