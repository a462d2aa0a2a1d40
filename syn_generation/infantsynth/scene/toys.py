"""Make things that lie about: balls, blocks, rings, cups, books, bottles, soft animals and pillows."""

from collections.abc import Callable

import numpy as np
from scipy.spatial.transform import Rotation

from infantsynth.appearance.textures import TextureSource
from infantsynth.scene.shapes import (
    Shape,
    box,
    cushion,
    joined,
    lattice,
    plain,
    revolved,
    ring,
    sphere,
    surface_material,
    toy_color,
    tube,
)
from infantsynth.spec import Material, Mesh

Array = np.ndarray
Piece = tuple[Shape, Material, float]  # shape standing on z = 0, material, side of the material's tile in m
Maker = Callable[[np.random.Generator, TextureSource], list[Piece]]


def _plastic(rng: np.random.Generator) -> Material:
    return plain(toy_color(rng), float(rng.uniform(0.2, 0.6)), float(rng.uniform(0.3, 0.6)))


def _ball(rng: np.random.Generator, textures: TextureSource) -> list[Piece]:
    radius = rng.uniform(0.025, 0.075)
    body = sphere(radius).moved([0, 0, radius])
    if rng.random() < 0.4:
        material, metres = surface_material("cloth", rng, textures)
        return [(body, material, metres)]
    return [(body, _plastic(rng), 1.0)]


def _block(rng: np.random.Generator, size: float) -> Shape:
    side = size * rng.uniform(0.9, 1.1, 3)
    return cushion(side, 0.12, 10).moved([0, 0, side[2] / 2])


def _blocks(rng: np.random.Generator, _: TextureSource) -> list[Piece]:
    size, pieces = rng.uniform(0.035, 0.06), []
    for i in range(int(rng.integers(1, 5))):
        spot = np.array([*rng.normal(0, 1.4 * size, 2), 0]) if i else np.zeros(3)
        pieces.append((_block(rng, size).moved(spot, _heading(rng)), _plastic(rng), 1.0))
    if rng.random() < 0.4:
        pieces.append((_block(rng, size).moved([0, 0, size * 1.05], _heading(rng)), _plastic(rng), 1.0))
    return pieces


def _rings(rng: np.random.Generator, _: TextureSource) -> list[Piece]:
    pieces: list[Piece] = []
    height, radius, tube_radius = 0.0, rng.uniform(0.04, 0.06), rng.uniform(0.010, 0.014)
    for _i in range(int(rng.integers(1, 5))):
        pieces.append((ring(radius, tube_radius).moved([0, 0, height + tube_radius]), _plastic(rng), 1.0))
        height, radius = height + 2 * tube_radius, radius * 0.87
    if len(pieces) > 1:
        cone = revolved(np.array([[0.0, 0], [0.014, 0], [0.012, height + 0.03], [0.0, height + 0.04]]), 20)
        pieces.append((cone, _plastic(rng), 1.0))
    return pieces


def _cup(rng: np.random.Generator, _: TextureSource) -> list[Piece]:
    radius, height, wall = rng.uniform(0.03, 0.045), rng.uniform(0.05, 0.1), 0.003
    outline = [
        [0, 0],
        [0.8 * radius, 0],
        [radius, height],
        [radius - wall, height],
        [0.78 * radius, wall],
        [0, wall],
    ]
    cup = revolved(np.array(outline), 28)
    if rng.random() < 0.4:  # upside down
        return [(cup.moved([0, 0, height], Rotation.from_euler("x", np.pi)), _plastic(rng), 1.0)]
    return [(cup, _plastic(rng), 1.0)]


def _bottle(rng: np.random.Generator, _: TextureSource) -> list[Piece]:
    radius, height = rng.uniform(0.025, 0.032), rng.uniform(0.11, 0.16)
    body = revolved(
        np.array([[0, 0], [radius, 0.002], [radius, 0.8 * height], [0.8 * radius, height], [0, height]]), 24
    )
    teat = [
        [0.8 * radius, height],
        [0.85 * radius, 1.12 * height],
        [0.3 * radius, 1.2 * height],
        [0.22 * radius, 1.4 * height],
        [0.0, 1.43 * height],
    ]
    milk, cap = plain((0.93, 0.92, 0.88), 0.25, 0.6), _plastic(rng)
    lying = Rotation.from_euler("y", np.pi / 2)
    return [
        (shape.moved([0, 0, radius], lying), m, 1.0)
        for shape, m in ((body, milk), (revolved(np.array(teat), 20), cap))
    ]


