"""Weave and print cloth: small drawings, prints and weaves, each a tile."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from infantsynth.appearance.swatch import NOISE_LIMIT, Swatch, flat, mix, noise_field, smooth_step

Array = np.ndarray

# polygons (N, 2), y down, within radius 1, each with the index of its colour
Drawing = list[tuple[Array, int]]
_TURN = np.linspace(0, 2 * np.pi, 36, endpoint=False)
Colors = Sequence[Array]  # ground, then what is printed or woven in; sRGB (3,)
ClothPattern = Callable[[np.random.Generator, int, Colors], Swatch]


def _ellipse(x: float, y: float, rx: float, ry: float, turn: float = 0.0) -> Array:
    cos, sin = np.cos(turn), np.sin(turn)
    points = np.stack([rx * np.cos(_TURN), ry * np.sin(_TURN)], axis=1)
    return points @ np.array([[cos, sin], [-sin, cos]]) + (x, y)


def dot() -> Drawing:
    """Return a disc."""
    return [(_ellipse(0, 0, 0.9, 0.9), 0)]


def star() -> Drawing:
    """Return five blunt points."""
    angle = np.arange(10) * np.pi / 5 - np.pi / 2
    radius = np.where(np.arange(10) % 2 == 0, 1.0, 0.45)
    return [(np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), 0)]


def heart() -> Drawing:
    """Return a heart."""
    x = 16 * np.sin(_TURN) ** 3
    y = 13 * np.cos(_TURN) - 5 * np.cos(2 * _TURN) - 2 * np.cos(3 * _TURN) - np.cos(4 * _TURN)
    return [(np.stack([x, -y], axis=1) / 18, 0)]


def flower() -> Drawing:
    """Return five petals, an eye, two leaves."""
    radius = 0.55 + 0.2 * np.cos(5 * _TURN)
    petals = np.stack([radius * np.cos(_TURN), radius * np.sin(_TURN)], axis=1)
    leaves = [(_ellipse(side * 0.68, 0.55, 0.32, 0.14, side * 0.6), 2) for side in (-1, 1)]
    return [*leaves, (petals, 0), (_ellipse(0, 0, 0.22, 0.22), 1)]


def sprig() -> Drawing:
    """Return a twig with leaves."""
    stem = np.array([[-0.04, 1], [0.04, 1], [0.04, -0.8], [-0.04, -0.8]])
    leaves = [
        (_ellipse(side * 0.32, height, 0.32, 0.13, -side * 0.6), 1)
        for height in (0.5, 0.05, -0.4)
        for side in (-1, 1)
    ]
    return [(stem, 2), *leaves, (_ellipse(0, -0.8, 0.14, 0.25), 1)]


def bear() -> Drawing:
    """Return a bear's head."""
    ears = [(_ellipse(side * 0.62, -0.55, 0.3, 0.3), 0) for side in (-1, 1)]
    eyes = [(_ellipse(side * 0.28, -0.08, 0.09, 0.11), 2) for side in (-1, 1)]
    return [
        *ears,
        (_ellipse(0, 0.05, 0.78, 0.7), 0),
        (_ellipse(0, 0.3, 0.32, 0.25), 1),
        *eyes,
        (_ellipse(0, 0.2, 0.1, 0.07), 2),
    ]


def rabbit() -> Drawing:
    """Return a rabbit's head."""
    ears = [(_ellipse(side * 0.26, -0.6, 0.16, 0.42, side * 0.2), 0) for side in (-1, 1)]
    inner = [(_ellipse(side * 0.26, -0.58, 0.07, 0.28, side * 0.2), 1) for side in (-1, 1)]
    eyes = [(_ellipse(side * 0.2, 0.28, 0.06, 0.08), 2) for side in (-1, 1)]
    return [*ears, *inner, (_ellipse(0, 0.35, 0.55, 0.5), 0), *eyes, (_ellipse(0, 0.45, 0.07, 0.05), 1)]


def cloud() -> Drawing:
    """Return a cloud."""
    puffs = ((-0.5, 0.15, 0.4), (0.0, -0.1, 0.5), (0.5, 0.15, 0.4))
    return [(_ellipse(x, y, r, r), 0) for x, y, r in puffs] + [(_ellipse(0, 0.35, 0.8, 0.22), 0)]


def fish() -> Drawing:
    """Return a fish."""
    tail = np.array([[0.45, 0.0], [0.95, -0.4], [0.95, 0.4]])
    return [(tail, 1), (_ellipse(-0.1, 0, 0.7, 0.42), 0), (_ellipse(-0.45, -0.08, 0.09, 0.09), 2)]


