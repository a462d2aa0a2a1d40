"""Build simple closed surfaces with texture coordinates, and their materials."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from infantsynth.appearance.textures import TextureSource
from infantsynth.spec import Material, Mesh

Array = np.ndarray

_SIZE = {"grass": 384, "carpet": 384}  # px of a tile; others 320
_GLOSS = {"wood": 0.4, "tile": 0.45}  # specular


@dataclass(frozen=True)
class Shape:
    """vertices (V, 3) m, faces (F, 3) turned outward, uv (V, 2) in m, smooth: shaded as round."""

    vertices: Array
    faces: Array
    uv: Array
    smooth: bool = True

    def moved(self, shift: Array | Sequence[float], turn: Rotation | None = None) -> "Shape":
        """Turn the shape about the origin, then shift it by (3,) m."""
        turned = self.vertices if turn is None else turn.apply(self.vertices)
        return replace(self, vertices=turned + np.asarray(shift))

    def scaled(self, factors: Array | float) -> "Shape":
        """Stretch the shape about the origin by one factor or three."""
        return replace(self, vertices=self.vertices * factors, uv=self.uv * float(np.mean(factors)))

    def mesh(self, kind: str, material: Material, metres: float = 1.0) -> Mesh:
        """Make a mesh of the scene; ``metres``: side of the material's tile."""
        return Mesh(
            kind,
            self.vertices.astype(np.float32),
            self.faces.astype(np.int32),
            material,
            (self.uv / metres).astype(np.float32),
            smooth=self.smooth,
        )


def joined(shapes: list[Shape]) -> Shape:
    """Join several shapes into one."""
    starts = np.cumsum([0] + [len(s.vertices) for s in shapes[:-1]])
    return Shape(
        np.concatenate([s.vertices for s in shapes]),
        np.concatenate([s.faces + start for s, start in zip(shapes, starts, strict=True)]),
        np.concatenate([s.uv for s in shapes]),
        shapes[0].smooth,
    )


def lattice(rows: int, columns: int) -> Array:
    """Return faces (2 (rows - 1) (columns - 1), 3) of a grid of vertices, row by row.

    They look along the cross product of the direction of growing rows with that of growing columns.
    """
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    return np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])


