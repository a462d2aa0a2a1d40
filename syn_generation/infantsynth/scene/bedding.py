"""Build what lies under and over the body: mattresses, sheets, mats, quilts, blankets."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, grey_closing, map_coordinates, maximum_filter, minimum_filter

from infantsynth.appearance.swatch import noise_field, smooth_step, solid_noise
from infantsynth.scene.places import Place
from infantsynth.scene.shapes import Shape, lattice, surface

Array = np.ndarray

FAR = 9.0  # m: stands for "no body here"
_RELAX = 90  # iterations of the cloth over its obstacles
_CLEAR = 0.004  # m between skin or clothes and the blanket
GAP = 0.0015  # m between what lies and what it lies on, so that they never share a point
_STEP = 0.01  # m, of a 0.7 m body
_REACH = 4.0  # grid cells over which a dent fades out
_SPREAD = 30  # iterations that let it


@dataclass(frozen=True)
class Grid:
    """A square of ground about (x, y) = middle, ``count`` points a side, ``step`` m apart."""

    middle: tuple[float, float]
    step: float
    count: int

    @classmethod
    def around(cls, points: Array, border: float, step: float) -> "Grid":
        """Return the square that holds points (N, 2+) m with a border in m."""
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
        """Return fractional indices (..., 2) of ground points (..., 2) m."""
        return (np.asarray(xy) - np.array(self.middle)) / self.step + (self.count - 1) / 2

    def sample(self, field: Array, xy: Array, outside: float | None = None) -> Array:
        """Return a field (count, count) at ground points (..., 2) m, bilinear; its border's value or ``outside`` beyond."""
        index = self.place(xy).reshape(-1, 2).T
        border = {"mode": "nearest"} if outside is None else {"mode": "constant", "cval": outside}
        return map_coordinates(field, index, order=1, **border).reshape(np.shape(xy)[:-1])

    def envelope(self, vertices: Array, faces: Array) -> tuple[Array, Array]:
        """Return lowest and highest point of a surface over each grid point, (count, count) m; FAR and -FAR where none is."""
        edges = np.concatenate([vertices, vertices[faces].mean(axis=1), vertices[faces[:, :2]].mean(axis=1)])
        index = np.rint(self.place(edges[:, :2])).astype(int)
        inside = ((index >= 0) & (index < self.count)).all(axis=1)
        index, height = index[inside], edges[inside, 2]
        low, high = np.full((self.count, self.count), FAR), np.full((self.count, self.count), -FAR)
        np.minimum.at(low, (index[:, 0], index[:, 1]), height)
        np.maximum.at(high, (index[:, 0], index[:, 1]), height)
        return low, high


def thicken_down(low: Array, cells: int = 1) -> Array:
    """Return the lowest of each neighbourhood: nothing that stays under it can come through between grid points."""
    return minimum_filter(low, 2 * cells + 1)


def thicken_up(high: Array, cells: int = 1) -> Array:
    """Return the highest of each neighbourhood."""
    return maximum_filter(high, 2 * cells + 1)


def relax(obstacle: Array, start: Array, pull: Array | float, steps: int) -> Array:
    """Return a taut cloth over an obstacle: the smallest field >= obstacle whose points are their neighbours' mean - pull.

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
        self.field = noise_field(rng, size, size / 8, 2.0, (1.0, stretch))
        self.warp = noise_field(rng, size, size / 3, 2.5), noise_field(rng, size, size / 3, 2.5)
        self.size = size

    def at(self, xy: Array) -> Array:
        """Return the height 0..1 at ground points (..., 2) m: mostly flat, with crests."""
        return self.along(
            xy @ np.array([[np.cos(self.turn), -np.sin(self.turn)], [np.sin(self.turn), np.cos(self.turn)]])
        )

    def along(self, uv: Array) -> Array:
        """Return the height 0..1 where the ridges run along the second of the coordinates (..., 2) m."""
        index = uv / self.metres * self.size
        bent = np.stack([self._read(w, index) for w in self.warp], axis=-1)
        value = self._read(self.field, index + bent * self.size / 40)
        return np.clip(1 - np.abs(value - 0.4) / 0.9, 0, 1) ** 2

    def _read(self, field: Array, index: Array) -> Array:
        return map_coordinates(field, np.moveaxis(index, -1, 0), order=1, mode="grid-wrap")


def patch(size: Array, step: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw a piece of cloth laid flat: where its points are, (R, C, 2) m about its middle, and their uv (R, C, 2) in m.

    Corners are rounded, borders wave and the whole is a little sheared, as by hand.
    """
    rows, columns = (max(int(side / step), 8) for side in size)
    u, v = np.linspace(-1, 1, rows)[:, None], np.linspace(-1, 1, columns)[None, :]
    flat = np.stack(np.broadcast_arrays(u * size[0] / 2, v * size[1] / 2), axis=-1)
    corner = (u * v) ** 2 * np.abs(u * v) ** 4
    rounded = flat * (1 - rng.uniform(0.03, 0.12) * corner)[..., None]
    lifted = np.concatenate([flat.reshape(-1, 2), np.zeros((rows * columns, 1))], axis=1)
    shift = np.stack([solid_noise(rng, lifted, rng.uniform(0.35, 0.7), 3) for _ in range(2)], axis=1)
    shear = np.eye(2) + rng.normal(0, 0.06, (2, 2))
    border = np.maximum(np.abs(u), np.abs(v)) ** 2
    waved = rounded @ shear + shift.reshape(rows, columns, 2) * (0.018 * border)[..., None]
    return waved, flat + np.asarray(size) / 2