def _rattle(rng: np.random.Generator, _: TextureSource) -> list[Piece]:
    radius, length = rng.uniform(0.018, 0.03), rng.uniform(0.07, 0.11)
    handle = tube(np.array([[0, 0, radius], [length, 0, 0.6 * radius]]), 0.007)
    return [
        (sphere(radius).moved([0, 0, radius]), _plastic(rng), 1.0),
        (handle, _plastic(rng), 1.0),
        (ring(0.02, 0.006, 24).moved([length + 0.02, 0, 0.006]), _plastic(rng), 1.0),
    ]


def _pacifier(rng: np.random.Generator, _: TextureSource) -> list[Piece]:
    shield = cushion(np.array([0.042, 0.032, 0.006]), 0.8, 14).moved([0, 0, 0.012])
    return [
        (shield, _plastic(rng), 1.0),
        (sphere(0.009, 16).moved([0, 0, 0.022]), plain((0.75, 0.62, 0.4), 0.3, 0.5), 1.0),
        (ring(0.014, 0.0025, 24).moved([0.008, 0, 0.004]), _plastic(rng), 1.0),
    ]


def _book(rng: np.random.Generator, textures: TextureSource) -> list[Piece]:
    size = np.array([rng.uniform(0.12, 0.2), rng.uniform(0.12, 0.22), rng.uniform(0.01, 0.025)])
    material, metres = surface_material(
        str(rng.choice(["animals", "stars", "dots", "stripes"])), rng, textures
    )
    cover = [box(np.array([size[0], size[1], 0.003])).moved([0, 0, z]) for z in (0.0015, size[2] - 0.0015)]
    pages = box(size - [0.006, 0.006, 0.005]).moved([0, 0, size[2] / 2])
    return [(joined(cover), material, metres), (pages, plain((0.9, 0.88, 0.82), 0.8, 0.1), 1.0)]


def _animal(rng: np.random.Generator, textures: TextureSource) -> list[Piece]:
    """Draw a soft animal that lies on its back: rounded body, head, ears, four limbs."""
    size = rng.uniform(0.06, 0.13)
    fur, metres = surface_material(str(rng.choice(["fleece", "knit", "plain"])), rng, textures)
    snout = plain(toy_color(rng), 0.9, 0.1, 0.3)
    dark = plain((0.05, 0.04, 0.04), 0.3, 0.5)
    ball = sphere(1.0, 20)
    ear_length = rng.uniform(0.16, 0.6)
    parts = [ball.scaled(size * np.array([0.5, 0.62, 0.42])).moved([0, 0, 0.42 * size])]
    parts.append(ball.scaled(0.4 * size).moved([0, 0.9 * size, 0.42 * size]))
    for sign in (-1, 1):
        parts.append(
            ball.scaled(size * np.array([0.15, ear_length, 0.09])).moved(
                [0.3 * sign * size, (1.15 + 0.6 * ear_length) * size, 0.42 * size]
            )
        )
        for y, reach in ((0.45, 0.75), (-0.5, 0.6)):
            limb = ball.scaled(size * np.array([0.36, 0.17, 0.17]))
            parts.append(
                limb.moved([sign * reach * size, y * size, 0.25 * size], Rotation.from_euler("z", sign * y))
            )
    face = [(ball.scaled(0.17 * size).moved([0, 0.86 * size, 0.76 * size]), snout, 1.0)]
    eyes = [
        ball.scaled(0.045 * size).moved([sign * 0.16 * size, 1.02 * size, 0.74 * size]) for sign in (-1, 1)
    ]
    nose = ball.scaled(0.05 * size).moved([0, 0.88 * size, 0.92 * size])
    return [(joined(parts), fur, metres), *face, (joined([*eyes, nose]), dark, 1.0)]


def _pillow(rng: np.random.Generator, textures: TextureSource) -> list[Piece]:
    size = np.array([rng.uniform(0.3, 0.5), rng.uniform(0.25, 0.4), rng.uniform(0.05, 0.11)])
    shape = cushion(size, 0.42, 28)
    flat = np.abs(shape.vertices[:, :2] / (size[:2] / 2)).max(axis=1)
    # thin towards its seams
    pinched = shape.vertices * np.stack([np.ones_like(flat)] * 2 + [1 - 0.75 * flat**4], axis=1)
    material, metres = surface_material("sheet", rng, textures)
    return [(Shape(pinched + np.array([0, 0, 0.42 * size[2]]), shape.faces, shape.uv), material, metres)]


