"""Small drawings for printed cloth: polygons of unit radius, and how they are strewn over a tile."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

Array = np.ndarray
Shape = list[tuple[Array, int]]  # polygons (N, 2), y down, within radius 1, each with the index of its colour

_TURN = np.linspace(0, 2 * np.pi, 36, endpoint=False)


def _ellipse(x: float, y: float, rx: float, ry: float, turn: float = 0.0) -> Array:
    cos, sin = np.cos(turn), np.sin(turn)
    points = np.stack([rx * np.cos(_TURN), ry * np.sin(_TURN)], axis=1)
    return points @ np.array([[cos, sin], [-sin, cos]]) + (x, y)


def dot() -> Shape:
    """A disc."""
    return [(_ellipse(0, 0, 0.9, 0.9), 0)]


def star() -> Shape:
    """Five blunt points."""
    angle = np.arange(10) * np.pi / 5 - np.pi / 2
    radius = np.where(np.arange(10) % 2 == 0, 1.0, 0.45)
    return [(np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), 0)]


def heart() -> Shape:
    """A heart."""
    x = 16 * np.sin(_TURN) ** 3
    y = 13 * np.cos(_TURN) - 5 * np.cos(2 * _TURN) - 2 * np.cos(3 * _TURN) - np.cos(4 * _TURN)
    return [(np.stack([x, -y], axis=1) / 18, 0)]


def flower() -> Shape:
    """Five petals, an eye, two leaves."""
    radius = 0.55 + 0.2 * np.cos(5 * _TURN)
    petals = np.stack([radius * np.cos(_TURN), radius * np.sin(_TURN)], axis=1)
    leaves = [(_ellipse(side * 0.68, 0.55, 0.32, 0.14, side * 0.6), 2) for side in (-1, 1)]
    return [*leaves, (petals, 0), (_ellipse(0, 0, 0.22, 0.22), 1)]


def sprig() -> Shape:
    """A twig with leaves."""
    stem = np.array([[-0.04, 1], [0.04, 1], [0.04, -0.8], [-0.04, -0.8]])
    leaves = [
        (_ellipse(side * 0.32, height, 0.32, 0.13, -side * 0.6), 1)
        for height in (0.5, 0.05, -0.4)
        for side in (-1, 1)
    ]
    return [(stem, 2), *leaves, (_ellipse(0, -0.8, 0.14, 0.25), 1)]


def bear() -> Shape:
    """A bear's head."""
    ears = [(_ellipse(side * 0.62, -0.55, 0.3, 0.3), 0) for side in (-1, 1)]
    eyes = [(_ellipse(side * 0.28, -0.08, 0.09, 0.11), 2) for side in (-1, 1)]
    return [
        *ears,
        (_ellipse(0, 0.05, 0.78, 0.7), 0),
        (_ellipse(0, 0.3, 0.32, 0.25), 1),
        *eyes,
        (_ellipse(0, 0.2, 0.1, 0.07), 2),
    ]


def rabbit() -> Shape:
    """A rabbit's head."""
    ears = [(_ellipse(side * 0.26, -0.6, 0.16, 0.42, side * 0.2), 0) for side in (-1, 1)]
    inner = [(_ellipse(side * 0.26, -0.58, 0.07, 0.28, side * 0.2), 1) for side in (-1, 1)]
    eyes = [(_ellipse(side * 0.2, 0.28, 0.06, 0.08), 2) for side in (-1, 1)]
    return [*ears, *inner, (_ellipse(0, 0.35, 0.55, 0.5), 0), *eyes, (_ellipse(0, 0.45, 0.07, 0.05), 1)]


def cloud() -> Shape:
    """A cloud."""
    puffs = ((-0.5, 0.15, 0.4), (0.0, -0.1, 0.5), (0.5, 0.15, 0.4))
    return [(_ellipse(x, y, r, r), 0) for x, y, r in puffs] + [(_ellipse(0, 0.35, 0.8, 0.22), 0)]


def fish() -> Shape:
    """A fish."""
    tail = np.array([[0.45, 0.0], [0.95, -0.4], [0.95, 0.4]])
    return [(tail, 1), (_ellipse(-0.1, 0, 0.7, 0.42), 0), (_ellipse(-0.45, -0.08, 0.09, 0.09), 2)]


def bird() -> Shape:
    """A bird."""
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


def car() -> Shape:
    """A car."""
    cabin = np.array([[-0.45, -0.05], [-0.25, -0.5], [0.3, -0.5], [0.55, -0.05]])
    hull = np.array([[-0.95, -0.05], [0.95, -0.05], [0.95, 0.35], [-0.95, 0.35]])
    wheels = [(_ellipse(side * 0.5, 0.38, 0.22, 0.22), 2) for side in (-1, 1)]
    return [(cabin, 1), (hull, 0), *wheels]


def blob() -> Shape:
    """A rounded patch as on animal prints; the same each time, turned and scaled when strewn."""
    radius = 0.7 + 0.18 * np.sin(2 * _TURN + 0.4) + 0.1 * np.sin(3 * _TURN)
    return [(np.stack([radius * np.cos(_TURN), radius * np.sin(_TURN)], axis=1), 0)]


UPRIGHT: tuple[Callable[[], Shape], ...] = (bear, rabbit, cloud, fish, bird, car)
PLANTS: tuple[Callable[[], Shape], ...] = (flower, sprig)


def strew(
    canvas: Array,
    shapes: Sequence[Shape],
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
    canvas: Array, shape: Shape, colors: Sequence[Array], centre: Array, radius: float, turn: float
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
