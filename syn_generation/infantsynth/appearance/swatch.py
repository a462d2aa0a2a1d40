"""Make tiles of surfaces: random fields, colours, relief and real size."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy import fft

Array = np.ndarray

NOISE_LIMIT = 3.0  # standard deviations; rarer values are cut so that a relief has a known range
SKIN_DISTANCE = 32.0  # Lab: cloth's mean colour is at least this far from the skin's
# sRGB of worn cotton, by how often infants wear it; saturated dyes are rare and never pure
_CLOTH_COLORS: tuple[tuple[tuple[float, float, float], float], ...] = (
    ((0.95, 0.95, 0.94), 5.0),  # white
    ((0.93, 0.90, 0.84), 2.5),  # cream
    ((0.80, 0.75, 0.66), 1.2),  # oat
    ((0.80, 0.81, 0.82), 2.0),  # light grey
    ((0.55, 0.56, 0.58), 1.6),  # grey
    ((0.28, 0.29, 0.31), 1.0),  # charcoal
    ((0.12, 0.12, 0.13), 0.5),  # black
    ((0.15, 0.19, 0.30), 1.8),  # navy
    ((0.30, 0.40, 0.54), 1.4),  # denim
    ((0.66, 0.77, 0.86), 1.8),  # baby blue
    ((0.36, 0.56, 0.70), 0.9),  # blue
    ((0.72, 0.85, 0.80), 1.0),  # mint
    ((0.58, 0.66, 0.55), 0.9),  # sage
    ((0.29, 0.43, 0.35), 0.6),  # green
    ((0.89, 0.74, 0.76), 1.8),  # pink
    ((0.80, 0.52, 0.55), 0.8),  # rose
    ((0.70, 0.25, 0.26), 0.8),  # red
    ((0.42, 0.18, 0.22), 0.4),  # burgundy
    ((0.83, 0.68, 0.36), 0.7),  # mustard
    ((0.94, 0.88, 0.65), 0.9),  # pale yellow
    ((0.80, 0.51, 0.35), 0.4),  # terracotta
    ((0.46, 0.36, 0.29), 0.5),  # brown
    ((0.72, 0.66, 0.79), 0.7),  # lilac
    ((0.24, 0.50, 0.53), 0.5),  # teal
)


def noise_field(
    rng: np.random.Generator,
    size: int | tuple[int, int],
    wavelength: float,
    slope: float = 2.0,
    stretch: tuple[float, float] = (1.0, 1.0),
) -> Array:
    """Draw periodic Gaussian noise (H, W) float32, mean 0, standard deviation 1, cut at 3.

    size: side or (H, W) px. wavelength: of the strongest waves, px. slope: how fast amplitude falls with
    frequency beyond it (1 rough, 3 smooth). stretch: factors on the wavelength along (x, y).
    """
    height, width = (size, size) if isinstance(size, int) else size
    fy = np.fft.fftfreq(height).astype(np.float32)[:, None] * stretch[1]
    fx = np.fft.rfftfreq(width).astype(np.float32)[None, :] * stretch[0]
    f = np.hypot(fx, fy) * wavelength
    gain = f / (1 + f * f) ** ((slope + 2) / 2)
    spectrum = fft.rfft2(rng.standard_normal((height, width), dtype=np.float32)) * gain
    noise = fft.irfft2(spectrum, s=(height, width))
    noise -= noise.mean()
    return np.clip(noise / max(float(noise.std()), 1e-12), -NOISE_LIMIT, NOISE_LIMIT).astype(np.float32)


def solid_noise(rng: np.random.Generator, points: Array, wavelength: float, octaves: int = 2) -> Array:
    """Draw smooth noise at points (N, 3), in the unit of ``wavelength``: (N,) float32, about standard normal.

    A sum of random plane waves per octave: no lattice, so no preferred direction, and cheap for meshes.
    """
    waves = 24
    total = np.zeros(len(points), dtype=np.float32)
    for octave in range(octaves):
        direction = rng.standard_normal((waves, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        number = 2 * np.pi / (wavelength * 0.5**octave * rng.uniform(0.75, 1.35, (waves, 1)))
        phase = rng.uniform(0, 2 * np.pi, waves)
        waving = np.sin(
            np.asarray(points, dtype=np.float32) @ (direction * number).T.astype(np.float32) + phase
        )
        total += waving.sum(axis=1).astype(np.float32) * 0.55**octave
    return total * np.float32(np.sqrt(2.0 / waves))


def smooth_step(low: float, high: float, x: Array) -> Array:
    """Return 0 below ``low``, 1 above ``high``, a smooth cubic between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def to_lab(rgb: Array) -> Array:
    """Convert sRGB (..., 3) in 0..1 to CIE Lab (..., 3), D65, L in 0..100."""
    flat = np.ascontiguousarray(np.clip(rgb, 0, 1), dtype=np.float32).reshape(-1, 1, 3)
    return np.asarray(cv2.cvtColor(flat, cv2.COLOR_RGB2LAB)).reshape(np.shape(rgb))


