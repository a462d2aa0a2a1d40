"""Materials of surfaces by kind, procedural or from the user's folder."""

from collections.abc import Sequence

import numpy as np

from infantsynth.appearance import TextureSource
from infantsynth.spec import Material

Array = np.ndarray

_SIZE = {"grass": 384, "carpet": 384}  # px of a tile; others 320
_GLOSS = {"wood": 0.4, "tile": 0.45}  # specular


def surface_material(kind: str, rng: np.random.Generator, textures: TextureSource) -> tuple[Material, float]:
    """A material for a kind of surface (see ``appearance.KINDS``), and the side of its tile in m."""
    _, swatch = textures.swatch(kind, rng, _SIZE.get(kind, 320))
    return Material(
        swatch.color, swatch.roughness, _GLOSS.get(kind, 0.2), swatch.sheen, swatch.relief
    ), swatch.metres


def plain(
    color: Sequence[float] | Array, roughness: float = 0.5, specular: float = 0.4, sheen: float = 0.0
) -> Material:
    """One colour, sRGB (3,) 0..1."""
    return Material(np.clip(np.asarray(color, dtype=np.float32), 0.02, 0.98), roughness, specular, sheen)


def toy_color(rng: np.random.Generator) -> Array:
    """Plastic, painted wood or plush: bright, pastel or natural, sRGB (3,)."""
    style = rng.random()
    hue = rng.random()
    angles = 2 * np.pi * (hue + np.array([0.0, 1 / 3, 2 / 3]))
    pure = 0.5 + 0.5 * np.cos(angles)
    if style < 0.45:
        return np.clip(0.12 + 0.75 * pure * rng.uniform(0.8, 1.1), 0, 1)
    if style < 0.8:
        return np.clip(0.62 + 0.3 * pure + rng.normal(0, 0.03, 3), 0, 1)
    return np.clip(np.array([0.72, 0.58, 0.42]) * rng.uniform(0.6, 1.25) + rng.normal(0, 0.03, 3), 0, 1)
