"""Render fast: direct light with soft shadows on a z-buffer, over a background or the surroundings."""

import numpy as np

from infantsynth.render import develop, lighting
from infantsynth.render.develop import metered
from infantsynth.render.surface import Surface, gather
from infantsynth.render.zbuffer import Buffers, enlarged, rasterise
from infantsynth.spec import AreaLight, Camera, SceneSpec

Array = np.ndarray

_JUMP = 0.01  # relative depth: samples of a pixel farther apart than this are drawn one by one
_BOUNCE = 0.25  # share of the light that comes back from everything around


def draw(spec: SceneSpec, supersample: int = 2) -> Array:
    """Return the image of a scene, RGB uint8 (H, W, 3); the same bytes for the same scene.

    supersample: samples along each side of a pixel, spent where edges are. Raises DataError for broken meshes.
    """
    buffers = rasterise(spec.camera, spec.meshes, supersample)
    view = enlarged(spec.camera, supersample)
    where, block = _samples(spec, buffers, supersample)
    radiance = np.zeros((len(where), 3), dtype=np.float32)
    drawn = buffers.mesh.ravel()[where] >= 0
    radiance[drawn] = _light(spec, view, buffers, where[drawn])
    if spec.background is None and not drawn.all():
        radiance[~drawn] = lighting.radiance_seen(spec.environment, _directions(view, where[~drawn]))
        drawn[:] = True
    count = spec.camera.width * spec.camera.height
    taken = np.bincount(block, drawn, count)
    total = np.stack([np.bincount(block, radiance[:, c] * drawn, count) for c in range(3)], axis=1)
    color = total / np.maximum(taken, 1)[:, None]
    cover = taken / np.maximum(np.bincount(block, minlength=count), 1)
    shape = spec.camera.height, spec.camera.width
    image = develop.develop_radiance(color.reshape(*shape, 3), metered(spec))
    return develop.compose(image, cover.reshape(shape), spec.background)


