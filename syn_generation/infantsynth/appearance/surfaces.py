"""Surfaces of rooms and gardens: what infants lie on and what stands behind them."""

from collections.abc import Callable

import cv2
import numpy as np

from infantsynth.appearance import noise
from infantsynth.appearance.color import cloth_color, to_lab, to_rgb
from infantsynth.appearance.swatch import Swatch, flat, mix

Array = np.ndarray
SurfacePattern = Callable[[np.random.Generator, int], Swatch]


def _tone(rng: np.random.Generator, color: tuple[float, float, float], spread: float) -> Array:
    """The colour with its lightness and tint varied, sRGB (3,)."""
    return to_rgb(to_lab(np.array(color)) + rng.normal(0, 1, 3) * (2 * spread, spread * 0.5, spread * 0.6))


def _clip(color: Array) -> Array:
    return np.clip(color, 0, 1).astype(np.float32)


def _cells(size: int, across: int, down: int, shift: float, gap: float) -> tuple[Array, Array, Array]:
    """Bricks over a tile: (row, column) index of each pixel and the depth into its joint, 0 on the brick, 1 inside.

    shift: share of a brick by which rows are offset in turn. gap: half-width of a joint, share of a row's height.
    """
    y = (np.arange(size) / size * down)[:, None]
    row = np.floor(y).astype(int)
    x = (np.arange(size) / size * across)[None, :] + shift * (row % 2 if shift == 0.5 else row)
    column = np.floor(x).astype(int) % across
    aspect = down / across
    edge = np.minimum(np.minimum(y % 1, 1 - y % 1), np.minimum(x % 1, 1 - x % 1) * aspect)
    soft = 1.5 * down / size
    return np.broadcast_to(row, edge.shape), column, 1 - noise.step(gap, gap + soft, edge)


def wood(rng: np.random.Generator, size: int) -> Swatch:
    """Floor boards, each of its own tone and grain."""
    tones = (
        (0.62, 0.45, 0.29),
        (0.72, 0.58, 0.42),
        (0.44, 0.29, 0.18),
        (0.78, 0.69, 0.56),
        (0.55, 0.50, 0.45),
    )
    base = _tone(rng, tones[rng.integers(len(tones))], 4.0)
    down, metres = 8, 1.0
    row, column, joint = _cells(size, 2, down, rng.choice([0.5, 0.25]), 0.012)
    board = row * 2 + column
    shade = rng.normal(0, 0.07, 2 * down)[board]
    drift = rng.integers(0, size, (2, 2 * down))
    ring = noise.field(rng, size, size / 6, 1.6, (6.0, 0.35))
    fibre = noise.field(rng, size, size / 30, 1.0, (9.0, 0.25))
    yy, xx = np.mgrid[0:size, 0:size]
    at = ((yy + drift[0][board]) % size, (xx + drift[1][board]) % size)  # each board from its own tree
    grain = 0.06 * np.sin(3.0 * ring[at]) + 0.045 * fibre[at]
    color = base * (1 + shade + grain)[..., None]
    color = mix(color, base * 0.35, 0.85 * joint)
    relief = (1.5e-4 * fibre[at] - 1.5e-3 * joint).astype(np.float32)
    return Swatch(_clip(color), relief, metres, float(rng.uniform(0.35, 0.65)), 0.0)


