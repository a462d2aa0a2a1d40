"""The surface under the body: mattresses that dent, sheets with wrinkles, mats, quilts and bare floors."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from infantsynth.scene.drape import cloth, patch
from infantsynth.scene.fields import Folds, Grid, relax, thicken_down
from infantsynth.scene.places import Place
from infantsynth.scene.primitives import Shape, surface

Array = np.ndarray

GAP = 0.0015  # m between what lies and what it lies on, so that they never share a point
_STEP = 0.01  # m, of a 0.7 m body
_REACH = 4.0  # grid cells over which a dent fades out
_SPREAD = 30  # iterations that let it


@dataclass(frozen=True)
class Bedding:
    """The ground as heights: ``field`` (N, N) m over ``grid``, dents and wrinkles included."""

    grid: Grid
    field: Array

    def height(self, xy: Array) -> Array:
        """Height (...) m of the ground at points (..., 2) m."""
        return self.grid.sample(self.field, xy)


def press(place: Place, worn: list[tuple[Array, Array]], scale: float, rng: np.random.Generator) -> Bedding:
    """The ground under a body. worn: vertices (V, 3) m and faces (F, 3) of skin and clothes; the body is at rest on
    z = 0. scale: of the body to a 0.7 m one. Nothing of the ground comes through the body."""
    everything = np.concatenate([vertices for vertices, _ in worn])
    grid = Grid.around(everything, 0.45 * scale, _STEP * scale)
    low = np.minimum.reduce([grid.envelope(*mesh)[0] for mesh in worn])
    if place.size is None:
        return Bedding(grid, np.zeros_like(low))
    low = thicken_down(low)
    dent = np.where(low < 0, -low + GAP, 0)
    spread = relax(dent, dent, 0.0, 0)
    for _ in range(_SPREAD):
        spread = relax(dent, spread * (1 - 1 / (_REACH**2 * 2)), 0.0, 1)
    field = -spread + _wrinkles(place, grid, low, dent, scale, rng)
    field = np.minimum(field, low - GAP)
    edge = np.abs(place.local(grid.points)) > place.size / 2
    return Bedding(grid, np.where(edge.any(axis=-1), place.floor, field))


def _wrinkles(
    place: Place, grid: Grid, low: Array, dent: Array, scale: float, rng: np.random.Generator
) -> Array:
    """Heights (N, N) m of folds: at random over the cloth, and away from what presses it down; none under the body."""
    height = place.kind.wrinkles * rng.uniform(0.2, 1.2)
    covered = gaussian_filter((low < 0.04 * scale).astype(float), 1.5)
    wide = Folds(rng, rng.uniform(0.05, 0.11), rng.uniform(2.0, 4.0))
    around = Folds(rng, rng.uniform(0.04, 0.07), 3.0)
    patches = gaussian_filter(rng.standard_normal(low.shape), 14) * 14 * 2
    loose = height * wide.at(grid.points) * np.clip(0.5 + patches, 0, 1.3)
    pressed = np.argwhere(dent > 0)
    if not len(pressed):
        return loose * (1 - covered)
    offset = grid.points - grid.points[tuple(pressed.T)].mean(axis=0)
    distance = np.linalg.norm(offset, axis=-1)
    polar = np.stack([np.arctan2(offset[..., 1], offset[..., 0]) * 0.25 * scale, 0.4 * distance], axis=-1)
    near = gaussian_filter((dent > 0).astype(float), 7)
    drawn = 1.2 * height * around.along(polar) * np.clip(3 * near, 0, 1)
    return (loose + drawn) * np.clip(1 - 1.3 * covered, 0, 1)


def top(place: Place, bedding: Bedding, scale: float, rng: np.random.Generator) -> Shape:
    """The surface that is seen of a mattress, mat or quilt, down to the floor, uv in m."""
    if place.size is None:
        raise ValueError("the bare floor has no top")
    if place.name in ("quilt", "picnic"):
        xy, uv = patch(place.size, 0.013 * scale, rng)
        ground = place.world(xy)
        folds = Folds(rng, 0.09, 3.0).at(ground) * place.kind.wrinkles * rng.uniform(0.3, 1.2)
        far = np.clip((bedding.grid.sample(np.zeros_like(bedding.field), ground, outside=1.0)), 0, 1)
        height = bedding.grid.sample(_inner(bedding, place), ground) + folds * far
        return cloth(ground, height, -place.floor, uv)
    return _slab(place, bedding, 0.012 * scale)


def _inner(bedding: Bedding, place: Place) -> Array:
    """The field with the floor beyond the edge replaced by the level of the cloth."""
    return np.where(bedding.field <= place.floor + 1e-9, 0.0, bedding.field)


def _slab(place: Place, bedding: Bedding, step: float) -> Shape:
    """A mattress or mat with rounded edges and straight sides."""
    assert place.size is not None  # noqa: S101 - see ``top``
    (x, drop_x), (y, drop_y) = (
        _profile(side, -place.floor, place.kind.rounding, step) for side in place.size
    )
    points = np.empty((len(x), len(y), 3))
    points[..., 0], points[..., 1] = x[:, None], y[None, :]
    drop = np.maximum(drop_x[:, None], drop_y[None, :])
    ground = place.world(points[..., :2])
    inside = np.minimum(place.size[0] / 2 - np.abs(x)[:, None], place.size[1] / 2 - np.abs(y)[None, :])
    fade = np.clip(inside / (place.kind.rounding + step), 0, 1)
    height = bedding.grid.sample(_inner(bedding, place), ground)
    points[..., :2], points[..., 2] = (
        ground,
        np.where(drop > 0, np.minimum(height, 0) * fade, height * fade) - drop,
    )
    made = surface(points)
    lengths = [
        np.concatenate([[0], np.cumsum(np.hypot(np.diff(line), np.diff(fall)))])
        for line, fall in ((x, drop_x), (y, drop_y))
    ]
    uv = np.stack(np.broadcast_arrays(lengths[0][:, None], lengths[1][None, :]), axis=-1)
    return Shape(made.vertices, made.faces, uv.reshape(-1, 2))


def _profile(width: float, height: float, rounding: float, step: float) -> tuple[Array, Array]:
    """Positions along one side of a slab and how far the surface has dropped there, m each, edge to edge."""
    rounding = min(rounding, 0.9 * height)
    flat = np.linspace(-width / 2 + rounding, width / 2 - rounding, max(int(width / step), 8))
    angle = np.linspace(0, np.pi / 2, 5)[1:]
    right, fall = width / 2 - rounding * (1 - np.sin(angle)), rounding * (1 - np.cos(angle))
    right, fall = np.append(right, width / 2), np.append(fall, height)
    return np.concatenate([-right[::-1], flat, right]), np.concatenate(
        [fall[::-1], np.zeros(len(flat)), fall]
    )
