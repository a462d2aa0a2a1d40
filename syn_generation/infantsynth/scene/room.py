"""Build the room or garden: floor, walls, furniture, a caregiver's arm."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial.transform import Rotation

from infantsynth.appearance.textures import TextureSource
from infantsynth.scene.places import Place
from infantsynth.scene.shapes import Shape, box, cushion, joined, plain, surface, surface_material, tube
from infantsynth.spec import Mesh

Array = np.ndarray

HEIGHT = 4.5  # m: no camera of ours sees over such a wall from inside
_SKIRTING = 0.012  # m


def crib_rails(place: Place, open_side: Array, rng: np.random.Generator) -> list[Mesh]:
    """Draw bars around a mattress; now and then the side towards ``open_side`` (2,) is let down."""
    assert place.size is not None  # noqa: S101 - a crib has a size
    half = place.size / 2 + 0.025
    above, below, gap = rng.uniform(0.3, 0.55), place.floor + 0.1, rng.uniform(0.07, 0.1)
    radius, post = rng.uniform(0.006, 0.012), rng.uniform(0.02, 0.035)
    towards = place.local(place.shift + open_side)
    lowered = rng.random() < 0.85
    parts: list[Shape] = []
    for axis in (0, 1):
        for sign in (-1.0, 1.0):
            facing = np.argmax(np.abs(towards / half)) == axis and np.sign(towards[axis]) == sign
            top = -0.12 if facing and lowered else above
            line = np.arange(-half[1 - axis] + gap, half[1 - axis] - gap / 2, gap)
            parts += [_bar(axis, sign * half[axis], along, below, top, radius) for along in line]
            for height in (below, top):
                ends = np.zeros((2, 3))
                ends[:, axis], ends[:, 1 - axis], ends[:, 2] = (
                    sign * half[axis],
                    (-half[1 - axis], half[1 - axis]),
                    height,
                )
                parts.append(tube(ends, 1.6 * radius, 10))
    for x in (-half[0], half[0]):
        for y in (-half[1], half[1]):
            tall = above + 0.02 - place.floor
            parts.append(box(np.array([post, post, tall])).moved([x, y, place.floor + tall / 2]))
    frame = joined(parts)
    ground = place.world(frame.vertices[:, :2])
    wood = rng.random() < 0.5
    color = (
        np.array([0.72, 0.55, 0.36]) * rng.uniform(0.55, 1.25)
        if wood
        else np.full(3, rng.uniform(0.75, 0.95))
    )
    placed = Shape(np.column_stack([ground, frame.vertices[:, 2]]), frame.faces, frame.uv)
    return [placed.mesh("room", plain(color, 0.45, 0.4))]


def _bar(axis: int, across: float, along: float, below: float, top: float, radius: float) -> Shape:
    ends = np.zeros((2, 3))
    ends[:, axis], ends[:, 1 - axis], ends[:, 2] = across, along, (below, top)
    return tube(ends, radius, 8)


def handhold(
    hands: Array, floor: float, front: Array, rng: np.random.Generator, textures: TextureSource
) -> list[Mesh]:
    """Draw a low table or sofa edge in front of a standing child, its top just below the hands (2, 3) m.

    front: (2,) unit direction in which the child looks.
    """
    top = float(hands[:, 2].min()) - 0.035
    depth, width = rng.uniform(0.3, 0.5), rng.uniform(0.6, 1.2)
    near = float((hands[:, :2] @ front).min()) - 0.03
    middle = hands[:, :2].mean(axis=0)
    middle = middle + front * (near + depth / 2 - middle @ front)
    turn = Rotation.from_euler("z", float(np.arctan2(front[1], front[0])))
    size = np.array([depth, width, top - floor])
    if rng.random() < 0.5:
        material, metres = surface_material("wood", rng, textures)
        shape = box(size)
    else:
        material, metres = surface_material("cloth", rng, textures)
        shape = cushion(size, 0.15, 20)
    return [shape.moved([*middle, floor + size[2] / 2], turn).mesh("toy", material, metres)]


def clutter(
    low: Array, high: Array, floor: float, rng: np.random.Generator, textures: TextureSource
) -> list[Mesh]:
    """Draw boxes, baskets and images along the walls of a room from ``low`` to ``high`` (2,) m."""
    meshes = []
    for _ in range(int(rng.integers(0, 5))):
        axis, end = int(rng.integers(2)), int(rng.integers(2))
        spot = rng.uniform(low, high)
        size = rng.uniform((0.25, 0.25, 0.3), (0.9, 0.5, 1.4))
        wall = (low, high)[end][axis]
        sign = 1 if end == 0 else -1
        if rng.random() < 0.4:  # an image or a window frame on the wall
            size = np.array([rng.uniform(0.3, 0.8), 0.03, rng.uniform(0.3, 0.7)])
            height = floor + rng.uniform(0.9, 1.5)
        else:
            height = floor + size[2] / 2
        spot[axis] = wall + sign * (size[1] / 2 + 0.01)
        turn = Rotation.from_euler("z", np.pi / 2 if axis == 0 else 0.0)
        kind = str(rng.choice(["wood", "cloth", "plain", "animals"]))
        material, metres = surface_material(kind, rng, textures)
        meshes.append(box(size).moved([*spot, height], turn).mesh("room", material, metres))
    return meshes


def curtain(
    start: Array, end: Array, floor: float, height: float, rng: np.random.Generator, textures: TextureSource
) -> Mesh:
    """Draw cloth that hangs in waves from ``start`` to ``end`` (2,) m along a wall."""
    count = 120
    share = np.linspace(0, 1, count)
    along = end - start
    across = np.array([-along[1], along[0]]) / max(float(np.linalg.norm(along)), 1e-9)
    wave = 0.03 * np.sin(
        2 * np.pi * share * np.linalg.norm(along) / 0.16 + 2 * np.sin(9 * share + rng.uniform(0, 6))
    )
    line = start + share[:, None] * along + wave[:, None] * across
    levels = np.linspace(floor + 0.02, floor + height, 12)
    points = np.empty((12, count, 3))
    points[..., :2], points[..., 2] = line, levels[:, None]
    material, metres = surface_material("sheet", rng, textures)
    return surface(points).mesh("room", material, metres)


def caregiver_arm(
    target: Array, towards: Array, scale: float, rng: np.random.Generator, textures: TextureSource
) -> list[Mesh]:
    """Draw a grown-up's hand at ``target`` (3,) m that comes from the direction ``towards`` (3,), arm and trunk, as tubes."""
    out = np.asarray(towards, dtype=np.float64) / np.linalg.norm(towards)
    side = np.cross(out, [0.0, 0.0, 1.0])
    side = side / max(float(np.linalg.norm(side)), 1e-9)
    up = np.cross(side, out)
    wrist = target + 0.13 * out + 0.02 * up
    palm = tube(np.stack([wrist, target + 0.05 * out]), np.array([0.027, 0.036]), 16)
    fingers = [
        tube(
            np.stack(
                [
                    target + 0.06 * out + side * s,
                    target + 0.015 * out + 1.25 * side * s - 0.004 * up,
                    target - 0.03 * out + 1.3 * side * s - 0.022 * up,
                ]
            ),
            np.array([0.0105, 0.0098, 0.008]),
            10,
        )
        for s in (-0.028, -0.009, 0.010, 0.028)
    ]
    thumb = tube(
        np.stack([target + 0.09 * out + 0.03 * side, target + 0.035 * out + 0.062 * side - 0.01 * up]),
        np.array([0.012, 0.009]),
        10,
    )
    flat = np.array([out[0], out[1], 0.0]) / max(float(np.hypot(out[0], out[1])), 1e-9)
    shoulder = target + rng.uniform(0.38, 0.5) * flat + [0.0, 0.0, rng.uniform(0.32, 0.45)]
    elbow = (wrist + shoulder) / 2 + [0.0, 0.0, -0.05] + rng.normal(0, 0.03, 3)
    skin = np.array([0.87, 0.68, 0.56]) * rng.uniform(0.35, 1.08) ** np.array([0.8, 1.0, 1.15])
    sleeve, metres = surface_material("cloth", rng, textures)
    arm = tube(np.stack([wrist - 0.01 * out, wrist + 0.09 * out]), np.array([0.026, 0.034]), 16)
    cuff = tube(
        np.stack([wrist + 0.08 * out, (wrist + elbow) / 2, elbow, shoulder]),
        np.array([0.042, 0.05, 0.058, 0.075]),
        18,
    )
    neck = shoulder + 0.16 * flat + 0.1 * side
    hips = np.array([*(neck + rng.uniform(0.1, 0.25) * flat)[:2], target[2] - 0.05])
    trunk = tube(np.stack([neck, (neck + hips) / 2, hips]), np.array([0.13, 0.155, 0.17]), 24)
    hand = joined([palm, arm, thumb, *fingers])
    return [hand.mesh("toy", plain(skin, 0.55, 0.35)), joined([cuff, trunk]).mesh("toy", sleeve, metres)]


