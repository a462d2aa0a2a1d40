"""Boxes, crops and affine maps. Integer coordinate = pixel centre, everywhere.

A (W, H) crop and a (w, h) heatmap of it cover the same field with their outermost pixel *centres*, so
crop pixel 0..W-1 maps onto heatmap pixel 0..w-1 (equation of the published system, not the half-pixel
rule of image resizing libraries).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fidip.errors import ConfigError

Array = NDArray[np.float64]

BOX_PADDING = 1.25  # a crop is this much larger than the box, per side
HALF_BODY_PADDING = 1.5  # the same for a crop around half of the joints


def clip_box(box_xywh: ArrayLike, width: int, height: int) -> Array:
    """Clip a box (x, y, w, h) in image px to the picture, as the published loader does.

    The result spans pixel centres: its width is x2 - x1 with x2 = min(width - 1, x1 + w - 1), hence one
    pixel less than w for a box inside. Width or height below zero: the box lies outside the picture.
    """
    x, y, w, h = np.asarray(box_xywh, dtype=np.float64)
    x1, y1 = max(0.0, x), max(0.0, y)
    x2 = min(width - 1.0, x1 + max(0.0, w - 1))
    y2 = min(height - 1.0, y1 + max(0.0, h - 1))
    return np.array([x1, y1, x2 - x1, y2 - y1])


def box_center(box_xywh: ArrayLike) -> Array:
    """Centre (x, y) of a box in image px: x + (w - 1) / 2."""
    x, y, w, h = np.asarray(box_xywh, dtype=np.float64)
    return np.array([x + (w - 1) / 2, y + (h - 1) / 2])


def extend_to_aspect(extent: ArrayLike, size: tuple[int, int]) -> Array:
    """Lengthen the short side of ``extent`` (w, h) to the aspect ratio of ``size`` (W, H)."""
    w, h = np.asarray(extent, dtype=np.float64)
    aspect = size[0] / size[1]
    return np.array([max(w, h * aspect), max(h, w / aspect)])


def similarity(center: ArrayLike, width: float, size: tuple[int, int], rotation: float = 0.0) -> Array:
    """Map image px to the px of a (W, H) picture; returns (2, 3).

    ``center`` (x, y) goes to ((W-1)/2, (H-1)/2); ``width`` image px, measured between pixel centres as
    width - 1, go to W - 1. ``rotation`` in degrees: the direction that was turned by it, (x cos r - y sin r,
    x sin r + y cos r), becomes upright. Equal to the three-point construction of the published system.
    """
    radians = np.deg2rad(rotation)
    cos, sin = np.cos(radians), np.sin(radians)
    scale = (size[0] - 1) / (width - 1)
    linear = scale * np.array([[cos, sin], [-sin, cos]])
    offset = (np.array(size) - 1) / 2 - linear @ np.asarray(center, dtype=np.float64)
    return np.column_stack([linear, offset])


def crop_matrix(
    box_xywh: ArrayLike, size: tuple[int, int], rotation: float = 0.0, scale: float = 1.0
) -> Array:
    """Affine map (2, 3) from image px to crop px for a box (x, y, w, h) in image px.

    The box is extended to the aspect of ``size`` (W, H), padded by 1.25, and multiplied by ``scale``
    (> 1 shows more surroundings). ``rotation`` in degrees as in ``similarity``.
    """
    box = np.asarray(box_xywh, dtype=np.float64)
    extent = extend_to_aspect(box[2:], size) * BOX_PADDING * scale
    return similarity(box_center(box), extent[0], size, rotation)


def heatmap_matrix(size: tuple[int, int], heatmap_size: tuple[int, int]) -> Array:
    """Affine map (2, 3) from crop px (size W, H) to heatmap px: centre on centre, one scale for x and y."""
    return similarity((np.array(size) - 1) / 2, size[0], heatmap_size)


def compose(outer: Array, inner: Array) -> Array:
    """The (2, 3) map that applies ``inner`` first, then ``outer``."""
    return outer @ np.vstack([inner, [0.0, 0.0, 1.0]])


def invert(matrix: ArrayLike) -> Array:
    """Inverse of affine maps (..., 2, 3)."""
    matrix = np.asarray(matrix, dtype=np.float64)
    linear = np.linalg.inv(matrix[..., :2])
    offset = -linear @ matrix[..., 2:]
    return np.concatenate([linear, offset], axis=-1)


def transform(matrix: ArrayLike, xy: ArrayLike) -> Array:
    """Apply affine maps (..., 2, 3) to points (..., K, 2)."""
    matrix = np.asarray(matrix, dtype=np.float64)
    xy = np.asarray(xy, dtype=np.float64)
    return xy @ np.swapaxes(matrix[..., :2], -1, -2) + matrix[..., None, :, 2]


def flip_x(xy: ArrayLike, width: int) -> Array:
    """Mirror points (..., 2) of a picture that is ``width`` px wide: x -> width - 1 - x."""
    xy = np.array(xy, dtype=np.float64)
    xy[..., 0] = width - 1 - xy[..., 0]
    return xy


def whole_frame(width: int, height: int) -> Array:
    """Return the box whose crop just shows a image of this size, letter-boxed: smaller by what a crop is padded."""
    extent = np.array([width, height]) / BOX_PADDING
    low = (np.array([width, height]) - extent) / 2
    return np.array([*low, *extent])


def cut(box: np.ndarray, width: int, height: int) -> Array:
    """Return the part of a box (x, y, w, h) that lies in a image of this size; w or h <= 0: none does."""
    low = np.maximum(box[:2], 0)
    high = np.minimum(box[:2] + box[2:], [width, height])
    return np.array([*low, *(high - low)])


def overlap(a: np.ndarray, b: np.ndarray) -> Array:
    """Compute the intersection over union of boxes (x, y, w, h): (N, 4), (M, 4) -> (N, M)."""
    a, b = np.reshape(a, (-1, 1, 4)).astype(float), np.reshape(b, (1, -1, 4)).astype(float)
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    shared = np.clip(high - low, 0, None).prod(axis=-1)
    return shared / np.maximum(a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - shared, 1e-9)


def inside(box: ArrayLike, width: int, height: int) -> bool:
    """Tell whether a box has a part in a image of this size that can be cropped."""
    return bool(min(cut(np.asarray(box, dtype=np.float64), width, height)[2:]) > 1)


def parse_box(text: str) -> Array:
    """Read "x,y,w,h" in image px. Raises ConfigError for anything else, or a box without a size."""
    try:
        box = np.array([float(number) for number in text.split(",")])
    except ValueError:
        box = np.zeros(0)
    if box.shape != (4,) or not np.isfinite(box).all() or min(box[2:]) <= 1:
        raise ConfigError(f"box {text!r} must be x,y,w,h: four numbers in px, w and h above 1")
    return box
