"""Cloth: prints and weaves, each a tile with the colours that it is given."""

from collections.abc import Callable, Sequence

import numpy as np

from infantsynth.appearance import motifs, noise
from infantsynth.appearance.swatch import Swatch, flat, mix

Array = np.ndarray
Colors = Sequence[Array]  # ground, then what is printed or woven in; sRGB (3,)
ClothPattern = Callable[[np.random.Generator, int, Colors], Swatch]


def _jersey(color: Array, rng: np.random.Generator, metres: float) -> Swatch:
    """Finish a printed colour as fine knit: unevenness of yarn, no relief that a camera could see."""
    size = len(color)
    yarn = noise.field(rng, size, 2.5, 1.0)
    soft = noise.field(rng, size, 14.0, 1.5)
    light = 1 + 0.022 * yarn + 0.012 * soft
    relief = (8e-5 * yarn + 1e-4 * soft).astype(np.float32)
    return Swatch(np.clip(color * light[..., None], 0, 1).astype(np.float32), relief, metres)


def _waves(size: int, count: int) -> tuple[Array, Array]:
    """Phases 0..1 of ``count`` repeats along x and y, (1, S) and (S, 1)."""
    phase = (np.arange(size, dtype=np.float32) * count / size) % 1
    return phase[None, :], phase[:, None]


def _repeats(rng: np.random.Generator, metres: float, low: float, high: float) -> int:
    """How many repeats of a length between low and high (m) fit the tile."""
    return max(1, round(metres / rng.uniform(low, high)))


def _band(phase: Array, width: float, size: int, count: int) -> Array:
    """1 inside the first ``width`` of a repeat, with an edge as soft as one pixel."""
    soft = count / size
    return noise.step(0, soft, phase) * (1 - noise.step(width - soft, width, phase))


def plain(rng: np.random.Generator, size: int, colors: Colors) -> Swatch:
    """One colour."""
    return _jersey(flat(colors[0], size), rng, 0.20)


def melange(rng: np.random.Generator, size: int, colors: Colors) -> Swatch:
    """Yarn of two shades: flecks along the rows."""
    flecks = noise.field(rng, size, 3.0, 0.8, (3.0, 1.0))
    share = 0.26 * noise.step(-0.5, 2.0, flecks)
    toned = mix(flat(colors[0], size), np.asarray(colors[0]) * 0.45 + 0.12, share)
    return _jersey(toned, rng, 0.20)


def stripes(rng: np.random.Generator, size: int, colors: Colors) -> Swatch:
    """Horizontal stripes, even or narrow, at times of two colours."""
    metres = 0.20
    count = _repeats(rng, metres, 0.012, 0.05)
    _, y = _waves(size, count)
    tile = mix(
        flat(colors[0], size),
        colors[1],
        np.broadcast_to(_band(y, rng.uniform(0.2, 0.55), size, count), (size, size)),
    )
    if rng.random() < 0.3:
        thin = _band((y + 0.3) % 1, 0.12, size, count)
        tile = mix(tile, colors[2], np.broadcast_to(thin, (size, size)))
    return _jersey(tile, rng, metres)


def pinstripes(rng: np.random.Generator, size: int, colors: Colors) -> Swatch:
    """Fine vertical lines."""
    metres = 0.16
    count = _repeats(rng, metres, 0.006, 0.014)
    x, _ = _waves(size, count)
    line = np.broadcast_to(_band(x, 0.3, size, count), (size, size))
    return _jersey(mix(flat(colors[0], size), colors[1], 0.8 * line), rng, metres)


def checks(rng: np.random.Generator, size: int, colors: Colors) -> Swatch:
    """Gingham or plaid: bands of both directions that darken where they cross."""
    metres = 0.20
    count = _repeats(rng, metres, 0.012, 0.06)
    x, y = _waves(size, count)
    width = rng.choice([0.5, 0.3, 0.12], p=[0.5, 0.3, 0.2])
    share = 0.45 * (_band(x, width, size, count) + _band(y, width, size, count))
    tile = mix(flat(colors[0], size), colors[1], share)
    if rng.random() < 0.4:
        lines = np.maximum(_band((x + 0.35) % 1, 0.06, size, count), _band((y + 0.35) % 1, 0.06, size, count))
        tile = mix(tile, colors[2], 0.7 * lines)
    return _jersey(tile, rng, metres)


def _printed(
    rng: np.random.Generator,
    size: int,
    colors: Colors,
    shapes: Sequence[motifs.Shape],
    pitch: tuple[float, float],
    turn: float,
    jitter: float = 0.12,
    fill: tuple[float, float] = (0.22, 0.36),
) -> Swatch:
    """Shapes strewn over the ground; pitch: range of the distance between neighbours, m."""
    metres = 0.20
    step = rng.uniform(*pitch) * size / metres
    radius = step * rng.uniform(*fill)
    tile = motifs.strew(
        flat(colors[0], size), shapes, list(colors[1:]), rng, round(step), radius, turn, jitter
    )
    return _jersey(tile, rng, metres)


def dots(rng: np.random.Generator, size: int, colors: Colors) -> Swatch:
    """Spots."""
    return _printed(
        rng, size, colors, [motifs.dot()], (0.010, 0.035), 0.0, rng.choice([0.0, 0.25]), (0.14, 0.32)
    )


