"""Whether a posed body sinks into itself or into what it lies on, or floats above it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from infantsynth.body import BodyModel
from infantsynth.priors.capsules import capsules_of, sinking

Array = np.ndarray

TOUCH = 0.005  # m; a vertex this close to a surface touches it


@dataclass(frozen=True)
class FloorContact:
    """Of each body, (B,): sunk: depth of the deepest vertex below the surface, m. gap: height of the lowest above it,
    m. touching: share of the vertices on or below it."""

    sunk: Array
    gap: Array
    touching: Array


def self_penetration(body: BodyModel, vertices: Array) -> Array:
    """How deep the worst pair of body parts sinks into each other, (B,) m, for posed vertices (B, V, 3) m.

    Parts are capsules, so flesh that is merely pressed together counts up to about 2 cm; what overlaps at rest does not
    count.
    """
    capsules = capsules_of(body)
    ends = capsules.ends @ torch.as_tensor(np.asarray(vertices)).to(capsules.ends)
    return sinking(ends, capsules)[0].amax(dim=1).cpu().numpy()


def floor_contact(vertices: Array, height: Callable[[Array], Array]) -> FloorContact:
    """Compare posed vertices (B, V, 3) m, z up, with a surface: ``height`` turns x, y (..., 2) m into z (...) m."""
    above = vertices[..., 2] - height(vertices[..., :2])
    lowest = above.min(axis=1)
    return FloorContact(np.maximum(-lowest, 0), np.maximum(lowest, 0), (above < TOUCH).mean(axis=1))
