"""Wrap rings round a head, hand or foot, and build small solids such as knobs and bows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from infantsynth.appearance.swatch import Swatch, solid_noise
from infantsynth.spec import Material, Mesh, face_normals

Array = np.ndarray

AROUND = 40  # points of a ring


@dataclass(frozen=True)
class Spine:
    """A straight axis with one bend, such as shin and foot; before the bend it runs along ``first``, then ``second``.

    pivot (3,) m: on the inner side of the bend, where the planes of all rings of the bend meet. first, second,
    across (3,): unit; across is at right angles to both.
    """

    pivot: Array
    first: Array
    second: Array
    across: Array

    @property
    def bend(self) -> float:
        """Angle between the two directions, rad."""
        return float(np.arccos(np.clip(self.first @ self.second, -1, 1)))

    def locate(self, points: Array) -> tuple[Array, Array]:
        """Return the coordinate along the spine (N,) and place in the ring's plane (N, 2), m; the bend is as long as its angle.

        The bend counts 1 m per rad in the coordinate: -x before it, 0..bend within it, bend + x after it.
        """
        offset = points - self.pivot
        before, after = offset @ self.first, offset @ self.second
        angle = np.arctan2(before, offset @ self._out(0.0))
        along = np.where(
            before < 0, before, np.where(after > 0, self.bend + after, np.clip(angle, 0, self.bend))
        )
        out = offset @ self._out(0.0)
        out = np.where(
            before < 0, out, np.where(after > 0, offset @ self._out(self.bend), np.hypot(before, out))
        )
        return along, np.stack([offset @ self.across, out], axis=1)

    def point(self, along: float, flat: Array) -> Array:
        """Return points (N, 3) m of places (N, 2) in the plane of the ring at ``along``."""
        turn = min(max(along, 0.0), self.bend)
        shift = self.first * min(along, 0.0) + self.second * max(along - self.bend, 0.0)
        return self.pivot + shift + flat[:, :1] * self.across + flat[:, 1:] * self._out(turn)

    def _out(self, turn: float) -> Array:
        """Return the direction in a ring's plane away from the pivot."""
        outward = np.cross(self.across, self.first)
        return np.asarray(np.cos(turn) * outward + np.sin(turn) * self.first)


def straight(origin: Array, axis: Array, across: Array) -> Spine:
    """Return a spine without a bend through ``origin``."""
    axis = axis / np.linalg.norm(axis)
    across = across - axis * (across @ axis)
    return Spine(origin, axis, axis, across / np.linalg.norm(across))


@dataclass(frozen=True)
class Rings:
    """Outlines round points: along (S,), centre (S, 2) and radius (S, AROUND) m in the planes of a spine's rings."""

    spine: Spine
    along: Array
    centre: Array
    radius: Array

    def grown(self, by: Array | float) -> "Rings":
        """Widen the rings by ``by`` m, a number or (S, AROUND)."""
        return Rings(self.spine, self.along, self.centre, self.radius + by)

    def positions(self) -> Array:
        """Return points of the rings (S, AROUND, 3) m."""
        return np.stack(
            [
                self.spine.point(float(t), centre + radius[:, None] * _directions())
                for t, centre, radius in zip(self.along, self.centre, self.radius, strict=True)
            ]
        )


def _directions() -> Array:
    turn = 2 * np.pi * np.arange(AROUND) / AROUND
    return np.stack([np.cos(turn), np.sin(turn)], axis=1)