def carpet(rng: np.random.Generator, size: int) -> Swatch:
    """Pile, short or shaggy, plain, flecked, striped or with a pattern of lozenges."""
    base = _tone(rng, tuple(cloth_color(rng) * 0.85), 2.0)
    second = cloth_color(rng) * 0.85
    metres = 0.6
    style = rng.choice(["plain", "flecked", "striped", "lozenges"], p=[0.4, 0.25, 0.15, 0.2])
    pile = noise.field(rng, size, rng.uniform(3.0, 9.0), 1.0)
    tread = noise.field(rng, size, size / 4, 2.0)
    tile = flat(base, size)
    x = np.arange(size)[None, :] / size
    y = np.arange(size)[:, None] / size
    ragged = 0.012 * noise.field(rng, size, 6.0, 1.0)
    if style == "flecked":
        tile = mix(tile, second, 0.7 * noise.step(0.9, 1.5, noise.field(rng, size, 4.0, 0.8)))
    elif style == "striped":
        tile = mix(tile, second, noise.step(0.48, 0.52, np.abs(((y * 4 + ragged) % 1) * 2 - 1)))
    elif style == "lozenges":
        diamond = np.abs(((x * 3 + ragged) % 1) - 0.5) + np.abs(((y * 3 + ragged) % 1) - 0.5)
        tile = mix(
            tile, second, noise.step(0.06, 0.03, np.abs(diamond - 0.38)) * 0.9 + 0.5 * (diamond < 0.15)
        )
    light = 0.92 + 0.075 * pile + 0.05 * tread
    return Swatch(_clip(tile * light[..., None]), (2.2e-3 * pile).astype(np.float32), metres, 0.95, 0.3)