@dataclass(frozen=True)
class Room:
    """Corners low and high (2,) m in axes turned by ``turn`` rad about the world's origin; floor: its height, m."""

    low: Array
    high: Array
    turn: float
    floor: float

    @cached_property
    def rotation(self) -> Rotation:
        """From the room's axes to the world's."""
        return Rotation.from_euler("z", self.turn)


def plan_room(place: Place, inside: Array, rng: np.random.Generator) -> Room:
    """Draw a room that holds the place and the points (N, 3) m, the camera among them; beds may stand at a wall."""
    turn = place.turn if place.size is not None and rng.random() < 0.8 else rng.uniform(-np.pi, np.pi)
    turned = Rotation.from_euler("z", -turn)
    spots = turned.apply(inside)[:, :2]
    low, high = spots.min(axis=0), spots.max(axis=0)
    if place.size is not None:
        corners = place.world(np.array([[x, y] for x in (-0.5, 0.5) for y in (-0.5, 0.5)]) * place.size)
        flat = turned.apply(np.column_stack([corners, np.zeros(4)]))[:, :2]
        low, high = np.minimum(low, flat.min(axis=0)), np.maximum(high, flat.max(axis=0))
    widest = (2.5, 5.0) if place.kind.outdoors else (0.12, 1.6)
    at_wall = 0.06 if place.name in ("crib", "bed") and rng.random() < 0.5 else None
    margins = rng.uniform(*widest, size=4)
    if at_wall is not None:
        margins[rng.integers(4)] = at_wall
    return Room(low - margins[:2], high + margins[2:], float(turn), place.floor)


