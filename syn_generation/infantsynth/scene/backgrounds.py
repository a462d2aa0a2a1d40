"""Pictures behind the body in photo mode: the user's own, or made up."""

from pathlib import Path

import cv2
import numpy as np

from fidip.errors import DataError
from fidip.pixels import read_rgb
from infantsynth.appearance import noise, patterns

Array = np.ndarray

_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


class BackgroundSource:
    """A folder of pictures without persons. Raises DataError where it holds none."""

    def __init__(self, folder: Path) -> None:
        self.files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
        if not self.files:
            raise DataError(
                f"{folder} holds no background picture ({', '.join(_SUFFIXES)}); leave the option out or add some"
            )

    def draw(self, size: tuple[int, int], rng: np.random.Generator) -> tuple[Array, str]:
        """A random part of a random picture at ``size`` (width, height), RGB uint8 (H, W, 3); and its name.

        Small pictures are enlarged to cover it.
        """
        path = self.files[rng.integers(len(self.files))]
        picture = read_rgb(path)
        if rng.random() < 0.5:
            picture = np.ascontiguousarray(picture[:, ::-1])
        return cover(picture, size, rng), path.name


def cover(picture: Array, size: tuple[int, int], rng: np.random.Generator) -> Array:
    """A random window of a picture (H, W, 3) that has the aspect of ``size``, scaled to it."""
    height, width = picture.shape[:2]
    largest = min(width / size[0], height / size[1])
    scale = largest * rng.uniform(0.7, 1.0)
    window = max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)
    x, y = rng.integers(0, width - window[0] + 1), rng.integers(0, height - window[1] + 1)
    part = picture[y : y + window[1], x : x + window[0]]
    way = cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
    return cv2.resize(part, size, interpolation=way)


def procedural(size: tuple[int, int], rng: np.random.Generator) -> tuple[Array, str]:
    """A made-up background: a surface seen flat, or floor and wall with soft light. RGB uint8 (H, W, 3); its name."""
    width, height = size
    side = 256
    below = str(rng.choice(["sheet", "carpet", "wood", "cloth", "tile"]))
    picture = _tiled(patterns.procedural(below, rng, side), size, rng.uniform(0.8, 2.2))
    name = below
    if rng.random() < 0.5:
        wall = _tiled(patterns.procedural("wall", rng, side), size, rng.uniform(0.8, 2.0))
        line = height * rng.uniform(0.1, 0.6) + (np.arange(width) - width / 2) * rng.normal(0, 0.05)
        above = np.clip(line[None, :] - np.arange(height)[:, None] + 0.5, 0, 1)[..., None]
        picture, name = picture * (1 - above) + wall * above, f"wall+{below}"
    light = cv2.resize(noise.field(rng, 64, 40, 2.5), size, interpolation=cv2.INTER_CUBIC)
    lit = np.clip(picture * (1 + 0.15 * light[..., None]), 0, 1)
    return np.rint(lit * 255).astype(np.uint8), name


def _tiled(tile: Array, size: tuple[int, int], zoom: float) -> Array:
    """A tile (S, S, 3) repeated over a picture of ``size``, each drawn ``zoom`` times its size."""
    scaled = cv2.resize(tile, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_LINEAR)
    times = -(-size[1] // len(scaled)), -(-size[0] // len(scaled)), 1
    return np.tile(scaled, times)[: size[1], : size[0]]
