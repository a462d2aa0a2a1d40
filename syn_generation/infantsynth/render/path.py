"""Trace paths with mitsuba 3: few samples, a denoiser, and the fastest variant that works."""

import importlib
import importlib.util
import json
import logging
import os
import platform
import subprocess
import sys
import time
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fidip.errors import ConfigError
from fidip.files import fingerprint, write_json
from infantsynth.render import develop, mitsuba_scene
from infantsynth.render.develop import metered
from infantsynth.render.surface import gather
from infantsynth.render.zbuffer import rasterise
from infantsynth.spec import SceneSpec

Array = np.ndarray

logger = logging.getLogger("fidip")

# fastest first; names of mitsuba
VARIANTS = {"cuda": "cuda_ad_rgb", "llvm": "llvm_ad_rgb", "scalar": "scalar_rgb"}
_REMEDY = {
    "cuda": "it needs an NVIDIA GPU and driver",
    "llvm": "it needs LLVM 17 or newer (Debian, Ubuntu: apt-get install libllvm19), or DRJIT_LIBLLVM_PATH that names it",
    "scalar": "install mitsuba anew: pip install --force-reinstall mitsuba",
}
_KEPT = 24 * 3600  # s; after that an answer is checked again, for libraries come and go
_PATIENCE = 180  # s for one trial
# a wrong LLVM does not raise, it ends the process: hence a process of its own
_TRIAL = """
import sys
import mitsuba as mi
mi.set_variant(sys.argv[1])
scene = mi.load_dict({"type": "scene", "integrator": {"type": "path"}, "light": {"type": "constant"},
    "ball": {"type": "sphere", "bsdf": {"type": "principled"}},
    "sensor": {"type": "thinlens", "aperture_radius": 0.1, "focus_distance": 4.0,
    "to_world": mi.ScalarTransform4f().look_at([0, 0, 4], [0, 0, 0], [0, 1, 0]),
    "film": {"type": "hdrfilm", "width": 8, "height": 8}}})
import numpy
assert numpy.array(mi.render(scene, spp=1)).mean() > 0
"""
_EDGE = 3  # samples each way that tell how much of a pixel at the person's outline is background
_BRIGHTEST = 20.0  # times white: brighter samples are single lucky paths, which the denoiser would spread


def choose_variant(wanted: str = "auto") -> str:
    """Choose "cuda", "llvm" or "scalar": the wanted variant, or the fastest that draws a tiny image here.

    The answer is remembered for a day per machine. DRJIT_LIBLLVM_PATH chooses the LLVM library, as everywhere.
    Raises ConfigError where mitsuba is not installed or the wanted variant does not work.
    """
    if wanted != "auto" and wanted not in VARIANTS:
        raise ConfigError(f"variant {wanted!r} is not known; choose from auto, {', '.join(VARIANTS)}")
    require_mitsuba()
    if wanted == "auto":
        return _remembered(_machine()) or _find(_machine())
    if wanted != "scalar" and _remembered(_machine()) != wanted and not works(wanted):
        raise ConfigError(
            f"the path tracer's variant {wanted} does not work here: {_REMEDY[wanted]}; or choose auto"
        )
    return wanted


def require_mitsuba() -> None:
    """Raise ConfigError, with the remedy, where mitsuba is not installed."""
    if importlib.util.find_spec("mitsuba") is None:
        raise ConfigError(
            "path tracing needs mitsuba 3: pip install 'fidip[synth]', or draw with mode raster"
        )


@lru_cache(maxsize=8)
def works(variant: str) -> bool:
    """Check whether a process of its own could draw with it."""
    command = [sys.executable, "-c", _TRIAL, VARIANTS[variant]]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return False
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        logger.debug("variant %s does not work: status %d %s", variant, done.returncode, last)
    return done.returncode == 0


def _find(machine: dict[str, Any]) -> str:
    found = next((name for name in VARIANTS if works(name)), None)
    if found is None:
        raise ConfigError(
            f"no variant of the path tracer works here: {_REMEDY['scalar']}; or draw with mode raster"
        )
    if found == "scalar":
        logger.info(
            "the path tracer runs without LLVM and takes about three times as long: %s", _REMEDY["llvm"]
        )
    try:
        write_json(_memory(machine), {"variant": found, "time": time.time()})
    except OSError as error:  # a home that cannot be written to costs a trial each time, no more
        logger.debug("the renderer's variant is not remembered: %s", error)
    return found


