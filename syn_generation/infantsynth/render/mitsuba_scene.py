"""Describe a scene in the terms of mitsuba 3 (Jakob et al. 2022).

All meshes, materials and lights are made in one form (normals, texture coordinates, images for colour and relief,
a little sheen, a lens of some width), whether they need it or not: the LLVM and CUDA variants compile a kernel for
every new combination of forms, which costs more than drawing the image; in one form, they compile it once.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from fidip.errors import DataError
from infantsynth.render.lighting import light_axes
from infantsynth.spec import (
    AreaLight,
    Camera,
    Environment,
    Material,
    Mesh,
    SceneSpec,
    face_normals,
    shading_normals,
)

Array = np.ndarray

_BOUNCES = 4  # path length in segments: light from lamps, and twice from other surfaces
_PINHOLE = 1e-6  # m; a lens of this radius blurs nothing
_NO_SHEEN = 1e-4
_BATCH = 16  # kernels also hold the number of meshes: it is made up to a multiple of this
_RELIEF = 512  # px; the side of a relief, which kernels hold as a constant
_SLOPE = 1e-4  # m a tile; slope that every relief has everywhere, see ``relief_bitmap``
_PLAIN = 4  # px; the side of an image of one colour


def scene_dict(mi: Any, spec: SceneSpec, samples: int) -> dict[str, Any]:
    """Return what ``mi.load_dict`` takes, for the variant of ``mi`` that is set. Over a background, lamps are not seen."""
    over = spec.background is not None
    scene = {
        "type": "scene",
        "integrator": {"type": "path", "max_depth": _BOUNCES, "rr_depth": _BOUNCES, "hide_emitters": over},
        "sensor": sensor(mi, spec.camera, 0.0 if over else spec.aperture, spec.focus, samples),
        "environment": dome(mi, spec.environment),
    }
    count = -(-len(spec.meshes) // _BATCH) * _BATCH
    meshes = [*spec.meshes, *[_speck()] * (count - len(spec.meshes))]
    scene |= {f"mesh{index}": shape(mi, mesh, f"mesh{index}") for index, mesh in enumerate(meshes)}
    return scene | {
        f"light{index}": lamp(mi, light, f"light{index}") for index, light in enumerate(spec.lights)
    }


def _speck() -> Mesh:
    """Return a triangle that nobody sees."""
    corners = np.array([[0, 0, -50], [1e-3, 0, -50], [0, 1e-3, -50]], dtype=np.float32)
    return Mesh("room", corners, np.array([[0, 1, 2]], dtype=np.int32), Material(np.zeros(3)), smooth=False)


def sensor(mi: Any, camera: Camera, aperture: float, focus: float, samples: int) -> Any:
    """Return a thin-lens camera; aperture and focus in m. The box filter keeps pixels independent, as denoising wants.

    Raises DataError for pixels that are not square and for a principal point off the middle.
    """
    frame = np.eye(4)
    frame[:3, :3] = camera.rotation.T @ np.diag([-1.0, -1.0, 1.0])  # mitsuba: x left, y up, z forward
    frame[:3, 3] = camera.centre
    width, height = camera.width, camera.height
    middle = [(width - 1) / 2, (height - 1) / 2]
    square = np.isclose(camera.intrinsics[0, 0], camera.intrinsics[1, 1], rtol=1e-6)
    if not square or not np.allclose(camera.intrinsics[:2, 2], middle, atol=1e-3):
        raise DataError("path tracing needs square pixels and a camera that looks through the image's middle")
    film = {
        "type": "hdrfilm",
        "width": width,
        "height": height,
        "rfilter": {"type": "box"},
        "pixel_format": "rgba",
        "component_format": "float32",
    }
    lens = {
        "type": "thinlens",
        "fov": float(np.degrees(2 * np.arctan(width / 2 / camera.intrinsics[0, 0]))),
        "fov_axis": "x",
        "near_clip": 0.01,
        "far_clip": 100.0,
        "aperture_radius": max(float(aperture), _PINHOLE),
        "focus_distance": float(focus),
        "to_world": mi.ScalarTransform4f(frame),
        "film": film,
        "sampler": {"type": "independent", "sample_count": samples},
    }
    made = mi.load_dict(lens)
    if not mi.variant().startswith("scalar"):
        _vary(mi.traverse(made), ("aperture_radius", "focus_distance"))
    return made


def _vary(parameters: Any, names: Sequence[str]) -> None:
    """Keep numbers in memory, where another image may have others, instead of in the kernel."""
    import drjit

    for name in names:
        value = parameters[name]
        drjit.make_opaque(value)
        parameters[name] = value
    parameters.update()


def dome(mi: Any, environment: Environment) -> dict[str, Any]:
    """Return the environment as an image around the scene."""
    radiance = np.asarray(environment.radiance, dtype=np.float32)
    if radiance.ndim == 1:
        radiance = np.broadcast_to(radiance, (_PLAIN, 2 * _PLAIN, 3))
    sine, cosine = np.sin(environment.turn), np.cos(environment.turn)
    frame = np.eye(4)
    # its y is up, its z the image's middle
    frame[:3, :3] = [[-sine, 0, cosine], [cosine, 0, sine], [0, 1, 0]]
    bitmap = mi.Bitmap(np.ascontiguousarray(np.maximum(radiance, 0)))
    return {"type": "envmap", "bitmap": bitmap, "to_world": mi.ScalarTransform4f(frame)}


def lamp(mi: Any, light: AreaLight, name: str) -> Any:
    """Return a rectangle that shines to one side: two triangles, for a rectangle's place would be a constant of kernels."""
    across, up, _ = light_axes(light)
    side = [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)]
    corners = np.array([light.centre + x * light.size[0] * across + y * light.size[1] * up for x, y in side])
    faces = np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32)
    plate = Mesh("room", corners.astype(np.float32), faces, Material(np.zeros(3)), smooth=False)
    radiance = {"type": "rgb", "value": [float(value) for value in light.radiance]}
    return shape(mi, plate, name, mi.load_dict({"type": "area", "radiance": radiance}))


