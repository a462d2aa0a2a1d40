"""COCO-17 keypoints as weighted means of the skin, where annotators click."""

import numpy as np

from fidip.skeleton import COCO17
from fidip.synth.body.bake.source import Source

Array = np.ndarray

_OUTWARD = 0.014  # of the body's length: annotators click the hip nearer to the skin than the femoral head is
_BAND = 0.02  # of the body's length: half the height of the strip of skin beside a hip
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
        hip = names.index(f"{side}_hip")
        rows[hip] = _pulled_out(template, rows[hip], sign)
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


def _pulled_out(template: Array, row: Array, sign: float) -> Array:
    """The row of a hip moved sideways by mixing in the skin beside it."""
    point = row @ template / row.sum()
    length = float(np.ptp(template[:, 2]))
    near = (np.abs(template[:, 2] - point[2]) < _BAND * length) & (
        np.abs(template[:, 1] - point[1]) < _BAND * length
    )
    beside = near & (sign * (template[:, 0] - point[0]) > _OUTWARD * length)
    # an arm that hangs down is beside the hip too: only the skin that is nearest outward
    reach = sign * (template[:, 0] - point[0])
    beside &= reach < 0.1 * length
    patch = beside / beside.sum()
    share = _OUTWARD * length / (sign * ((patch @ template)[0] - point[0]))
    return (1 - share) * row / row.sum() + share * patch
