"""COCO-17 keypoints as weighted means of the skin, where annotators click."""

import numpy as np

from fidip.skeleton import COCO17
from infantsynth.body.bake.source import Source

Array = np.ndarray

# of the body's length, by which annotators click outward of and above the centre of a joint
_HIP_OUT, _HIP_UP, _SHOULDER_OUT = 0.014, 0.02, 0.012
_BAND = 0.02  # of the body's length: half the height of a strip of skin
_BESIDE = 0.1  # of the body's length: an arm that hangs down is beside the hip too, but farther
_LEAST = 1e-4  # weights under this are noise


def coco_regressor(source: Source, template: Array, mirror: Array) -> Array:
    """Weights (17, V), rows sum to 1, mirror-symmetric.

    template (V, 3) m at rest; mirror (V,): the vertex on the other side of each one.
    """
    rows = source.keypoints.copy()
    names = list(COCO17.names)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        ear = source.regions["ears"] * (sign * template[:, 0] > 0)
        rows[names.index(f"{side}_ear")] = ear
        hip, shoulder = names.index(f"{side}_hip"), names.index(f"{side}_shoulder")
        rows[hip] = _raised(template, _pulled_out(template, rows[hip], sign, _HIP_OUT), _HIP_UP)
        rows[shoulder] = _pulled_out(template, rows[shoulder], sign, _SHOULDER_OUT)
    swap = np.arange(len(names))
    for first, second in COCO17.flip_pairs:
        swap[first], swap[second] = second, first
    rows = (rows + rows[swap][:, mirror]) / 2
    rows[rows < _LEAST * rows.max(axis=1, keepdims=True)] = 0
    return rows / rows.sum(axis=1, keepdims=True)


def mirror_vertices(template: Array) -> Array:
    """For each vertex (V, 3) the one nearest to its mirror image: (V,). Raises ValueError when there is none."""
    flipped = template * (-1.0, 1.0, 1.0)
    order = np.empty(len(template), dtype=np.int64)
    for start in range(0, len(template), 1000):
        part = flipped[start : start + 1000]
        squared = (part**2).sum(axis=1)[:, None] + (template**2).sum(axis=1) - 2 * part @ template.T
        order[start : start + 1000] = squared.argmin(axis=1)
    miss = np.linalg.norm(template[order] - flipped, axis=1).max()
    if miss > 1e-3 * np.ptp(template[:, 2]):
        raise ValueError(f"the body is not symmetric: a vertex has no partner within {miss:.4f} m")
    return order


def _pulled_out(template: Array, row: Array, sign: float, by: float) -> Array:
    """The row of a joint moved sideways, ``by`` times the body's length, by mixing in the skin beside it."""
    away, length = template - row @ template / row.sum(), float(np.ptp(template[:, 2]))
    reach = sign * away[:, 0] / length
    beside = (np.abs(away[:, 1:]) < _BAND * length).all(axis=1) & (reach > by) & (reach < _BESIDE)
    return _mixed(row, beside, reach, by)


def _raised(template: Array, row: Array, by: float) -> Array:
    """The row of a joint moved up, ``by`` times the body's length, by mixing in the skin above it, front and back."""
    away, length = template - row @ template / row.sum(), float(np.ptp(template[:, 2]))
    rise = away[:, 2] / length
    above = (np.abs(away[:, 0]) < _BAND * length) & (np.abs(rise - 4 * by) < _BAND)
    return _mixed(row, above, rise, by)


def _mixed(row: Array, patch: Array, reach: Array, by: float) -> Array:
    """Weights of a joint, and of a patch of skin so far that the mean of ``reach`` (V,) becomes ``by``."""
    share = by / reach[patch].mean()
    return (1 - share) * row / row.sum() + share * patch / patch.sum()
