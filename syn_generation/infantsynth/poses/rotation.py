"""Orientations of whole bodies: proper uniform ones, and the sweep of the published renderer."""

import numpy as np
from scipy.spatial.transform import Rotation

Array = np.ndarray

LEGACY_STEPS = 10  # pictures that the published renderer made of each body
_LEGACY_SIGNS = np.array([1.0, -1.0, -1.0])


def uniform_rotation(rng: np.random.Generator) -> Array:
    """Axis-angle (3,) rad of an orientation drawn uniformly from SO(3): a normal quaternion (Marsaglia 1972)."""
    return Rotation.from_quat(rng.normal(size=4)).as_rotvec()


def legacy_rotation(root: Array, step: int) -> Array:
    """The published sweep: ``step`` x pi/11 added to the components of the root's axis-angle (3,) rad as (+, -, -).

    No composition of rotations, and far from uniform: kept to make pictures as the published ones.
    """
    return root + step * np.pi / 11 * _LEGACY_SIGNS


def compose(first: Array, then: Array) -> Array:
    """Axis-angle (3,) rad of the rotation ``first`` followed by ``then``."""
    return (Rotation.from_rotvec(then) * Rotation.from_rotvec(first)).as_rotvec()
