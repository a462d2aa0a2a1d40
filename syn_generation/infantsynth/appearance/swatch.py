"""A tile of a surface: colour, relief and real size."""

from dataclasses import dataclass, replace

import numpy as np

from infantsynth.appearance import noise

Array = np.ndarray


@dataclass(frozen=True)
class Swatch:
    """A tile that repeats without a seam.

    color: (S, S, 3) float32 sRGB 0..1; relief: (S, S) float32 m; metres: side of the tile in the world, m;
    roughness and sheen: of the principled BSDF, 0..1.
    """

    color: Array
    relief: Array
    metres: float
    roughness: float = 0.85
    sheen: float = 0.2


def flat(color: Array, size: int) -> Array:
    """A tile (size, size, 3) of one colour (3,)."""
    return np.broadcast_to(np.asarray(color, dtype=np.float32), (size, size, 3)).copy()


def mix(below: Array, above: Array, share: Array) -> Array:
    """Lay colour ``above`` over the tile ``below`` where ``share`` (H, W) 0..1 says so."""
    share = share[..., None].astype(np.float32)
    return below * (1 - share) + np.asarray(above, dtype=np.float32) * share


def worn(swatch: Swatch, rng: np.random.Generator, amount: float) -> Swatch:
    """The swatch after use: bleached in patches, uneven, its contrast softened. amount 0..1."""
    size = len(swatch.color)
    patches = noise.field(rng, size, size / 3, 2.0)
    grain = noise.field(rng, size, 5.0, 1.0)
    pale = swatch.color * (1 - 0.10 * amount) + 0.075 * amount
    light = 1 + amount * (0.035 * patches + 0.03 * grain)
    return replace(swatch, color=np.clip(pale * light[..., None], 0, 1).astype(np.float32))