def _samples(spec: SceneSpec, buffers: Buffers, factor: int) -> tuple[Array, Array]:
    """Choose flat indices (N,) of the samples to shade, and the image's pixel (N,) that each belongs to.

    All of a pixel's samples where surfaces meet or a depth jumps, one of them elsewhere.
    """
    height, width = spec.camera.height, spec.camera.width
    blocks = np.arange(buffers.mesh.size).reshape(height, factor, width, factor)
    index = np.moveaxis(blocks, 2, 1).reshape(height * width, factor * factor)
    mesh, depth = buffers.mesh.ravel()[index], buffers.depth.ravel()[index]
    low, high = depth.min(axis=1), depth.max(axis=1)
    mixed = (mesh != mesh[:, :1]).any(axis=1) | (high > low * (1 + _JUMP))
    mixed &= np.isfinite(low)
    plain, split = np.flatnonzero(~mixed), np.flatnonzero(mixed)
    middle = factor * (factor // 2) + factor // 2
    where = np.concatenate([index[plain, middle], index[split].ravel()])
    return where, np.concatenate([plain, np.repeat(split, factor * factor)])


def _directions(camera: Camera, where: Array) -> Array:
    row, column = np.divmod(where, camera.width)
    flat = (np.stack([column, row], axis=1) - camera.intrinsics[:2, 2]) / np.diag(camera.intrinsics)[:2]
    ray = np.column_stack([flat, np.ones(len(flat))]) @ camera.rotation
    return ray / np.linalg.norm(ray, axis=1, keepdims=True)


def _light(spec: SceneSpec, camera: Camera, buffers: Buffers, where: Array) -> Array:
    """Return radiance (N, 3) towards the camera from the samples ``where``."""
    if not len(where):
        return np.zeros((0, 3), dtype=np.float32)
    surface = gather(camera, spec.meshes, buffers, where)
    seed = _scatter(where)
    open_ = lighting.openness(camera, buffers.depth, where, surface.place, surface.normal, seed)
    dome = lighting.Dome(spec.environment)
    around = dome.irradiance(surface.normal)
    diffuse = around * open_[:, None]
    f0 = 0.08 * surface.specular
    facing = np.clip(np.einsum("ni,ni->n", surface.normal, surface.view), 0, 1)
    rim = (1 - facing) ** 5
    grazing = np.clip(50 * f0, 0, 1)  # what hardly reflects does not at the rim either
    gloss = (f0 + (grazing - f0) * rim * (1 - surface.roughness) ** 2) * open_
    radiance = around * (gloss / np.pi)[:, None]
    for light in spec.lights:
        share = lighting.shadow_map(light, spec.meshes, surface.place).lit(
            surface.place, surface.normal, seed
        )
        got, shine = _direct(light, surface)
        diffuse += got * share[:, None]
        radiance += shine * share[:, None]
        place = spec.body.keypoints.mean(axis=0)
        key = lighting.incident((light,), _NONE, place, _unit(np.asarray(light.centre) - place))
        diffuse += (_BOUNCE * 0.5 * key * open_[:, None]).astype(np.float32)
    sheen = surface.sheen * rim * 0.5
    return radiance + (surface.color + sheen[:, None]) * diffuse / np.float32(np.pi)


_NONE = lighting.Environment(np.zeros(3))


def _direct(light: AreaLight, surface: Surface) -> tuple[Array, Array]:
    """Return irradiance (N, 3) from four points of a light, and the radiance (N, 3) of its reflection (Walter et al. 2007)."""
    across, up, ahead = lighting.light_axes(light)
    power = np.asarray(light.radiance) * (light.size[0] * light.size[1])
    strength = np.zeros(len(surface.place), dtype=np.float32)
    for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
        spot = light.centre + x / 4 * light.size[0] * across + y / 4 * light.size[1] * up
        ray, cosines = _reach(spot, ahead, surface)
        strength += np.maximum(np.einsum("ni,ni->n", ray, surface.normal), 0) * cosines / 4
    ray, cosines = _reach(np.asarray(light.centre), ahead, surface)
    half = _unit(ray + surface.view)
    size = np.sqrt(light.size[0] * light.size[1]) / 2
    alpha = np.clip(surface.roughness**2 + size / 4, 0.03, 1)
    towards = np.clip(np.einsum("ni,ni->n", half, surface.normal), 0, 1)
    spread = alpha**2 / (np.pi * (towards**2 * (alpha**2 - 1) + 1) ** 2)
    f0 = 0.08 * surface.specular
    fresnel = f0 + (1 - f0) * (1 - np.clip(np.einsum("ni,ni->n", half, ray), 0, 1)) ** 5
    lit = np.maximum(np.einsum("ni,ni->n", ray, surface.normal), 0)
    shine = spread * fresnel * lit * cosines / 4
    color = power.astype(np.float32)
    return strength[:, None] * color, np.minimum(shine, 8)[:, None] * color


def _reach(spot: Array, ahead: Array, surface: Surface) -> tuple[Array, Array]:
    """Return unit vectors (N, 3) from the samples to a spot of a light, and its cosine over the distance squared (N,)."""
    ray = spot.astype(np.float32) - surface.place
    squared = np.maximum(np.einsum("ni,ni->n", ray, ray), 1e-4)
    ray = ray / np.sqrt(squared)[:, None]
    return ray, np.maximum(-ray @ ahead.astype(np.float32), 0) / squared


def _unit(vectors: Array) -> Array:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def _scatter(where: Array) -> Array:
    """Return a number 0..1 for each index (N,), as if at random, always the same."""
    mixed = where.astype(np.uint32) * np.uint32(2654435761)
    mixed = (mixed ^ (mixed >> np.uint32(15))) * np.uint32(2246822519)
    return ((mixed >> np.uint32(8)).astype(np.float32)) * np.float32(2**-24)