def to_rgb(lab: Array) -> Array:
    """Convert CIE Lab (..., 3) to sRGB (..., 3), cut to 0..1."""
    flat = np.ascontiguousarray(lab, dtype=np.float32).reshape(-1, 1, 3)
    return np.clip(np.asarray(cv2.cvtColor(flat, cv2.COLOR_LAB2RGB)).reshape(np.shape(lab)), 0, 1)


def color_distance(first: Array, second: Array) -> Array:
    """Return the distance in Lab (CIE76) between sRGB colours (..., 3)."""
    return np.linalg.norm(to_lab(first) - to_lab(second), axis=-1)


def mean_color(image: Array) -> Array:
    """Return the mean of an image (..., 3) in sRGB: (3,)."""
    return np.asarray(image, dtype=np.float64).reshape(-1, 3).mean(axis=0)


def cloth_color(rng: np.random.Generator, skin: Array | None = None, margin: float = 4.0) -> Array:
    """Draw a colour of real clothes, sRGB (3,), at least SKIN_DISTANCE + ``margin`` from ``skin`` where that is given."""
    colors = np.array([color for color, _ in _CLOTH_COLORS])
    weights = np.array([weight for _, weight in _CLOTH_COLORS])
    spread = np.array([4.0, 3.0, 3.0])
    candidates = to_rgb(to_lab(colors) + rng.normal(0, 1, colors.shape) * spread).astype(np.float64)
    if skin is not None:
        weights = weights * (
            color_distance(candidates, np.broadcast_to(skin, candidates.shape)) >= SKIN_DISTANCE + margin
        )
    return candidates[rng.choice(len(candidates), p=weights / weights.sum())]


def print_colors(rng: np.random.Generator, ground: Array, count: int) -> list[Array]:
    """Draw colours (3,) for what is printed on ``ground``: seen against it, never shrill."""
    chosen: list[Array] = []
    while len(chosen) < count:
        color = cloth_color(rng)
        contrast = float(color_distance(color, ground))
        if 12 < contrast < 75:
            chosen.append(color)
    return chosen


def away_from(image: Array, skin: Array, margin: float = 4.0) -> Array:
    """Return an image (H, W, 3) sRGB whose mean keeps SKIN_DISTANCE + ``margin`` from ``skin`` (3,); unchanged if it does.

    An image too near in colour is shifted in Lab along the straight line away from the skin, towards light or dark
    where that line leads nowhere.
    """
    wanted = SKIN_DISTANCE + margin
    skin_lab = to_lab(np.asarray(skin))
    for push in _lab_directions(to_lab(mean_color(image)) - skin_lab, skin_lab):
        shifted = image
        for _ in range(12):
            gap = wanted - float(color_distance(mean_color(shifted), skin))
            if gap <= 0:
                return shifted
            shifted = to_rgb(to_lab(shifted) + push * (gap + 2.0))
    return shifted


def _lab_directions(offset: Array, skin_lab: Array) -> Sequence[Array]:
    """Return unit directions in Lab to try in turn."""
    length = float(np.linalg.norm(offset))
    # there is room on that side for every skin
    lightness = np.array([-1.0 if skin_lab[0] > 45 else 1.0, 0, 0])
    return ([offset / length] if length > 1 else []) + [lightness]


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
    """Return a tile (size, size, 3) of one colour (3,)."""
    return np.broadcast_to(np.asarray(color, dtype=np.float32), (size, size, 3)).copy()


def mix(below: Array, above: Array, share: Array) -> Array:
    """Lay colour ``above`` over the tile ``below`` where ``share`` (H, W) 0..1 says so."""
    share = share[..., None].astype(np.float32)
    return below * (1 - share) + np.asarray(above, dtype=np.float32) * share


def worn(swatch: Swatch, rng: np.random.Generator, amount: float) -> Swatch:
    """Draw the swatch after use: bleached in patches, uneven, its contrast softened. amount 0..1."""
    size = len(swatch.color)
    patches = noise_field(rng, size, size / 3, 2.0)
    grain = noise_field(rng, size, 5.0, 1.0)
    pale = swatch.color * (1 - 0.10 * amount) + 0.075 * amount
    light = 1 + amount * (0.035 * patches + 0.03 * grain)
    return replace(swatch, color=np.clip(pale * light[..., None], 0, 1).astype(np.float32))
