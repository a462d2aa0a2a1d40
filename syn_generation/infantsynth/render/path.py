"""Path tracing with mitsuba 3: soft light, shadows and reflections, from few samples and a denoiser."""

import importlib
import importlib.util
import logging
from typing import Any

import cv2
import numpy as np

from fidip.errors import ConfigError
from infantsynth.render import film, mitsuba_scene
from infantsynth.render.exposure import metered
from infantsynth.render.probe import VARIANTS, choose_variant
from infantsynth.render.surface import gather
from infantsynth.render.zbuffer import rasterise
from infantsynth.spec import SceneSpec

Array = np.ndarray
logger = logging.getLogger("fidip")

_EDGE = 3  # samples each way that tell how much of a pixel at the person's outline is background
_BRIGHTEST = 20.0  # times white: brighter samples are single lucky paths, which the denoiser would spread


class PathRenderer:
    """Draws scenes, one after the other, with the same kernels.

    variant: "auto" (the fastest that works), "cuda", "llvm" or "scalar"; afterwards the one that is used. samples:
    paths a pixel. denoise: take the noise out of few samples (Open Image Denoise), led by the surfaces' colours and
    normals. threads: of this process. Raises ConfigError for a missing mitsuba or a variant that does not work here.
    """

    def __init__(
        self, variant: str = "auto", samples: int = 16, denoise: bool = True, threads: int = 1
    ) -> None:
        if samples < 1 or threads < 1:
            raise ConfigError(f"samples and threads must be 1 or more, not {samples} and {threads}")
        self.variant = choose_variant(variant)
        self.samples, self.threads = samples, threads
        self.denoise = denoise and importlib.util.find_spec("mitsuba_oidn") is not None
        if denoise and not self.denoise:
            logger.warning("pictures stay noisy without the denoiser: pip install mitsuba-oidn")

    def draw(self, spec: SceneSpec, seed: int) -> Array:
        """The picture of a scene, RGB uint8 (H, W, 3); the same bytes for the same scene, seed and variant."""
        gains = metered(spec)
        radiance, alpha = self._trace(spec, seed)
        radiance = np.minimum(radiance, _BRIGHTEST / gains)
        if spec.background is not None:
            radiance = _to_the_edge(radiance, alpha)
        if self.denoise:
            radiance = _denoise(spec, radiance)
        cover = np.ones(alpha.shape) if spec.background is None else _cover(spec)
        return film.compose(film.develop_radiance(radiance, gains), cover, spec.background)

    def _trace(self, spec: SceneSpec, seed: int) -> tuple[Array, Array]:
        """Radiance (H, W, 3) and share of paths (H, W) that met something, all finite.

        Logs a warning when the renderer gave numbers that are not: such a pixel is black, and a fault of the scene.
        """
        mi = self._mitsuba()
        scene = mi.load_dict(mitsuba_scene.scene_dict(mi, spec, self.samples))
        traced = np.array(mi.render(scene, spp=self.samples, seed=seed % 2**32), dtype=np.float32)
        if count := np.count_nonzero(~np.isfinite(traced).all(axis=-1)):
            logger.warning("scene %s: the path tracer gave no finite value for %d pixels; they are black",
                           spec.info.get("seed", "without a seed"), count)  # fmt: skip
        traced = np.nan_to_num(traced, nan=0.0, posinf=0.0, neginf=0.0)
        return np.maximum(traced[..., :3], 0), traced[..., 3]

    def _mitsuba(self) -> Any:
        """The module, with this renderer's variant and threads."""
        mi, drjit = importlib.import_module("mitsuba"), importlib.import_module("drjit")
        if mi.variant() != VARIANTS[self.variant]:
            mi.set_variant(VARIANTS[self.variant])
        if drjit.thread_count() != self.threads:
            drjit.set_thread_count(self.threads)
        return mi


def _denoise(spec: SceneSpec, radiance: Array) -> Array:
    """Without noise; colours and normals come free of it from the z-buffer, so that patterns and seams stay sharp."""
    buffers = rasterise(spec.camera, spec.meshes)
    filled = np.flatnonzero(buffers.mesh.ravel() >= 0)
    guides = np.zeros((2, buffers.mesh.size, 3), dtype=np.float32)
    if len(filled):
        surface = gather(spec.camera, spec.meshes, buffers, filled)
        guides[0, filled], guides[1, filled] = surface.color, surface.normal
    albedo, normal = guides.reshape(2, *radiance.shape)
    oidn = importlib.import_module("mitsuba_oidn")
    clean = oidn.denoise(np.ascontiguousarray(radiance), albedo=albedo, normal=normal, hdr=True)
    return np.maximum(np.asarray(clean), 0)


def _to_the_edge(radiance: Array, alpha: Array) -> Array:
    """The person's own radiance at its outline, where only some paths met it, and a little beyond."""
    own = np.where(alpha[..., None] > 0, radiance / np.maximum(alpha, 1e-6)[..., None], 0)
    weight = np.minimum(alpha, 1)
    near = cv2.blur(own * weight[..., None], (5, 5)) / np.maximum(cv2.blur(weight, (5, 5)), 1e-6)[..., None]
    return np.where(alpha[..., None] > 0, own, near)


def _cover(spec: SceneSpec) -> Array:
    """How much of each pixel (H, W) the meshes cover, 0..1."""
    height, width = spec.camera.height, spec.camera.width
    drawn = rasterise(spec.camera, spec.meshes, _EDGE).mesh >= 0
    return drawn.reshape(height, _EDGE, width, _EDGE).mean(axis=(1, 3))
