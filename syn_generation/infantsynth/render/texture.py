"""Textures: pictures on surfaces, filtered for how small they appear (pyramids, Williams 1983)."""

from dataclasses import dataclass

import cv2
import numpy as np

from infantsynth.spec import Material

Array = np.ndarray

_ROW = 8192  # samples a row: OpenCV's pictures may not be wider than 32767
_COARSEST = 4  # px


@dataclass(frozen=True)
class Texture:
    """A picture (H, W) or (H, W, C) float32 that repeats, with ever smaller copies of itself."""

    levels: tuple[Array, ...]

    def at(self, uv: Array, level: Array) -> Array:
        """Values (N, C) at uv (N, 2), v up; level (N,): log2 of the texels that one sample covers."""
        chosen = np.clip(np.rint(level), 0, len(self.levels) - 1).astype(np.int8)
        channels = 1 if self.levels[0].ndim == 2 else self.levels[0].shape[2]
        values = np.empty((len(uv), channels), dtype=np.float32)
        for number, picture in enumerate(self.levels):
            here = np.flatnonzero(chosen == number)
            if len(here):
                values[here] = _bilinear(picture, uv[here]).reshape(len(here), channels)
        return values


def make_texture(picture: Array) -> Texture:
    """A picture (H, W) or (H, W, C), row 0 at v = 1, with its pyramid."""
    levels = [np.ascontiguousarray(picture, dtype=np.float32)]
    while min(levels[-1].shape[:2]) >= 2 * _COARSEST:
        height, width = levels[-1].shape[:2]
        levels.append(cv2.resize(levels[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA))
    return Texture(tuple(levels))


def slope_texture(relief: Array) -> Texture:
    """Growth of a relief (H, W) in m per unit of u and of v, as a texture of two channels."""
    height, width = relief.shape
    across = (np.roll(relief, -1, axis=1) - np.roll(relief, 1, axis=1)) * (width / 2)
    up = (np.roll(relief, 1, axis=0) - np.roll(relief, -1, axis=0)) * (height / 2)
    return make_texture(np.stack([across, up], axis=-1))


def mean_color(material: Material) -> Array:
    """The colour (3,) sRGB of a material, of a picture its mean."""
    return np.asarray(material.color, dtype=np.float32).reshape(-1, 3).mean(axis=0)


def _bilinear(picture: Array, uv: Array) -> Array:
    height, width = picture.shape[:2]
    x = np.mod(uv[:, 0], 1) * width - 0.5
    y = np.mod(1 - uv[:, 1], 1) * height - 0.5
    rows = -(-len(x) // _ROW)
    where = np.zeros((2, rows * _ROW), dtype=np.float32)
    where[0, : len(x)], where[1, : len(x)] = x, y
    grid = where.reshape(2, rows, _ROW)
    found = cv2.remap(picture, grid[0], grid[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return found.reshape(rows * _ROW, -1)[: len(x)]