def grass(rng: np.random.Generator, size: int) -> Swatch:
    """Blades of a lawn seen from above, in layers from the dark ground to the light tips."""
    metres = 0.5
    base = np.array([0.30, 0.38, 0.16]) * rng.uniform(0.75, 1.1) + rng.normal(0, 0.015, 3)
    canvas = flat(base * 0.42, size) * (1 + 0.2 * noise.field(rng, size, 8.0)[..., None])
    drawn = np.rint(_clip(canvas) * 255).astype(np.uint8)
    height = np.zeros((size, size), dtype=np.uint8)
    count = size * size // 26
    starts = rng.uniform(0, size, (count, 2))
    length = rng.uniform(0.025, 0.07, count) * size
    angle = rng.uniform(0, 2 * np.pi, count)
    middles = starts + 0.6 * length[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    bend = angle + rng.normal(0, 0.45, count)
    ends = middles + 0.5 * length[:, None] * np.stack([np.cos(bend), np.sin(bend)], axis=1)
    dry = rng.random(count) < rng.uniform(0.02, 0.2)
    for i in range(count):
        level = 0.55 + 0.75 * i / count
        tone = (np.array([0.55, 0.50, 0.28]) if dry[i] else base * (1.0, 1.12, 0.9)) * level
        color = tuple(float(c) for c in np.clip(tone * rng.uniform(0.85, 1.15) * 255, 0, 255))
        line = np.stack([starts[i], middles[i], ends[i]])
        for shift in _wraps(line, size):
            points = [np.rint((line + shift) * 8).astype(np.int32)]
            cv2.polylines(drawn, points, False, color, 1, cv2.LINE_AA, 3)
            cv2.polylines(height, points, False, 60 + 195 * i / count, 1, cv2.LINE_AA, 3)
    patches = 1 + 0.06 * noise.field(rng, size, size / 3)
    color = drawn.astype(np.float32) / 255 * patches[..., None]
    return Swatch(_clip(color), height.astype(np.float32) / 255 * 4e-3, metres, 0.8, 0.2)


def _wraps(line: Array, size: int) -> list[tuple[int, int]]:
    """Shifts by whole tiles at which a line (N, 2) px touches the tile."""
    low, high = line.min(axis=0) - 2, line.max(axis=0) + 2
    along = [[s for s in (-size, 0, size) if high[k] + s > 0 and low[k] + s < size] for k in (0, 1)]
    return [(dx, dy) for dx in along[0] for dy in along[1]]


def tile(rng: np.random.Generator, size: int) -> Swatch:
    """Ceramic or stone tiles with joints."""
    tones = (
        (0.80, 0.78, 0.74),
        (0.62, 0.60, 0.57),
        (0.70, 0.58, 0.47),
        (0.35, 0.36, 0.38),
        (0.88, 0.88, 0.87),
    )
    base = _tone(rng, tones[rng.integers(len(tones))], 3.0)
    count = int(rng.integers(2, 5))
    row, column, joint = _cells(size, count, count, rng.choice([0.0, 0.5]) if count % 2 == 0 else 0.0, 0.012)
    shade = rng.normal(0, 0.025, (count, count))[row % count, column]
    cloud = noise.field(rng, size, size / 6, 1.6)
    vein = noise.step(0.10, 0.0, np.abs(noise.field(rng, size, size / 4, 1.8))) * rng.choice([0.0, 0.12])
    color = base * (1 + shade + 0.03 * cloud - vein)[..., None]
    grout = base * rng.uniform(0.45, 0.8)
    color = mix(color, grout, joint)
    relief = (-1.2e-3 * joint + 5e-5 * cloud).astype(np.float32)
    return Swatch(_clip(color), relief, 0.3 * count, float(rng.uniform(0.15, 0.5)), 0.0)


def wall(rng: np.random.Generator, size: int) -> Swatch:
    """Painted plaster, wallpaper or brick."""
    style = rng.choice(["plaster", "paper", "brick"], p=[0.65, 0.2, 0.15])
    if style == "brick":
        return _brick(rng, size)
    pale = _tone(rng, tuple(0.35 * cloth_color(rng) + 0.55), 2.0)
    rough = noise.field(rng, size, 6.0, 1.2)
    stain = noise.field(rng, size, size / 3, 2.5)
    color = flat(pale, size)
    if style == "paper":
        x = np.arange(size)[None, :] / size * int(rng.integers(6, 16))
        stripe = np.broadcast_to(noise.step(0.47, 0.53, np.abs((x % 1) * 2 - 1)), (size, size))
        color = mix(color, pale * rng.uniform(0.82, 0.95), stripe)
    color = color * (1 + 0.008 * rough + 0.02 * stain)[..., None]
    return Swatch(_clip(color), (1.5e-4 * rough).astype(np.float32), 1.5, 0.85, 0.0)


def _brick(rng: np.random.Generator, size: int) -> Swatch:
    base = _tone(rng, (0.58, 0.36, 0.28) if rng.random() < 0.7 else (0.8, 0.78, 0.74), 4.0)
    row, column, joint = _cells(size, 4, 12, 0.5, 0.06)
    shade = rng.normal(0, 0.1, (12, 4))[row % 12, column]
    rough = noise.field(rng, size, 8.0, 1.2)
    color = mix(base * (1 + shade + 0.06 * rough)[..., None], np.array([0.68, 0.66, 0.62]), joint)
    return Swatch(_clip(color), (6e-4 * rough - 5e-3 * joint).astype(np.float32), 0.9, 0.9, 0.0)


def concrete(rng: np.random.Generator, size: int) -> Swatch:
    """Paving or screed."""
    base = _tone(rng, (0.55, 0.54, 0.52), 5.0)
    cloud = noise.field(rng, size, size / 4, 1.2)
    grit = noise.field(rng, size, 3.0, 0.8)
    color = base * (1 + 0.07 * cloud + 0.05 * grit)[..., None]
    return Swatch(_clip(color), (4e-4 * grit).astype(np.float32), 0.8, 0.9, 0.0)


def sand(rng: np.random.Generator, size: int) -> Swatch:
    """A beach or sandpit."""
    base = _tone(rng, (0.73, 0.64, 0.50), 3.0)
    ripple = noise.field(rng, size, size / 10, 2.0, (2.5, 1.0))
    grit = noise.field(rng, size, 2.5, 0.6)
    color = base * (1 + 0.05 * ripple + 0.06 * grit)[..., None]
    return Swatch(_clip(color), (2.5e-3 * ripple + 3e-4 * grit).astype(np.float32), 0.6, 0.95, 0.0)