def _muslin(rng: np.random.Generator, textures: TextureSource) -> list[Piece]:
    """Draw a crumpled cloth."""
    count, size = 34, rng.uniform(0.14, 0.26)
    line = np.linspace(-1, 1, count)
    x, y = np.meshgrid(line, line, indexing="ij")
    height = np.zeros_like(x)
    for _ in range(14):
        direction = rng.normal(size=2)
        height += np.abs(
            np.sin(direction[0] * 4 * x + direction[1] * 4 * y + rng.uniform(0, 6))
        ) * rng.uniform(0.3, 1)
    swirl = 1 - 0.35 * np.sin(3 * x + rng.uniform(0, 6)) * np.cos(3 * y + rng.uniform(0, 6))
    border = np.clip(1.5 - np.hypot(x, y), 0.05, 1)
    points = np.stack(
        [0.5 * size * x * swirl, 0.5 * size * y * swirl, 0.006 + 0.02 * size * height * border], axis=-1
    )
    uv = np.stack([x, y], axis=-1).reshape(-1, 2) * size / 2
    material, metres = surface_material(str(rng.choice(["muslin", "waffle", "plain"])), rng, textures)
    return [(Shape(points.reshape(-1, 3), lattice(count, count), uv), material, metres)]


MAKERS: dict[str, tuple[Maker, float]] = {
    "ball": (_ball, 1.5),
    "blocks": (_blocks, 1.4),
    "rings": (_rings, 1.0),
    "cup": (_cup, 0.8),
    "bottle": (_bottle, 0.7),
    "rattle": (_rattle, 0.9),
    "pacifier": (_pacifier, 0.6),
    "book": (_book, 0.8),
    "animal": (_animal, 1.8),
    "pillow": (_pillow, 0.7),
    "muslin": (_muslin, 0.8),
}


def _heading(rng: np.random.Generator) -> Rotation:
    return Rotation.from_euler("z", rng.uniform(-np.pi, np.pi))


def make_toy(name: str, rng: np.random.Generator, textures: TextureSource) -> list[Piece]:
    """Draw the parts of a toy of MAKERS, standing on z = 0 about the origin, turned at random."""
    turn = _heading(rng)
    parts = MAKERS[name][0](rng, textures)
    down = np.array([0.0, 0.0, -min(shape.vertices[:, 2].min() for shape, _, _ in parts)])
    return [(shape.moved(down, turn), material, metres) for shape, material, metres in parts]


def scatter(
    rng: np.random.Generator,
    count: int,
    height: Callable[[Array], Array],
    occupied: Array,
    reach: float,
    textures: TextureSource,
) -> tuple[list[Mesh], list[str]]:
    """Put toys about the body where nothing is in their way. occupied: (V, 3) m, dense; reach: how far out, m.

    Each stands on the highest ground below it, so that it neither floats over nor cuts into a smooth ground by
    more than the ground rises below it. Returns meshes and the names of what found a place.
    """
    names, weights = list(MAKERS), np.array([weight for _, weight in MAKERS.values()])
    meshes, placed, taken = [], [], occupied
    for _ in range(count):
        name = names[rng.choice(len(names), p=weights / weights.sum())]
        parts = make_toy(name, rng, textures)
        outline = np.concatenate([shape.vertices for shape, _, _ in parts])
        radius = float(np.linalg.norm(outline[:, :2], axis=1).max())
        for _attempt in range(8):
            spot = rng.uniform(-reach, reach, 2)
            nearest = np.linalg.norm(taken[:, :2] - spot, axis=1).min()
            if nearest > radius + 0.015:
                break
        else:
            continue
        levels = height(outline[outline[:, 2] < 0.01 + outline[:, 2].min(), :2] + spot)
        if np.ptp(levels) > 0.03:  # over the edge of a bed
            continue
        shift = np.array([*spot, float(np.median(levels)) - 0.001])
        meshes += [shape.moved(shift).mesh("toy", material, metres) for shape, material, metres in parts]
        taken = np.concatenate([taken, outline[::7] + shift])
        placed.append(name)
    return meshes, placed