def bird() -> Drawing:
    """Return a bird."""
    beak = np.array([[-0.95, -0.3], [-0.6, -0.45], [-0.6, -0.2]])
    tail = np.array([[0.3, 0.1], [0.98, -0.15], [0.8, 0.3]])
    body = [(_ellipse(0, 0.15, 0.6, 0.45), 0), (_ellipse(-0.42, -0.3, 0.32, 0.3), 0)]
    return [
        (beak, 2),
        (tail, 1),
        *body,
        (_ellipse(0.15, 0.12, 0.35, 0.2, 0.4), 1),
        (_ellipse(-0.5, -0.35, 0.06, 0.06), 2),
    ]


def car() -> Drawing:
    """Return a car."""
    cabin = np.array([[-0.45, -0.05], [-0.25, -0.5], [0.3, -0.5], [0.55, -0.05]])
    hull = np.array([[-0.95, -0.05], [0.95, -0.05], [0.95, 0.35], [-0.95, 0.35]])
    wheels = [(_ellipse(side * 0.5, 0.38, 0.22, 0.22), 2) for side in (-1, 1)]
    return [(cabin, 1), (hull, 0), *wheels]


def blob() -> Drawing:
    """Return a rounded patch as on animal prints; the same each time, turned and scaled when strewn."""
    radius = 0.7 + 0.18 * np.sin(2 * _TURN + 0.4) + 0.1 * np.sin(3 * _TURN)
    return [(np.stack([radius * np.cos(_TURN), radius * np.sin(_TURN)], axis=1), 0)]


UPRIGHT: tuple[Callable[[], Drawing], ...] = (bear, rabbit, cloud, fish, bird, car)
DRAWINGS: dict[str, Callable[[], Drawing]] = {make.__name__: make for make in (star, heart, *UPRIGHT)}


PLANTS: tuple[Callable[[], Drawing], ...] = (flower, sprig)


def strew(
    canvas: Array,
    shapes: Sequence[Drawing],
    colors: Sequence[Array],
    rng: np.random.Generator,
    pitch: int,
    radius: float,
    turn: float,
    jitter: float,
) -> Array:
    """Draw shapes over a tile (S, S, 3) float 0..1 on a half-drop grid that wraps round its edges; returns a new tile.

    pitch: px between neighbours (fitted to the tile). radius: px. turn: largest rotation, rad. jitter: share of
    the pitch by which each is moved.
    """
    size = len(canvas)
    columns = max(2, 2 * round(size / pitch / 2))  # even: the half drop must meet itself at the edge
    spacing = size / columns
    drawn = np.ascontiguousarray(np.rint(np.clip(canvas, 0, 1) * 255).astype(np.uint8))
    for column in range(columns):
        for row in range(columns):
            shape = shapes[int(rng.integers(len(shapes)))]
            centre = np.array([column + 0.5, row + 0.25 + 0.5 * (column % 2)]) * spacing
            centre += rng.uniform(-jitter, jitter, 2) * spacing
            stamp(
                drawn, shape, colors, centre % size, radius * rng.uniform(0.9, 1.1), rng.uniform(-turn, turn)
            )
    return drawn.astype(np.float32) / 255


def stamp(
    canvas: Array, shape: Drawing, colors: Sequence[Array], centre: Array, radius: float, turn: float
) -> None:
    """Draw one shape into a uint8 tile (S, S, 3) in place, also beyond its edges from the other side."""
    size = len(canvas)
    cos, sin = np.cos(turn), np.sin(turn)
    rotation = np.array([[cos, sin], [-sin, cos]]) * radius
    shifts = [
        (dx, dy)
        for dx in (-size, 0, size)
        for dy in (-size, 0, size)
        if -radius < centre[0] + dx < size + radius and -radius < centre[1] + dy < size + radius
    ]
    for polygon, index in shape:
        color = tuple(float(round(c * 255)) for c in colors[index % len(colors)])
        for shift in shifts:
            points = np.rint((polygon @ rotation + centre + shift) * 16).astype(np.int32)
            cv2.fillPoly(canvas, [points], color, lineType=cv2.LINE_AA, shift=4)


def _jersey(color: Array, rng: np.random.Generator, metres: float) -> Swatch:
    """Finish a printed colour as fine knit: unevenness of yarn, no relief that a camera could see."""
    size = len(color)
    yarn = noise_field(rng, size, 2.5, 1.0)
    soft = noise_field(rng, size, 14.0, 1.5)
    light = 1 + 0.022 * yarn + 0.012 * soft
    relief = (8e-5 * yarn + 1e-4 * soft).astype(np.float32)
    return Swatch(np.clip(color * light[..., None], 0, 1).astype(np.float32), relief, metres)