def wrap(spine: Spine, points: Array, along: Array, reach: Array, beyond: bool = False) -> Rings:
    """Return convex outlines round ``points`` (N, 3) m at places ``along`` (S,) of a spine.

    reach (S,): how far off a ring points still count, in the spine's coordinate; beyond: all further along count.
    A place without points takes the outline of the nearest place with some.
    """
    at, flat = spine.locate(points)
    near = (at > (along - reach)[:, None]) & (beyond | (at < (along + reach)[:, None]))
    some = np.nonzero(near.sum(axis=1) > 3)[0]
    near = near[some[np.abs(np.arange(len(along))[:, None] - some).argmin(axis=1)]]
    rows = [flat[mine] for mine in near]
    centre = _blend(_blend(np.stack([(row.min(axis=0) + row.max(axis=0)) / 2 for row in rows])))
    directions = _directions()
    support = [((row - middle) @ directions.T).max(axis=0) for row, middle in zip(rows, centre, strict=True)]
    cosine = directions @ directions.T
    share = np.where(cosine > 0.2, 1 / np.maximum(cosine, 0.2), np.inf)
    radius = (np.maximum(np.stack(support), 1e-4)[:, :, None] * share).min(axis=1)
    return Rings(spine, along, centre, radius)


def closed(rings: Rings, pad: float, steps: int = 4) -> Rings:
    """Return the rings with a rounded end of ``pad`` m added at their far side."""
    turn = np.linspace(0, np.pi / 2, steps + 1)[1:]
    along = rings.along[-1] + pad * np.sin(turn)
    radius = rings.radius[-1] * np.maximum(np.cos(turn), 0.02)[:, None]
    return Rings(
        rings.spine,
        np.concatenate([rings.along, along]),
        np.concatenate([rings.centre, np.repeat(rings.centre[-1:], steps, axis=0)]),
        np.concatenate([rings.radius, radius]),
    )


def smoothed(rings: Rings, passes: int = 2) -> Rings:
    """Return outlines that change gently from ring to ring and never go inside those given."""
    radius = rings.radius
    for _ in range(passes):
        radius = _blend(radius)
        radius = np.maximum(
            rings.radius, 0.5 * radius + 0.25 * (np.roll(radius, 1, axis=1) + np.roll(radius, -1, axis=1))
        )
    return Rings(rings.spine, rings.along, rings.centre, radius)


def _blend(rows: Array) -> Array:
    padded = np.concatenate([rows[:1], rows, rows[-1:]])
    return 0.5 * rows + 0.25 * (padded[:-2] + padded[2:])


def rumple(rings: Rings, rng: np.random.Generator, height: float, wave: float) -> Rings:
    """Draw shallow folds: heights of up to about ``height`` m and ``wave`` m long; only outwards."""
    points = rings.positions()
    bumps = solid_noise(rng, points.reshape(-1, 3), wave).reshape(rings.radius.shape)
    return rings.grown(height * np.clip(0.5 + 0.5 * bumps, 0, 2))


