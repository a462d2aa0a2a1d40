"""The description of one picture as plain arrays: what samplers fill in, renderers draw and labels are read from."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from infantsynth.camera import Camera

Array = np.ndarray


@dataclass(frozen=True)
class Material:
    """How a surface looks: base colour and the parameters of a principled BSDF (Burley 2012), each 0..1.

    color: (3,) or (H, W, 3) float32 picture, sRGB 0..1, row 0 at v = 1; it repeats outside 0..1.
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
    """Light from everywhere: radiance (3,) linear RGB, or (H, W, 3) float32 equirectangular picture, row 0 up.

    turn: rotation of the picture about the vertical, rad.
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
    """Everything of one picture. aperture and focus in m (0 aperture: everything sharp).

    background: (H, W, 3) uint8 picture of the camera's size behind all meshes, or None.
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