def floral(rng: np.random.Generator, size: int, colors: Colors) -> Swatch:
    """Flowers and twigs, turned every way."""
    return _printed(
        rng, size, colors, [make() for make in motifs.PLANTS], (0.018, 0.045), np.pi, 0.2, (0.3, 0.46)
    )


def animals(rng: np.random.Generator, size: int, colors: Colors) -> Swatch:
    """One or two little drawings, upright."""
    chosen = rng.choice(len(motifs.UPRIGHT), size=rng.integers(1, 3), replace=False)
    return _printed(
        rng, size, colors, [motifs.UPRIGHT[i]() for i in chosen], (0.028, 0.06), 0.25, 0.1, (0.28, 0.4)
    )


def stars(rng: np.random.Generator, size: int, colors: Colors) -> Swatch:
    """Stars or hearts."""
    shape = motifs.star() if rng.random() < 0.6 else motifs.heart()
    return _printed(rng, size, colors, [shape], (0.014, 0.045), 0.4, 0.15)


def blobs(rng: np.random.Generator, size: int, colors: Colors) -> Swatch:
    """Patches as of an animal's coat or of camouflage."""
    if rng.random() < 0.5:
        return _printed(rng, size, colors, [motifs.blob()], (0.015, 0.04), np.pi, 0.3, (0.3, 0.5))
    wave = noise.field(rng, size, size * rng.uniform(0.12, 0.25), 3.0)
    tile = mix(flat(colors[0], size), colors[1], noise.step(0.25, 0.33, wave))
    tile = mix(tile, colors[2], noise.step(0.9, 0.98, noise.field(rng, size, size * 0.2, 3.0)))
    return _jersey(tile, rng, 0.20)


def _raised(color: Array, height: Array, depth: float, rng: np.random.Generator, metres: float) -> Swatch:
    """Cloth with a relief that shows: hollows are darker. height 0..1; depth in m."""
    yarn = noise.field(rng, len(color), 3.0, 1.0)
    light = 0.86 + 0.17 * height + 0.02 * yarn
    relief = (depth * height + 5e-5 * yarn).astype(np.float32)
    return Swatch(np.clip(color * light[..., None], 0, 1).astype(np.float32), relief, metres, 0.92, 0.4)


def knit(rng: np.random.Generator, size: int, colors: Colors) -> Swatch:
    """Coarse stocking stitch, at times with a band of another colour."""
    metres = 0.20
    count = _repeats(rng, metres, 0.0045, 0.008)
    x, y = _waves(size, count)
    slant = np.abs(2 * x - 1)
    loop = np.sin(np.pi * ((y + 0.55 * slant) % 1)) * np.sqrt(np.abs(np.sin(2 * np.pi * x)))
    tile = flat(colors[0], size)
    if rng.random() < 0.35:
        _, broad = _waves(size, _repeats(rng, metres, 0.04, 0.1))
        tile = mix(tile, colors[1], np.broadcast_to(noise.step(0.68, 0.72, broad), (size, size)))
    return _raised(tile, loop.astype(np.float32), 9e-4, rng, metres)


def rib(rng: np.random.Generator, size: int, colors: Colors) -> Swatch:
    """Vertical ribs, fine as in cuffs or as broad as corduroy."""
    metres = 0.16
    x, _ = _waves(size, _repeats(rng, metres, 0.004, 0.009))
    height = np.sqrt(np.abs(np.sin(np.pi * x)))
    return _raised(flat(colors[0], size), np.broadcast_to(height, (size, size)), 7e-4, rng, metres)


def waffle(rng: np.random.Generator, size: int, colors: Colors) -> Swatch:
    """Small hollows in rows."""
    metres = 0.18
    x, y = _waves(size, _repeats(rng, metres, 0.006, 0.011))
    height = np.maximum(np.abs(2 * x - 1), np.abs(2 * y - 1)) ** 3
    return _raised(flat(colors[0], size), height, 1.1e-3, rng, metres)


def muslin(rng: np.random.Generator, size: int, colors: Colors) -> Swatch:
    """Crinkled double gauze."""
    crinkle = 1 - np.abs(noise.field(rng, size, size * 0.06, 2.0, (1.0, 1.6))) / noise.LIMIT
    return _raised(flat(colors[0], size), crinkle, 1.4e-3, rng, 0.20)


def fleece(rng: np.random.Generator, size: int, colors: Colors) -> Swatch:
    """Soft pile."""
    pile = 0.5 + 0.5 * noise.field(rng, size, 6.0, 1.2) / noise.LIMIT
    return _raised(flat(colors[0], size), pile, 1.2e-3, rng, 0.18)


def denim(rng: np.random.Generator, size: int, colors: Colors) -> Swatch:
    """Blue twill, whatever the given colours: darker or washed out."""
    blue = np.array([0.24, 0.33, 0.48]) * rng.uniform(0.6, 1.25)
    phase = np.add.outer(np.arange(size), np.arange(size)) * (round(size / 5) / size)
    twill = 0.5 + 0.5 * np.sin(2 * np.pi * phase)
    slub = noise.field(rng, size, 4.0, 0.8, (1.0, 4.0))
    pale = np.clip(0.16 * twill + 0.07 * slub + 0.05 * noise.field(rng, size, size / 5), 0, 1)
    tile = mix(flat(blue, size), np.array([0.66, 0.71, 0.77]), pale)
    return Swatch(tile.astype(np.float32), (1.2e-4 * slub).astype(np.float32), 0.18, 0.85, 0.1)