def surface(points: Array, smooth: bool = True) -> Shape:
    """Return a grid of points (R, C, 3) m as a surface; uv are the lengths along its middle row and column."""
    rows, columns = points.shape[:2]
    down = np.linalg.norm(np.diff(points[:, columns // 2], axis=0), axis=1)
    along = np.linalg.norm(np.diff(points[rows // 2], axis=0), axis=1)
    v, u = np.concatenate([[0], np.cumsum(down)]), np.concatenate([[0], np.cumsum(along)])
    uv = np.stack(np.broadcast_arrays(u[None], v[:, None]), axis=-1)
    return Shape(points.reshape(-1, 3), lattice(rows, columns), uv.reshape(-1, 2), smooth)


def revolved(profile: Array, count: int = 32) -> Shape:
    """Return a profile (P, 2) of radius and height m, from the bottom up, turned about z."""
    angle = np.linspace(0, 2 * np.pi, count + 1)
    radius, height = profile[:, 0:1], np.broadcast_to(profile[:, 1:2], (len(profile), count + 1))
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=-1)
    return surface(points.transpose(1, 0, 2))


def sphere(radius: float, count: int = 24) -> Shape:
    """Build a sphere about the origin."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, count // 2 + 1)
    return revolved(radius * np.stack([np.cos(angle), np.sin(angle)], axis=1), count)


def ring(radius: float, thickness: float, count: int = 36) -> Shape:
    """Return a torus about z: radius of its middle line and of its tube, m."""
    around, across = np.linspace(0, 2 * np.pi, count + 1), np.linspace(0, 2 * np.pi, count // 2 + 1)
    reach = radius + thickness * np.cos(across)
    points = np.stack(
        [
            np.cos(around)[:, None] * reach,
            np.sin(around)[:, None] * reach,
            np.broadcast_to(thickness * np.sin(across), (count + 1, count // 2 + 1)),
        ],
        axis=-1,
    )
    return surface(points)


def cushion(size: Array, roundness: float, count: int = 24) -> Shape:
    """Return a superellipsoid of size (3,) m about the origin: roundness 1 an ellipsoid, 0.2 nearly a box."""
    longitude, latitude = (
        np.linspace(-np.pi, np.pi, 2 * count + 1),
        np.linspace(-np.pi / 2, np.pi / 2, count + 1),
    )

    def power(x: Array) -> Array:
        return np.sign(x) * np.abs(x) ** roundness

    points = np.stack(
        [
            power(np.cos(longitude))[:, None] * power(np.cos(latitude)),
            power(np.sin(longitude))[:, None] * power(np.cos(latitude)),
            np.broadcast_to(power(np.sin(latitude)), (2 * count + 1, count + 1)),
        ],
        axis=-1,
    )
    return surface(points * np.asarray(size) / 2)


def box(size: Array) -> Shape:
    """Return a cuboid of size (3,) m about the origin with sharp edges; uv in m on each side."""
    sides = []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            u, v = (axis + 1) % 3, (axis + 2) % 3
            corner = np.zeros((2, 2, 3))
            corner[..., axis] = sign
            corner[..., u] = np.array([-1.0, 1.0])[:, None] * sign
            corner[..., v] = np.array([-1.0, 1.0])[None, :]
            sides.append(surface(corner * np.asarray(size) / 2, smooth=False))
    return joined(sides)


def tube(path: Array, radius: Array | float, count: int = 12) -> Shape:
    """Return a round tube along points (N, 3) m with radius (N,) or one, m, closed by round caps."""
    radius = np.broadcast_to(np.asarray(radius, dtype=np.float64), len(path))
    first, last = path[0] - path[1], path[-1] - path[-2]
    caps = np.linspace(np.pi / 2, 0, 5)[:-1]
    head = [
        (path[0] + first / np.linalg.norm(first) * radius[0] * np.sin(a), radius[0] * np.cos(a)) for a in caps
    ]
    tail = [
        (path[-1] + last / np.linalg.norm(last) * radius[-1] * np.sin(a), radius[-1] * np.cos(a))
        for a in caps[::-1]
    ]
    centres = np.array([c for c, _ in head] + list(path) + [c for c, _ in tail])
    radii = np.array([r for _, r in head] + list(radius) + [r for _, r in tail])
    along = np.gradient(centres, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    side = np.cross(
        along, np.array([0.0, 0, 1.0]) if np.abs(along[:, 2]).max() < 0.98 else np.array([1.0, 0.1, 0.0])
    )
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(along, side)
    angle = np.linspace(0, 2 * np.pi, count + 1)[:, None, None]
    points = centres + radii[:, None] * (np.cos(angle) * side + np.sin(angle) * other)
    return surface(points)


def surface_material(kind: str, rng: np.random.Generator, textures: TextureSource) -> tuple[Material, float]:
    """Draw a material for a kind of surface (see ``appearance.KINDS``), and the side of its tile in m."""
    _, swatch = textures.swatch(kind, rng, _SIZE.get(kind, 320))
    return Material(
        swatch.color, swatch.roughness, _GLOSS.get(kind, 0.2), swatch.sheen, swatch.relief
    ), swatch.metres


def plain(
    color: Sequence[float] | Array, roughness: float = 0.5, specular: float = 0.4, sheen: float = 0.0
) -> Material:
    """Return one colour, sRGB (3,) 0..1."""
    return Material(np.clip(np.asarray(color, dtype=np.float32), 0.02, 0.98), roughness, specular, sheen)


def toy_color(rng: np.random.Generator) -> Array:
    """Draw plastic, painted wood or plush: bright, pastel or natural, sRGB (3,)."""
    style = rng.random()
    hue = rng.random()
    angles = 2 * np.pi * (hue + np.array([0.0, 1 / 3, 2 / 3]))
    pure = 0.5 + 0.5 * np.cos(angles)
    if style < 0.45:
        return np.clip(0.12 + 0.75 * pure * rng.uniform(0.8, 1.1), 0, 1)
    if style < 0.8:
        return np.clip(0.62 + 0.3 * pure + rng.normal(0, 0.03, 3), 0, 1)
    return np.clip(np.array([0.72, 0.58, 0.42]) * rng.uniform(0.6, 1.25) + rng.normal(0, 0.03, 3), 0, 1)
