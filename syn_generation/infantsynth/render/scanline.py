"""Scan conversion: the nearest triangle at each pixel centre, vectorised over all spans of all triangles."""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray

SLACK = 1e-9  # px; a pixel centre this close to an edge belongs to the triangles of both sides: no seam leaks
CHUNK = 1 << 17  # pixels drawn at once: few enough to stay near the processor
NOTHING = -1


@dataclass(frozen=True)
class Spans:
    """Runs of pixels of one triangle in one row; all (S,).

    triangle: index; first: index of the first pixel in the picture; length: px; value and slope: nearness
    (1 / depth, linear in the picture) at the first pixel and its growth per pixel.
    """

    triangle: Array
    first: Array
    length: Array
    value: Array
    slope: Array

    def __getitem__(self, part: slice) -> "Spans":
        return Spans(
            self.triangle[part], self.first[part], self.length[part], self.value[part], self.slope[part]
        )


def nearest(corners: Array, nearness: Array, width: int, height: int) -> Array:
    """Index of the nearest triangle at each pixel centre, (height * width,) int64, -1 for none.

    corners: (T, 3, 2) px. nearness: (T, 3) 1 / depth, > 0. Where triangles are equally near, the first wins.
    """
    best = np.zeros(width * height)
    winner = np.full(width * height, NOTHING, dtype=np.int64)
    spans = _spans(corners, nearness, width, height)
    limits = nearness.min(axis=1), nearness.max(axis=1)
    ends = np.cumsum(spans.length)
    cuts = np.unique(np.searchsorted(ends, np.arange(0, ends[-1] if len(ends) else 0, CHUNK)[1:]))
    for begin, end in zip([0, *cuts], [*cuts, len(ends)], strict=True):
        _draw(spans[begin:end], limits, best, winner)
    return winner


def _draw(spans: Spans, limits: tuple[Array, Array], best: Array, winner: Array) -> None:
    """Enter the pixels of some spans into the nearest values and triangles so far, in place."""
    span = np.repeat(np.arange(len(spans.length)), spans.length)
    step = np.arange(len(span)) - np.repeat(np.cumsum(spans.length) - spans.length, spans.length)
    pixel = spans.first[span] + step
    value = spans.value[span] + step * spans.slope[span]
    low, high = limits[0][spans.triangle], limits[1][spans.triangle]
    value = np.clip(value, low[span], high[span])  # the plane of a triangle seen edge-on is badly conditioned
    ahead = value > best[pixel]
    pixel, value, span = pixel[ahead], value[ahead], span[ahead]
    np.maximum.at(best, pixel, value)
    won = np.flatnonzero(value == best[pixel])[::-1]  # of equals, the first is written last and stays
    winner[pixel[won]] = spans.triangle[span[won]]


def _spans(corners: Array, nearness: Array, width: int, height: int) -> Spans:
    which = _with_centres(corners, width, height)
    order = np.argsort(corners[which, :, 1], axis=1)
    points = np.take_along_axis(corners[which], order[..., None], axis=1)
    depths = np.take_along_axis(nearness[which], order, axis=1)
    low = np.maximum(np.ceil(points[:, 0, 1] - SLACK), 0).astype(np.int64)
    rows = np.minimum(np.floor(points[:, 2, 1] + SLACK), height - 1).astype(np.int64) - low + 1
    local = np.repeat(np.arange(len(which)), rows)
    y = low[local] + np.arange(len(local)) - np.repeat(np.cumsum(rows) - rows, rows)
    left, right = _bounds(points, local, y.astype(np.float64))
    start = np.maximum(np.ceil(left - SLACK), 0).astype(np.int64)
    stop = np.minimum(np.floor(right + SLACK), width - 1).astype(np.int64)
    full = np.flatnonzero(stop >= start)
    local, y, start, stop = local[full], y[full], start[full], stop[full]
    across, down = _gradient(points, depths)
    corner = points[local, 0]
    value = depths[local, 0] + (start - corner[:, 0]) * across[local] + (y - corner[:, 1]) * down[local]
    return Spans(which[local], y * width + start, stop - start + 1, value, across[local])


def _with_centres(corners: Array, width: int, height: int) -> Array:
    """Indices of triangles whose surrounding box holds a pixel centre of the picture, and that have an area."""
    low, high = corners.min(axis=1) - SLACK, corners.max(axis=1) + SLACK
    first, last = np.maximum(np.ceil(low), 0), np.minimum(np.floor(high), [width - 1, height - 1])
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
    return np.flatnonzero((last >= first).all(axis=1) & (area > 0))


def _bounds(points: Array, triangle: Array, y: Array) -> tuple[Array, Array]:
    """Where rows y (S,) enter and leave triangles whose corners ``points`` (T, 3, 2) go from top to bottom.

    An edge is always walked from its upper end, so that both triangles of a shared edge find the same place.
    """
    (top, middle, bottom) = np.moveaxis(points, 1, 0)
    lower = (y >= middle[triangle, 1]) & (bottom[:, 1] > middle[:, 1])[triangle]
    y = np.clip(y, top[triangle, 1], bottom[triangle, 1])
    long = _at(top, bottom, triangle, y)
    short = np.where(lower, _at(middle, bottom, triangle, y), _at(top, middle, triangle, y))
    return np.minimum(long, short), np.maximum(long, short)


def _at(a: Array, b: Array, triangle: Array, y: Array) -> Array:
    """Where edges from a down to b (T, 2) cross rows y (S,)."""
    fall = b[:, 1] - a[:, 1]
    slope = (b[:, 0] - a[:, 0]) / np.where(fall > 0, fall, 1) * (fall > 0)
    return a[triangle, 0] + (y - a[triangle, 1]) * slope[triangle]


def _gradient(points: Array, values: Array) -> tuple[Array, Array]:
    """Growth per px to the right and down, each (T,), of values (T, 3) that are linear over triangles (T, 3, 2)."""
    a, b = points[:, 1] - points[:, 0], points[:, 2] - points[:, 0]
    p, q = values[:, 1] - values[:, 0], values[:, 2] - values[:, 0]
    area = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return (p * b[:, 1] - q * a[:, 1]) / area, (q * a[:, 0] - p * b[:, 0]) / area
