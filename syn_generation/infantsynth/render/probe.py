"""Which variant of the path tracer works on this machine, found out without risking this process."""

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

from fidip.errors import ConfigError
from fidip.runtime import fingerprint, write_json

logger = logging.getLogger("fidip")

VARIANTS = {
    "cuda": "cuda_ad_rgb",
    "llvm": "llvm_ad_rgb",
    "scalar": "scalar_rgb",
}  # fastest first; names of mitsuba
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


def choose_variant(wanted: str = "auto") -> str:
    """ "cuda", "llvm" or "scalar": the wanted variant, or the fastest that draws a tiny picture here.

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
    """Whether a process of its own could draw with it."""
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
    """The answer of the last day, if there is one that makes sense."""
    try:
        kept = json.loads(_memory(machine).read_text(encoding="utf-8"))
        fresh = 0 <= time.time() - float(kept["time"]) < _KEPT
        return str(kept["variant"]) if fresh and kept["variant"] in VARIANTS else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _machine() -> dict[str, Any]:
    """What the answer depends on."""
    names = ("DRJIT_LIBLLVM_PATH", "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH")
    chosen = {name: os.environ.get(name, "") for name in names}
    return {"node": platform.node(), "python": sys.executable, "mitsuba": version("mitsuba"), **chosen}


def _memory(machine: dict[str, Any]) -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "fidip" / f"renderer-{fingerprint(machine)}.json"