def shape(mi: Any, mesh: Mesh, name: str, emitter: Any = None) -> Any:
    """Return a mesh with its material, and with light of its own."""
    corners = split(mesh)
    holder = mi.Properties()
    holder["bsdf"] = mi.load_dict(material(mi, mesh.material))
    if emitter is not None:
        holder["emitter"] = emitter
    made = mi.Mesh(
        name,
        len(corners["vertex_positions"]),
        len(corners["faces"]),
        props=holder,
        has_vertex_normals=True,
        has_vertex_texcoords=True,
    )
    parameters = mi.traverse(made)
    for key, values in corners.items():
        parameters[key] = np.ascontiguousarray(values).ravel()
    parameters.update()
    return made


def split(mesh: Mesh) -> dict[str, Array]:
    """Return positions, normals, texture coordinates (v down) and faces; a flat mesh has its own vertices for every face."""
    uv = np.zeros((len(mesh.vertices), 2)) if mesh.uv is None else np.asarray(mesh.uv)
    vertices, faces = np.asarray(mesh.vertices, dtype=np.float32), np.asarray(mesh.faces)
    if mesh.smooth:
        normals = shading_normals(mesh)
    else:
        across = face_normals(vertices.astype(np.float64), faces)
        across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-20)
        normals = np.repeat(across, 3, axis=0)
        vertices, uv = vertices[faces.ravel()], uv[faces.ravel()]
        faces = np.arange(len(vertices)).reshape(-1, 3)
    return {
        "vertex_positions": vertices,
        "vertex_normals": normals.astype(np.float32),
        "vertex_texcoords": np.column_stack([uv[:, 0], 1 - uv[:, 1]]).astype(np.float32),
        "faces": faces.astype(np.uint32),
    }


def material(mi: Any, made: Material) -> dict[str, Any]:
    """Return a principled BSDF (Burley 2012) under a relief, seen from both sides."""
    color = np.asarray(made.color, dtype=np.float32)
    if color.ndim == 1:
        color = np.broadcast_to(color, (_PLAIN, _PLAIN, 3))
    surface = {
        "type": "principled",
        "base_color": _bitmap(mi, np.rint(np.clip(color, 0, 1) * 255).astype(np.uint8), raw=False),
        "roughness": float(np.clip(made.roughness, 0.05, 1)),
        "specular": float(made.specular),
        "sheen": max(float(made.sheen), _NO_SHEEN),
    }
    bumpy = {"type": "bumpmap", "relief": _bitmap(mi, relief_bitmap(made), raw=True), "surface": surface}
    return {"type": "twosided", "material": bumpy}


def relief_bitmap(made: Material) -> Array:
    """Resize the relief of a material to (512, 512, 1) float32, in m, and give it a slope that is zero nowhere.

    Mitsuba's bump map sets up the tangent from the bent normal in the surface's own frame but from the direction of
    growing u in the world's. Where both are the same numbers, the tangent is 0 / 0: on surfaces without slope whose u
    grows straight up or down, such as the bars of a crib. A ridge along u, far too flat to be seen, keeps them apart.
    """
    relief = np.zeros((_RELIEF, _RELIEF)) if made.relief is None else np.asarray(made.relief)
    smooth = cv2.INTER_AREA if min(relief.shape) > _RELIEF else cv2.INTER_CUBIC  # steps would have no slope
    relief = cv2.resize(relief.astype(np.float32), (_RELIEF, _RELIEF), interpolation=smooth)
    # one step a pixel, also from the last pixel to the first, where it repeats
    ridge = np.abs(np.arange(_RELIEF, dtype=np.float32) - _RELIEF // 2)
    return (relief + np.float32(_SLOPE / _RELIEF) * ridge)[..., None]


def _bitmap(mi: Any, image: Array, raw: bool) -> dict[str, Any]:
    """Return an image that repeats; ``raw``: numbers, not sRGB colours."""
    return {
        "type": "bitmap",
        "bitmap": mi.Bitmap(np.ascontiguousarray(image)),
        "raw": raw,
        "wrap_mode": "repeat",
    }