def _waves(size: int, count: int) -> tuple[Array, Array]:
    """Return phases 0..1 of ``count`` repeats along x and y, (1, S) and (S, 1)."""
    phase = (np.arange(size, dtype=np.float32) * count / size) % 1
    return phase[None, :], phase[:, None]


def _repeats(rng: np.random.Generator, metres: float, low: float, high: float) -> int:
    """Count how many repeats of a length between low and high (m) fit the tile."""
    return max(1, round(metres / rng.uniform(low, high)))


def _band(phase: Array, width: float, size: int, count: int) -> Array:
    """Return 1 inside the first ``width`` of a repeat, with an edge as soft as one pixel."""
    soft = count / size
    return smooth_step(0, soft, phase) * (1 - smooth_step(width - soft, width, phase))


def plain(rng: np.random.Generator, size: int, colors: Colors) -> Swatch:
    """Draw one colour."""
    return _jersey(flat(colors[0], size), rng, 0.20)


def melange(rng: np.random.Generator, size: int, colors: Colors) -> Swatch:
    """Draw yarn of two shades: flecks along the rows."""
    flecks = noise_field(rng, size, 3.0, 0.8, (3.0, 1.0))
    share = 0.26 * smooth_step(-0.5, 2.0, flecks)
    toned = mix(flat(colors[0], size), np.asarray(colors[0]) * 0.45 + 0.12, share)
    return _jersey(toned, rng, 0.20)


def stripes(rng: np.random.Generator, size: int, colors: Colors) -> Swatch:
    """Draw horizontal stripes, even or narrow, at times of two colours."""
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
    """Draw fine vertical lines."""
    metres = 0.16
    count = _repeats(rng, metres, 0.006, 0.014)
    x, _ = _waves(size, count)
    line = np.broadcast_to(_band(x, 0.3, size, count), (size, size))
    return _jersey(mix(flat(colors[0], size), colors[1], 0.8 * line), rng, metres)


def checks(rng: np.random.Generator, size: int, colors: Colors) -> Swatch:
    """Draw gingham or plaid: bands of both directions that darken where they cross."""
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
    shapes: Sequence[Drawing],
    pitch: tuple[float, float],
    turn: float,
    jitter: float = 0.12,
    fill: tuple[float, float] = (0.22, 0.36),
) -> Swatch:
    """Draw shapes strewn over the ground; pitch: range of the distance between neighbours, m."""
    metres = 0.20
    step = rng.uniform(*pitch) * size / metres
    radius = step * rng.uniform(*fill)
    tile = strew(flat(colors[0], size), shapes, list(colors[1:]), rng, round(step), radius, turn, jitter)
    return _jersey(tile, rng, metres)


def dots(rng: np.random.Generator, size: int, colors: Colors) -> Swatch:
    """Draw spots."""
    return _printed(rng, size, colors, [dot()], (0.010, 0.035), 0.0, rng.choice([0.0, 0.25]), (0.14, 0.32))


def floral(rng: np.random.Generator, size: int, colors: Colors) -> Swatch:
    """Draw flowers and twigs, turned every way."""
    return _printed(rng, size, colors, [make() for make in PLANTS], (0.018, 0.045), np.pi, 0.2, (0.3, 0.46))


def animals(rng: np.random.Generator, size: int, colors: Colors) -> Swatch:
    """Draw one or two little drawings, upright."""
    chosen = rng.choice(len(UPRIGHT), size=rng.integers(1, 3), replace=False)
    return _printed(rng, size, colors, [UPRIGHT[i]() for i in chosen], (0.028, 0.06), 0.25, 0.1, (0.28, 0.4))


def stars(rng: np.random.Generator, size: int, colors: Colors) -> Swatch:
    """Draw stars or hearts."""
    shape = star() if rng.random() < 0.6 else heart()
    return _printed(rng, size, colors, [shape], (0.014, 0.045), 0.4, 0.15)


def blobs(rng: np.random.Generator, size: int, colors: Colors) -> Swatch:
    """Draw patches as of an animal's coat or of camouflage."""
    if rng.random() < 0.5:
        return _printed(rng, size, colors, [blob()], (0.015, 0.04), np.pi, 0.3, (0.3, 0.5))
    wave = noise_field(rng, size, size * rng.uniform(0.12, 0.25), 3.0)
    tile = mix(flat(colors[0], size), colors[1], smooth_step(0.25, 0.33, wave))
    tile = mix(tile, colors[2], smooth_step(0.9, 0.98, noise_field(rng, size, size * 0.2, 3.0)))
    return _jersey(tile, rng, 0.20)


