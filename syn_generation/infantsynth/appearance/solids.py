"""Small smooth solids, out of which knobs, bows and bobbles are made."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from infantsynth.spec import Material, Mesh

Array = np.ndarray


@dataclass(frozen=True)
class Solid:
    """vertices (V, 3) m and faces (F, 3) that turn outwards."""

    vertices: Array
    faces: Array

    def placed(self, rotation: Array, shift: Array) -> "Solid":
        """Turned by ``rotation`` (3, 3), then moved by ``shift`` (3,) m."""
        return Solid(self.vertices @ rotation.T + shift, self.faces)

    def mesh(self, material: Material, body: Array) -> Mesh:
        """A worn mesh that moves with the nearest vertices of the posed body (V, 3) m; one colour, no texture."""
        source = cKDTree(body).query(self.vertices)[1].astype(np.int32)
        return Mesh(
            "garment", self.vertices.astype(np.float32), self.faces.astype(np.int32), material, None, source
        )


def ball(radii: Array, around: int = 16) -> Solid:
    """An ellipsoid of half-axes ``radii`` (3,) m."""
    up = np.linspace(-np.pi / 2, np.pi / 2, around // 2 + 1)
    turn = np.linspace(0, 2 * np.pi, around, endpoint=False)
    x, y = np.outer(np.cos(up), np.cos(turn)), np.outer(np.cos(up), np.sin(turn))
    points = np.stack([x, y, np.repeat(np.sin(up)[:, None], around, axis=1)], axis=-1) * radii
    return Solid(points.reshape(-1, 3), _grid(len(up), around, False))


def ring(radius: float, thick: float, around: int = 24) -> Solid:
    """A torus about z: ``radius`` m to the middle of a tube of half-width ``thick`` m."""
    turn = np.linspace(0, 2 * np.pi, around, endpoint=False)
    tube = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    away = radius + thick * np.cos(tube)[:, None]
    points = np.stack(
        [away * np.cos(turn), away * np.sin(turn), np.repeat(thick * np.sin(tube)[:, None], around, 1)],
        axis=-1,
    )
    return Solid(points.reshape(-1, 3), _grid(8, around, True))


def _grid(rows: int, around: int, wraps: bool) -> Array:
    row, column = np.meshgrid(np.arange(rows if wraps else rows - 1), np.arange(around), indexing="ij")
    here, right = row * around + column, row * around + (column + 1) % around
    above, across = (row + 1) % rows * around + column, (row + 1) % rows * around + (column + 1) % around
    first, second = np.stack([here, right, across], axis=-1), np.stack([here, across, above], axis=-1)
    return np.concatenate([first.reshape(-1, 3), second.reshape(-1, 3)])


def merged(solids: Sequence[Solid]) -> Solid:
    """Several solids as one."""
    starts = np.cumsum([0, *(len(solid.vertices) for solid in solids)])
    faces = [solid.faces + start for solid, start in zip(solids, starts, strict=False)]
    return Solid(np.concatenate([solid.vertices for solid in solids]), np.concatenate(faces))
