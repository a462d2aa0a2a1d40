"""Where a stiff piece of the body went: the rotation, size and shift from the rest pose to the posed body."""

from dataclasses import dataclass

import numpy as np

from infantsynth.appearance.anatomy import Anatomy

Array = np.ndarray


@dataclass(frozen=True)
class Frame:
    """posed = size * rotation @ rest + shift; rotation (3, 3), shift (3,) m."""

    rotation: Array
    size: float
    shift: Array

    def point(self, rest: Array) -> Array:
        """Points (..., 3) m of the template at rest to where they are on the posed body."""
        return self.size * np.asarray(rest) @ self.rotation.T + self.shift

    def direction(self, rest: Array) -> Array:
        """Directions (..., 3) of the rest pose, turned with the body; lengths stay."""
        return np.asarray(rest) @ self.rotation.T


def follow(anatomy: Anatomy, vertices: Array, chosen: Array) -> Frame:
    """The frame of the chosen vertices (V,) bool of a posed body (V, 3) m, by least squares (Umeyama 1991)."""
    rest, posed = anatomy.at.rest[chosen].astype(np.float64), np.asarray(vertices)[chosen].astype(np.float64)
    low, high = rest.mean(axis=0), posed.mean(axis=0)
    u, strength, vt = np.linalg.svd((posed - high).T @ (rest - low))
    proper = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = (u * proper) @ vt
    size = float((strength * proper).sum() / ((rest - low) ** 2).sum())
    return Frame(rotation, size, high - size * rotation @ low)
