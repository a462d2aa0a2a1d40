"""Random fields: periodic noise for tiles, and solid noise at points of space."""

import numpy as np
from scipy import fft

Array = np.ndarray

LIMIT = 3.0  # standard deviations; rarer values are cut so that a relief has a known range


def field(
    rng: np.random.Generator,
    size: int | tuple[int, int],
    wavelength: float,
    slope: float = 2.0,
    stretch: tuple[float, float] = (1.0, 1.0),
) -> Array:
    """Periodic Gaussian noise (H, W) float32, mean 0, standard deviation 1, cut at 3.

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
    return np.clip(noise / max(float(noise.std()), 1e-12), -LIMIT, LIMIT).astype(np.float32)


def solid(rng: np.random.Generator, points: Array, wavelength: float, octaves: int = 2) -> Array:
    """Smooth noise at points (N, 3), in the unit of ``wavelength``: (N,) float32, about standard normal.

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


def step(low: float, high: float, x: Array) -> Array:
    """0 below ``low``, 1 above ``high``, a smooth cubic between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
