"""Height fields over the ground, and the outline of a body over them."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import map_coordinates, maximum_filter, minimum_filter

from infantsynth.appearance import noise

Array = np.ndarray

FAR = 9.0  # m: stands for "no body here"


@dataclass(frozen=True)
class Grid:
    """A square of ground about (x, y) = middle, ``count`` points a side, ``step`` m apart."""

    middle: tuple[float, float]
    step: float
    count: int

    @classmethod
    def around(cls, points: Array, border: float, step: float) -> "Grid":
        """The square that holds points (N, 2+) m with a border in m."""
        low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
        middle = (low + high) / 2
        side = float((high - low).max()) + 2 * border
        return cls((float(middle[0]), float(middle[1])), step, int(np.ceil(side / step)) + 1)

    @property
    def axes(self) -> tuple[Array, Array]:
        """x and y of the lines, (count,) m each; x is the first index of fields."""
        line = (np.arange(self.count) - (self.count - 1) / 2) * self.step
        return self.middle[0] + line, self.middle[1] + line

    @property
    def points(self) -> Array:
        """Ground points (count, count, 2) m."""
        x, y = self.axes
        return np.stack(np.broadcast_arrays(x[:, None], y[None, :]), axis=-1)

    def place(self, xy: Array) -> Array:
        """Fractional indices (..., 2) of ground points (..., 2) m."""
        return (np.asarray(xy) - np.array(self.middle)) / self.step + (self.count - 1) / 2

    def sample(self, field: Array, xy: Array, outside: float | None = None) -> Array:
        """A field (count, count) at ground points (..., 2) m, bilinear; its border's value or ``outside`` beyond."""
        index = self.place(xy).reshape(-1, 2).T
        border = {"mode": "nearest"} if outside is None else {"mode": "constant", "cval": outside}
        return map_coordinates(field, index, order=1, **border).reshape(np.shape(xy)[:-1])

    def envelope(self, vertices: Array, faces: Array) -> tuple[Array, Array]:
        """Lowest and highest point of a surface over each grid point, (count, count) m; FAR and -FAR where none is."""
        edges = np.concatenate([vertices, vertices[faces].mean(axis=1), vertices[faces[:, :2]].mean(axis=1)])
        index = np.rint(self.place(edges[:, :2])).astype(int)
        inside = ((index >= 0) & (index < self.count)).all(axis=1)
        index, height = index[inside], edges[inside, 2]
        low, high = np.full((self.count, self.count), FAR), np.full((self.count, self.count), -FAR)
        np.minimum.at(low, (index[:, 0], index[:, 1]), height)
        np.maximum.at(high, (index[:, 0], index[:, 1]), height)
        return low, high


def thicken_down(low: Array, cells: int = 1) -> Array:
    """The lowest of each neighbourhood: nothing that stays under it can come through between grid points."""
    return minimum_filter(low, 2 * cells + 1)


def thicken_up(high: Array, cells: int = 1) -> Array:
    """The highest of each neighbourhood."""
    return maximum_filter(high, 2 * cells + 1)


def relax(obstacle: Array, start: Array, pull: Array | float, steps: int) -> Array:
    """A taut cloth over an obstacle: the smallest field >= obstacle whose points are their neighbours' mean - pull.

    Projected Jacobi iterations on the obstacle problem of a membrane; the border is free.
    """
    field = np.maximum(start, obstacle)
    for _ in range(steps):
        padded = np.pad(field, 1, mode="edge")
        mean = (padded[2:, 1:-1] + padded[:-2, 1:-1] + padded[1:-1, 2:] + padded[1:-1, :-2]) / 4
        field = np.maximum(mean - pull, obstacle)
    return field


class Folds:
    """Long soft ridges of cloth, a random field that can be read at any point of the ground."""

    def __init__(self, rng: np.random.Generator, wavelength: float, stretch: float, size: int = 192) -> None:
        self.metres = 8 * wavelength  # side of the periodic tile
        self.turn = rng.uniform(0, np.pi)
        self.field = noise.field(rng, size, size / 8, 2.0, (1.0, stretch))
        self.warp = noise.field(rng, size, size / 3, 2.5), noise.field(rng, size, size / 3, 2.5)
        self.size = size

    def at(self, xy: Array) -> Array:
        """Height 0..1 at ground points (..., 2) m: mostly flat, with crests."""
        return self.along(
            xy @ np.array([[np.cos(self.turn), -np.sin(self.turn)], [np.sin(self.turn), np.cos(self.turn)]])
        )

    def along(self, uv: Array) -> Array:
        """Height 0..1 where the ridges run along the second of the coordinates (..., 2) m."""
        index = uv / self.metres * self.size
        bent = np.stack([self._read(w, index) for w in self.warp], axis=-1)
        value = self._read(self.field, index + bent * self.size / 40)
        return np.clip(1 - np.abs(value - 0.4) / 0.9, 0, 1) ** 2

    def _read(self, field: Array, index: Array) -> Array:
        return map_coordinates(field, np.moveaxis(index, -1, 0), order=1, mode="grid-wrap")