def build_room(room: Room, place: Place, rng: np.random.Generator, textures: TextureSource) -> list[Mesh]:
    """Draw floor, walls and what belongs to them."""
    floor, metres = surface_material(place.floor_surface, rng, textures)
    meshes = [_plane(room, room.low, room.high).mesh("room", floor, metres)]
    if place.kind.outdoors:
        hedge, metres = surface_material("grass" if rng.random() < 0.5 else "wood", rng, textures)
        return meshes + [_wall(room, side).mesh("room", hedge, metres) for side in range(4)]
    wall, metres = surface_material("wall", rng, textures)
    accent, accent_metres = surface_material("wall", rng, textures) if rng.random() < 0.3 else (wall, metres)
    marked = int(rng.integers(4))
    for side in range(4):
        material, size = (accent, accent_metres) if side == marked else (wall, metres)
        meshes.append(_wall(room, side).mesh("room", material, size))
    skirting = plain(np.full(3, rng.uniform(0.55, 0.92)) * rng.uniform(0.9, 1.0, 3), 0.45, 0.4)
    height = rng.uniform(0.05, 0.12)
    meshes += [_strip(room, side, height).mesh("room", skirting) for side in range(4)]
    meshes += [_into_world(room, mesh) for mesh in clutter(room.low, room.high, room.floor, rng, textures)]
    if rng.random() < 0.3:
        start, end = room.low + np.array([0.3, 0.06]), np.array([room.high[0] - 0.3, room.low[1] + 0.06])
        if end[0] - start[0] > 0.4:
            meshes.append(_into_world(room, curtain(start, end, room.floor, 2.3, rng, textures)))
    return meshes


def _into_world(room: Room, mesh: Mesh) -> Mesh:
    turned = room.rotation.apply(mesh.vertices).astype(np.float32)
    return Mesh(mesh.kind, turned, mesh.faces, mesh.material, mesh.uv, mesh.source, mesh.smooth)


def _corners(room: Room) -> Array:
    """Return the four corners (4, 2) m in the room's axes, counterclockwise from above."""
    (x0, y0), (x1, y1) = room.low, room.high
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


def _plane(room: Room, low: Array, high: Array) -> Shape:
    points = np.array([[[low[0], low[1]], [low[0], high[1]]], [[high[0], low[1]], [high[0], high[1]]]])
    flat = np.concatenate([points, np.full((2, 2, 1), room.floor)], axis=-1)
    return surface(flat, smooth=False).moved(np.zeros(3), room.rotation)


def _wall(room: Room, side: int) -> Shape:
    corners = _corners(room)
    a, b = corners[side], corners[(side + 1) % 4]
    bottom, top = room.floor - 0.01, room.floor + HEIGHT
    points = np.array([[[*a, bottom], [*b, bottom]], [[*a, top], [*b, top]]])
    return surface(points, smooth=False).moved(np.zeros(3), room.rotation)


def _strip(room: Room, side: int, height: float) -> Shape:
    corners = _corners(room)
    a, b = corners[side], corners[(side + 1) % 4]
    length = float(np.linalg.norm(b - a))
    middle = np.array([*(a + b) / 2, room.floor + height / 2])
    turn = Rotation.from_euler("z", float(np.arctan2(b[1] - a[1], b[0] - a[0])))
    strip = box(np.array([length, 2 * _SKIRTING, height]))
    return strip.moved(middle, turn).moved(np.zeros(3), room.rotation)
