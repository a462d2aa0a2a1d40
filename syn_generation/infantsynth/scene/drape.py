"""Blankets: a taut-and-sagging cloth over body and ground, with folds, a wavy border and a thickness."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, grey_closing

from infantsynth.appearance import noise
from infantsynth.scene.fields import FAR, Folds, Grid, relax, thicken_up
from infantsynth.scene.primitives import Shape, lattice

Array = np.ndarray

_RELAX = 90  # iterations of the cloth over its obstacles
_CLEAR = 0.004  # m between skin or clothes and the blanket


def patch(size: Array, step: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """A piece of cloth laid flat: where its points are, (R, C, 2) m about its middle, and their uv (R, C, 2) in m.

    Corners are rounded, borders wave and the whole is a little sheared, as by hand.
    """
    rows, columns = (max(int(side / step), 8) for side in size)
    u, v = np.linspace(-1, 1, rows)[:, None], np.linspace(-1, 1, columns)[None, :]
    flat = np.stack(np.broadcast_arrays(u * size[0] / 2, v * size[1] / 2), axis=-1)
    corner = (u * v) ** 2 * np.abs(u * v) ** 4
    rounded = flat * (1 - rng.uniform(0.03, 0.12) * corner)[..., None]
    lifted = np.concatenate([flat.reshape(-1, 2), np.zeros((rows * columns, 1))], axis=1)
    shift = np.stack([noise.solid(rng, lifted, rng.uniform(0.35, 0.7), 3) for _ in range(2)], axis=1)
    shear = np.eye(2) + rng.normal(0, 0.06, (2, 2))
    border = np.maximum(np.abs(u), np.abs(v)) ** 2
    waved = rounded @ shear + shift.reshape(rows, columns, 2) * (0.018 * border)[..., None]
    return waved, flat + np.asarray(size) / 2


def cloth(ground: Array, height: Array, thickness: float, uv: Array) -> Shape:
    """A closed piece of cloth: its upper side at ``height`` (R, C) m over ground points (R, C, 2) m.

    The border is rounded down to ``thickness`` m below; uv (R, C, 2) in m.
    """
    rows, columns = height.shape
    above = np.concatenate([ground, height[..., None]], axis=-1).reshape(-1, 3)
    loop = np.concatenate(
        [
            np.arange(columns),
            np.arange(1, rows) * columns + columns - 1,
            (rows - 1) * columns + np.arange(columns - 2, -1, -1),
            np.arange(rows - 2, 0, -1) * columns,
        ]
    )
    middle = above[:, :2].mean(axis=0)
    out = above[loop, :2] - middle
    out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)
    strips, vertices, uvs = [], [above], [uv.reshape(-1, 2)]
    before, count = loop, len(above)
    for reach, fall in ((0.5, 0.25), (0.6, 0.6), (0.0, 1.0)):
        ring = above[loop] + np.concatenate(
            [out * reach * thickness, np.full((len(loop), 1), -fall * thickness)], axis=1
        )
        now = count + np.arange(len(loop))
        strips.append(np.stack([before, now, np.roll(now, -1)], axis=1))
        strips.append(np.stack([before, np.roll(now, -1), np.roll(before, -1)], axis=1))
        vertices.append(ring)
        uvs.append(uv.reshape(-1, 2)[loop])
        before, count = now, count + len(loop)
    top = lattice(rows, columns)
    return Shape(np.concatenate(vertices), np.concatenate([top, *strips]), np.concatenate(uvs))


@dataclass(frozen=True)
class Blanket:
    """How a blanket lies. size: (2,) m; middle: (2,) m on the ground; turn: rad; thickness: m; sag: how much it
    follows what is below, 0.3 stiff .. 2 limp; folds: their height, m."""

    size: Array
    middle: Array
    turn: float
    thickness: float
    sag: float
    folds: float

    def over(self, points: Array, border: float) -> Array:
        """Which ground points (N, 2) m it lies over, or nearly: less than ``border`` m beside it."""
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        spots = (points - self.middle) @ np.array([[cos, -sin], [sin, cos]])
        return (np.abs(spots) < self.size / 2 + border).all(axis=1)


def over_body(
    joints: dict[str, Array],
    scale: float,
    rng: np.random.Generator,
    covers: tuple[float, float] = (-0.35, 0.6),
) -> Blanket:
    """A blanket over the legs, its upper border between the knees and the chest. joints: named positions (3,) m.

    covers: how far up it reaches, drawn between these shares of the way from the hips to the shoulders.
    """
    hips = (joints["left_hip"] + joints["right_hip"])[:2] / 2
    shoulders = (joints["left_shoulder"] + joints["right_shoulder"])[:2] / 2
    feet = (joints["left_ankle"] + joints["right_ankle"])[:2] / 2
    down = hips - shoulders if np.linalg.norm(hips - shoulders) > 0.1 * scale else feet - hips
    down = down / max(float(np.linalg.norm(down)), 1e-9)
    size = np.array([rng.uniform(0.55, 0.95), rng.uniform(0.5, 0.8)]) * scale
    upper = hips - down * rng.uniform(*covers) * float(np.linalg.norm(hips - shoulders))
    middle = upper + down * size[1] / 2 + rng.normal(0, 0.03, 2) * scale
    turn = float(np.arctan2(down[1], down[0])) - np.pi / 2 + rng.normal(0, 0.22)
    return Blanket(
        size,
        middle,
        turn,
        rng.uniform(0.003, 0.009) * scale,
        rng.uniform(0.35, 1.6),
        rng.uniform(0.004, 0.014) * scale,
    )


def drape(
    blanket: Blanket, grid: Grid, ground: Array, high: Array, scale: float, rng: np.random.Generator
) -> Shape:
    """Lay a blanket over ``ground`` (N, N) m and the body whose upper outline is ``high`` (N, N) m, -FAR where none."""
    body = thicken_up(high)
    solid = np.maximum(ground + 0.001, np.where(body > -FAR / 2, body + _CLEAR * scale, -FAR))
    start = np.maximum(gaussian_filter(grey_closing(solid, 7), 1.5), solid)
    pull = 3.5e-4 * blanket.sag * grid.step / 0.01
    lying = relax(solid, start, pull, _RELAX)
    steep = np.hypot(*np.gradient(gaussian_filter(lying, 2.0), grid.step))
    free = gaussian_filter(np.clip(lying - solid, 0, 0.02 * scale) / (0.02 * scale), 1.5)
    xy, uv = patch(blanket.size, 1.1 * grid.step, rng)
    cos, sin = np.cos(blanket.turn), np.sin(blanket.turn)
    spots = xy @ np.array([[cos, sin], [-sin, cos]]) + blanket.middle
    room = grid.sample(0.5 + np.clip(steep, 0, 1) + 0.8 * free, spots)
    fine, broad = Folds(rng, 0.055 * scale, 3.0), Folds(rng, 0.12 * scale, 2.5)
    folds = blanket.folds * (0.6 * fine.at(spots) + broad.at(spots)) * room
    folds += blanket.folds * _ruffle(uv, blanket, spots, scale, rng)
    height = grid.sample(lying, spots) + folds + blanket.thickness + _hem(uv, blanket, rng)
    return cloth(spots, height, blanket.thickness, uv)


def _ruffle(uv: Array, blanket: Blanket, spots: Array, scale: float, rng: np.random.Generator) -> Array:
    """Height (R, C) of short waves along the free borders, of the folds': a border lies flat nowhere for long."""
    inward = np.minimum(uv, blanket.size - uv).min(axis=-1) / (rng.uniform(0.05, 0.12) * scale)
    waves = Folds(rng, rng.uniform(0.035, 0.06) * scale, 1.3).at(spots)
    return 1.3 * waves * np.clip(1 - inward, 0, 1)


def _hem(uv: Array, blanket: Blanket, rng: np.random.Generator) -> Array:
    """Extra height (R, C) m where the upper border is folded over, on some blankets."""
    if rng.random() < 0.6:
        return np.zeros(uv.shape[:2])
    width = rng.uniform(0.06, 0.14) * blanket.size[1]
    inward = uv[..., 1] + rng.normal(0, 0.02) * uv[..., 0]
    return 1.6 * blanket.thickness * (1 - noise.step(0.92 * width, width, inward))