def knit(rings: Rings, swatch: Swatch, scale: float, hem: float, body: Array) -> Mesh:
    """Return the mesh of rings, its first ring turned in by ``hem`` m to show that it is thick.

    scale: factor on the size of the cloth's tile. body (V, 3) m: the posed body that it moves with.
    """
    inner = Rings(rings.spine, rings.along[:1] + 0.3 * hem, rings.centre[:1], rings.radius[:1] - hem)
    lines = np.concatenate([inner.positions(), rings.positions()])
    lines = np.concatenate([lines, lines[:, :1]], axis=1)  # the seam has a texture coordinate on both sides
    count, around = lines.shape[:2]
    girth = np.linalg.norm(np.diff(lines, axis=1), axis=2).sum(axis=1).max()
    repeats = max(1, round(girth / (swatch.metres * scale)))
    rise = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(lines, axis=0), axis=2).mean(axis=1))])
    coords = np.empty((count, around, 2), dtype=np.float32)
    coords[..., 0] = np.linspace(0, repeats, around)
    coords[..., 1] = (rise / (swatch.metres * scale))[:, None]
    corner = (np.arange(count - 1)[:, None] * around + np.arange(around - 1)).ravel()
    right, up = corner + 1, corner + around
    faces = np.concatenate([np.stack([corner, right, up], axis=1), np.stack([right, up + 1, up], axis=1)])
    vertices = lines.reshape(-1, 3).astype(np.float32)
    if not _looks_out(vertices, faces[len(faces) // 4 :: 97], lines):
        faces = faces[:, ::-1]
    material = Material(swatch.color, swatch.roughness, 0.2, swatch.sheen, swatch.relief)
    source = cKDTree(body).query(vertices)[1].astype(np.int32)
    return Mesh(
        "garment",
        vertices,
        np.ascontiguousarray(faces, dtype=np.int32),
        material,
        coords.reshape(-1, 2),
        source,
    )


def _looks_out(vertices: Array, faces: Array, lines: Array) -> bool:
    """Check whether most of some faces (F, 3) turn away from the middle of their ring."""
    normal = face_normals(vertices, faces)
    middle = lines[:, :-1].mean(axis=1)[faces[:, 0] // lines.shape[1]]
    return bool(((vertices[faces[:, 0]] - middle) * normal).sum() > 0)


@dataclass(frozen=True)
class Solid:
    """vertices (V, 3) m and faces (F, 3) that turn outwards."""

    vertices: Array
    faces: Array

    def placed(self, rotation: Array, shift: Array) -> "Solid":
        """Turn the solid by ``rotation`` (3, 3), then move it by ``shift`` (3,) m."""
        return Solid(self.vertices @ rotation.T + shift, self.faces)

    def mesh(self, material: Material, body: Array) -> Mesh:
        """Return a worn mesh that moves with the nearest vertices of the posed body (V, 3) m; one colour, no texture."""
        source = cKDTree(body).query(self.vertices)[1].astype(np.int32)
        return Mesh(
            "garment", self.vertices.astype(np.float32), self.faces.astype(np.int32), material, None, source
        )


def ball(radii: Array, around: int = 16) -> Solid:
    """Return an ellipsoid of half-axes ``radii`` (3,) m."""
    up = np.linspace(-np.pi / 2, np.pi / 2, around // 2 + 1)
    turn = np.linspace(0, 2 * np.pi, around, endpoint=False)
    x, y = np.outer(np.cos(up), np.cos(turn)), np.outer(np.cos(up), np.sin(turn))
    points = np.stack([x, y, np.repeat(np.sin(up)[:, None], around, axis=1)], axis=-1) * radii
    return Solid(points.reshape(-1, 3), _ring_faces(len(up), around, False))


def ring(radius: float, thick: float, around: int = 24) -> Solid:
    """Return a torus about z: ``radius`` m to the middle of a tube of half-width ``thick`` m."""
    turn = np.linspace(0, 2 * np.pi, around, endpoint=False)
    tube = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    away = radius + thick * np.cos(tube)[:, None]
    points = np.stack(
        [away * np.cos(turn), away * np.sin(turn), np.repeat(thick * np.sin(tube)[:, None], around, 1)],
        axis=-1,
    )
    return Solid(points.reshape(-1, 3), _ring_faces(8, around, True))


def _ring_faces(rows: int, around: int, wraps: bool) -> Array:
    row, column = np.meshgrid(np.arange(rows if wraps else rows - 1), np.arange(around), indexing="ij")
    here, right = row * around + column, row * around + (column + 1) % around
    above, across = (row + 1) % rows * around + column, (row + 1) % rows * around + (column + 1) % around
    first, second = np.stack([here, right, across], axis=-1), np.stack([here, across, above], axis=-1)
    return np.concatenate([first.reshape(-1, 3), second.reshape(-1, 3)])


def merged(solids: Sequence[Solid]) -> Solid:
    """Join several solids into one."""
    starts = np.cumsum([0, *(len(solid.vertices) for solid in solids)])
    faces = [solid.faces + start for solid, start in zip(solids, starts, strict=False)]
    return Solid(np.concatenate([solid.vertices for solid in solids]), np.concatenate(faces))