def _remembered(machine: dict[str, Any]) -> str | None:
    """Return the answer of the last day, if there is one that makes sense."""
    try:
        kept = json.loads(_memory(machine).read_text(encoding="utf-8"))
        fresh = 0 <= time.time() - float(kept["time"]) < _KEPT
        return str(kept["variant"]) if fresh and kept["variant"] in VARIANTS else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _machine() -> dict[str, Any]:
    """Return what the answer depends on."""
    names = ("DRJIT_LIBLLVM_PATH", "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH")
    chosen = {name: os.environ.get(name, "") for name in names}
    return {"node": platform.node(), "python": sys.executable, "mitsuba": version("mitsuba"), **chosen}


def _memory(machine: dict[str, Any]) -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "fidip" / f"renderer-{fingerprint(machine)}.json"


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
            logger.warning("images stay noisy without the denoiser: pip install mitsuba-oidn")

    def draw(self, spec: SceneSpec, seed: int) -> Array:
        """Return the image of a scene, RGB uint8 (H, W, 3); the same bytes for the same scene, seed and variant."""
        gains = metered(spec)
        radiance, alpha = self._trace(spec, seed)
        radiance = np.minimum(radiance, _BRIGHTEST / gains)
        if spec.background is not None:
            radiance = _to_the_edge(radiance, alpha)
        if self.denoise:
            radiance = _denoise(spec, radiance)
        cover = np.ones(alpha.shape) if spec.background is None else _cover(spec)
        return develop.compose(develop.develop_radiance(radiance, gains), cover, spec.background)

    def _trace(self, spec: SceneSpec, seed: int) -> tuple[Array, Array]:
        """Return radiance (H, W, 3) and share of paths (H, W) that met something, all finite.

        Logs a warning when the renderer gave numbers that are not: such a pixel is black, and a fault of the scene.
        """
        mi = self._mitsuba()
        scene = mi.load_dict(mitsuba_scene.scene_dict(mi, spec, self.samples))
        traced = np.array(mi.render(scene, spp=self.samples, seed=seed % 2**32), dtype=np.float32)
        if count := np.count_nonzero(~np.isfinite(traced).all(axis=-1)):
            logger.warning(
                "scene %s: the path tracer gave no finite value for %d pixels; they are black",
                spec.info.get("seed", "without a seed"),
                count,
            )
        traced = np.nan_to_num(traced, nan=0.0, posinf=0.0, neginf=0.0)
        return np.maximum(traced[..., :3], 0), traced[..., 3]

    def _mitsuba(self) -> Any:
        """Return the module, with this renderer's variant and threads."""
        mi, drjit = importlib.import_module("mitsuba"), importlib.import_module("drjit")
        if mi.variant() != VARIANTS[self.variant]:
            mi.set_variant(VARIANTS[self.variant])
        if drjit.thread_count() != self.threads:
            drjit.set_thread_count(self.threads)
        return mi


def _denoise(spec: SceneSpec, radiance: Array) -> Array:
    """Take the noise out; colours and normals come free of it from the z-buffer, so that patterns and seams stay sharp."""
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
    """Return the person's own radiance at its outline, where only some paths met it, and a little beyond."""
    own = np.where(alpha[..., None] > 0, radiance / np.maximum(alpha, 1e-6)[..., None], 0)
    weight = np.minimum(alpha, 1)
    near = cv2.blur(own * weight[..., None], (5, 5)) / np.maximum(cv2.blur(weight, (5, 5)), 1e-6)[..., None]
    return np.where(alpha[..., None] > 0, own, near)


def _cover(spec: SceneSpec) -> Array:
    """Measure how much of each pixel (H, W) the meshes cover, 0..1."""
    height, width = spec.camera.height, spec.camera.width
    drawn = rasterise(spec.camera, spec.meshes, _EDGE).mesh >= 0
    return drawn.reshape(height, _EDGE, width, _EDGE).mean(axis=(1, 3))