def cloth(ground: Array, height: Array, thickness: float, uv: Array) -> Shape:
    """Return a closed piece of cloth: its upper side at ``height`` (R, C) m over ground points (R, C, 2) m.

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
        """Find which ground points (N, 2) m it lies over, or nearly: less than ``border`` m beside it."""
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        spots = (points - self.middle) @ np.array([[cos, -sin], [sin, cos]])
        return (np.abs(spots) < self.size / 2 + border).all(axis=1)


def over_body(
    joints: dict[str, Array],
    scale: float,
    rng: np.random.Generator,
    covers: tuple[float, float] = (-0.35, 0.6),
) -> Blanket:
    """Draw a blanket over the legs, its upper border between the knees and the chest. joints: named positions (3,) m.

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
    """Draw the height (R, C) of short waves along the free borders, of the folds': a border lies flat nowhere for long."""
    inward = np.minimum(uv, blanket.size - uv).min(axis=-1) / (rng.uniform(0.05, 0.12) * scale)
    waves = Folds(rng, rng.uniform(0.035, 0.06) * scale, 1.3).at(spots)
    return 1.3 * waves * np.clip(1 - inward, 0, 1)


def _hem(uv: Array, blanket: Blanket, rng: np.random.Generator) -> Array:
    """Draw extra height (R, C) m where the upper border is folded over, on some blankets."""
    if rng.random() < 0.6:
        return np.zeros(uv.shape[:2])
    width = rng.uniform(0.06, 0.14) * blanket.size[1]
    inward = uv[..., 1] + rng.normal(0, 0.02) * uv[..., 0]
    return 1.6 * blanket.thickness * (1 - smooth_step(0.92 * width, width, inward))


@dataclass(frozen=True)
class Bedding:
    """The ground as heights: ``field`` (N, N) m over ``grid``, dents and wrinkles included."""

    grid: Grid
    field: Array

    def height(self, xy: Array) -> Array:
        """Return the height (...) m of the ground at points (..., 2) m."""
        return self.grid.sample(self.field, xy)


def press(place: Place, worn: list[tuple[Array, Array]], scale: float, rng: np.random.Generator) -> Bedding:
    """Draw the ground under a body. worn: vertices (V, 3) m and faces (F, 3) of skin and clothes; the body is at rest on
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
    """Draw heights (N, N) m of folds: at random over the cloth, and away from what presses it down; none under the body."""
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
    """Draw the surface that is seen of a mattress, mat or quilt, down to the floor, uv in m."""
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
    """Return the field with the floor beyond the edge replaced by the level of the cloth."""
    return np.where(bedding.field <= place.floor + 1e-9, 0.0, bedding.field)


def _slab(place: Place, bedding: Bedding, step: float) -> Shape:
    """Return a mattress or mat with rounded edges and straight sides."""
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
    """Return positions along one side of a slab and how far the surface has dropped there, m each, edge to edge."""
    rounding = min(rounding, 0.9 * height)
    flat = np.linspace(-width / 2 + rounding, width / 2 - rounding, max(int(width / step), 8))
    angle = np.linspace(0, np.pi / 2, 5)[1:]
    right, fall = width / 2 - rounding * (1 - np.sin(angle)), rounding * (1 - np.cos(angle))
    right, fall = np.append(right, width / 2), np.append(fall, height)
    return np.concatenate([-right[::-1], flat, right]), np.concatenate(
        [fall[::-1], np.zeros(len(flat)), fall]
    )