def _raised(color: Array, height: Array, depth: float, rng: np.random.Generator, metres: float) -> Swatch:
    """Draw cloth with a relief that shows: hollows are darker. height 0..1; depth in m."""
    yarn = noise_field(rng, len(color), 3.0, 1.0)
    light = 0.86 + 0.17 * height + 0.02 * yarn
    relief = (depth * height + 5e-5 * yarn).astype(np.float32)
    return Swatch(np.clip(color * light[..., None], 0, 1).astype(np.float32), relief, metres, 0.92, 0.4)


def knit(rng: np.random.Generator, size: int, colors: Colors) -> Swatch:
    """Draw coarse stocking stitch, at times with a band of another colour."""
    metres = 0.20
    count = _repeats(rng, metres, 0.0045, 0.008)
    x, y = _waves(size, count)
    slant = np.abs(2 * x - 1)
    loop = np.sin(np.pi * ((y + 0.55 * slant) % 1)) * np.sqrt(np.abs(np.sin(2 * np.pi * x)))
    tile = flat(colors[0], size)
    if rng.random() < 0.35:
        _, broad = _waves(size, _repeats(rng, metres, 0.04, 0.1))
        tile = mix(tile, colors[1], np.broadcast_to(smooth_step(0.68, 0.72, broad), (size, size)))
    return _raised(tile, loop.astype(np.float32), 9e-4, rng, metres)


def rib(rng: np.random.Generator, size: int, colors: Colors) -> Swatch:
    """Draw vertical ribs, fine as in cuffs or as broad as corduroy."""
    metres = 0.16
    x, _ = _waves(size, _repeats(rng, metres, 0.004, 0.009))
    height = np.sqrt(np.abs(np.sin(np.pi * x)))
    return _raised(flat(colors[0], size), np.broadcast_to(height, (size, size)), 7e-4, rng, metres)


def waffle(rng: np.random.Generator, size: int, colors: Colors) -> Swatch:
    """Draw small hollows in rows."""
    metres = 0.18
    x, y = _waves(size, _repeats(rng, metres, 0.006, 0.011))
    height = np.maximum(np.abs(2 * x - 1), np.abs(2 * y - 1)) ** 3
    return _raised(flat(colors[0], size), height, 1.1e-3, rng, metres)


def muslin(rng: np.random.Generator, size: int, colors: Colors) -> Swatch:
    """Draw crinkled double gauze."""
    crinkle = 1 - np.abs(noise_field(rng, size, size * 0.06, 2.0, (1.0, 1.6))) / NOISE_LIMIT
    return _raised(flat(colors[0], size), crinkle, 1.4e-3, rng, 0.20)


def fleece(rng: np.random.Generator, size: int, colors: Colors) -> Swatch:
    """Draw soft pile."""
    pile = 0.5 + 0.5 * noise_field(rng, size, 6.0, 1.2) / NOISE_LIMIT
    return _raised(flat(colors[0], size), pile, 1.2e-3, rng, 0.18)


def denim(rng: np.random.Generator, size: int, colors: Colors) -> Swatch:
    """Draw blue twill, whatever the given colours: darker or washed out."""
    blue = np.array([0.24, 0.33, 0.48]) * rng.uniform(0.6, 1.25)
    phase = np.add.outer(np.arange(size), np.arange(size)) * (round(size / 5) / size)
    twill = 0.5 + 0.5 * np.sin(2 * np.pi * phase)
    slub = noise_field(rng, size, 4.0, 0.8, (1.0, 4.0))
    pale = np.clip(0.16 * twill + 0.07 * slub + 0.05 * noise_field(rng, size, size / 5), 0, 1)
    tile = mix(flat(blue, size), np.array([0.66, 0.71, 0.77]), pale)
    return Swatch(tile.astype(np.float32), (1.2e-4 * slub).astype(np.float32), 0.18, 0.85, 0.1)


# prints and weaves, with how often each is drawn for kind "cloth"
CLOTH: dict[str, tuple[ClothPattern, float]] = {
    "plain": (plain, 5.0),
    "melange": (melange, 2.0),
    "stripes": (stripes, 3.0),
    "pinstripes": (pinstripes, 0.7),
    "checks": (checks, 1.3),
    "dots": (dots, 1.6),
    "floral": (floral, 1.5),
    "animals": (animals, 1.5),
    "stars": (stars, 1.0),
    "blobs": (blobs, 1.0),
    "knit": (knit, 1.0),
    "rib": (rib, 1.0),
    "waffle": (waffle, 0.6),
    "muslin": (muslin, 0.6),
    "fleece": (fleece, 0.7),
    "denim": (denim, 0.5),
}
