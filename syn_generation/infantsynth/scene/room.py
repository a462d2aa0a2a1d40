"""A closed room or garden around the place: floor, four walls, skirting; nothing behind them is ever seen."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from infantsynth.appearance import TextureSource
from infantsynth.scene.furniture import clutter, curtain
from infantsynth.scene.materials import plain, surface_material
from infantsynth.scene.places import Place
from infantsynth.scene.primitives import Shape, box, surface
from infantsynth.spec import Mesh

Array = np.ndarray

HEIGHT = 4.5  # m: no camera of ours sees over such a wall from inside
_SKIRTING = 0.012  # m


@dataclass(frozen=True)
class Room:
    """Corners low and high (2,) m in axes turned by ``turn`` rad about the world's origin; floor: its height, m."""

    low: Array
    high: Array
    turn: float
    floor: float

    @property
    def rotation(self) -> Rotation:
        """From the room's axes to the world's."""
        return Rotation.from_euler("z", self.turn)


def plan_room(place: Place, inside: Array, rng: np.random.Generator) -> Room:
    """A room that holds the place and the points (N, 3) m, the camera among them; beds may stand at a wall."""
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
    """Floor, walls and what belongs to them."""
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
    """The four corners (4, 2) m in the room's axes, counterclockwise from above."""
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
