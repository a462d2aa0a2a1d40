"""Boxes in a picture: the whole of it, around a pose, given by hand."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fidip.errors import ConfigError
from fidip.geometry import BOX_PADDING, Array

POSE_PADDING = 1.25  # a person reaches beyond the joints: hands, feet, the top of the head
# A box around a pose keeps this part of its last size at least, up to so many times what the pose needs:
SHRINK, LOOSE = 0.8, 3.0  # who is looked at closer
HOLD, LOOSEST = 0.98, 2.0  # who is followed: nobody shrinks at once, but poses that miss limbs do
YIELD = 0.25  # share of the way to the middle of its pose that a followed box goes in a frame
LEAST_SIDE = 16.0  # px
SUREST = 6  # keypoints that decide whether a person is there: a part of a body may be in view only


@dataclass(frozen=True)
class Candidate:
    """A place to look for a person.

    Attributes:
        box: x, y, w, h, image px.
        box_from: "given", "detector", "track", "previous" or "frame".
        track: whose box it is; -1: nobody's yet.
        turn: degrees by which the crop is turned, as in ``fidip.geometry.similarity``.
    """

    box: Array
    box_from: str
    track: int = -1
    turn: float = 0.0


def whole_frame(width: int, height: int) -> Array:
    """The box whose crop just shows a picture of this size, letter-boxed: smaller by what a crop is padded."""
    extent = np.array([width, height]) / BOX_PADDING
    low = (np.array([width, height]) - extent) / 2
    return np.array([*low, *extent])


def presence(score: np.ndarray) -> float:
    """Mean of the ``SUREST`` highest scores (K,): how sure it is that a person is there, though parts may be hidden."""
    return float(np.sort(score)[-SUREST:].mean()) if len(score) else 0.0


def person_box(xy: np.ndarray, score: np.ndarray, threshold: float) -> Array:
    """Box (x, y, w, h) around the keypoints (K, 2) scored ``threshold`` or more, padded; all image px.

    With fewer than four such keypoints, the ``SUREST`` ones with the highest scores count.
    """
    sure = xy[score >= threshold]
    if len(sure) < 4:
        sure = xy[np.argsort(-score, kind="stable")[:SUREST]]
    extent = _padded(sure)
    return np.array([*((sure.min(axis=0) + sure.max(axis=0) - extent) / 2), *extent])


def pose_box(xy: np.ndarray, score: np.ndarray, threshold: float, last: np.ndarray) -> Array:
    """Box (x, y, w, h) around the joints (K, 2) scored ``threshold`` or more, padded; all image px.

    last: the box that the pose was found in; where it was larger, the new one is at least ``SHRINK`` times as
    large or ``LOOSE`` times as large as the pose needs, and without two such joints it is the result.
    """
    sure, last = xy[score >= threshold], np.asarray(last, dtype=np.float64)
    if len(sure) < 2:
        return last
    extent = _padded(sure)
    extent = np.maximum(extent, np.minimum(last[2:] * SHRINK, LOOSE * extent))
    return np.array([*((sure.min(axis=0) + sure.max(axis=0) - extent) / 2), *extent])


def followed_box(xy: np.ndarray, score: np.ndarray, threshold: float, last: np.ndarray) -> Array:
    """Box (x, y, w, h) to look in next for who was found in the box ``last`` with joints (K, 2); all image px.

    It lags behind the pose, whose single errors would else carry it away: its size shrinks by ``HOLD`` at most and
    its middle goes ``YIELD`` of the way, or as far as it takes to hold all joints scored ``threshold`` or more.
    Joints scored lower keep it from closing in on the others, but never make it larger than it was.
    """
    sure, last = xy[score >= threshold], np.asarray(last, dtype=np.float64)
    if len(sure) < 2:
        return last
    unsure = np.clip(xy[(score > 0) & (score < threshold)], last[:2], last[:2] + last[2:])
    joints = np.concatenate([sure, unsure])
    least = np.minimum(last[2:] * HOLD, LOOSEST * _padded(sure))
    extent = np.maximum(_padded(sure), np.maximum(least, np.minimum(_padded(joints), last[2:])))
    before = last[:2] + last[2:] / 2
    middle = before + YIELD * ((joints.min(axis=0) + joints.max(axis=0)) / 2 - before)
    middle = np.clip(middle, sure.max(axis=0) - extent / 2, sure.min(axis=0) + extent / 2)
    return np.array([*(middle - extent / 2), *extent])


def _padded(joints: np.ndarray) -> Array:
    """Width and height around joints (N, 2) and what of a person reaches beyond them."""
    return np.maximum(np.ptp(joints, axis=0) * POSE_PADDING, LEAST_SIDE)


def cut(box: np.ndarray, width: int, height: int) -> Array:
    """The part of a box (x, y, w, h) that lies in a picture of this size; w or h <= 0: none does."""
    low = np.maximum(box[:2], 0)
    high = np.minimum(box[:2] + box[2:], [width, height])
    return np.array([*low, *(high - low)])


def overlap(a: np.ndarray, b: np.ndarray) -> Array:
    """Intersection over union of boxes (x, y, w, h): (N, 4), (M, 4) -> (N, M)."""
    a, b = np.reshape(a, (-1, 1, 4)).astype(float), np.reshape(b, (1, -1, 4)).astype(float)
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    shared = np.clip(high - low, 0, None).prod(axis=-1)
    return shared / np.maximum(a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - shared, 1e-9)


def parse_box(text: str) -> Array:
    """Read "x,y,w,h" in image px. Raises ConfigError for anything else, or a box without a size."""
    try:
        box = np.array([float(number) for number in text.split(",")])
    except ValueError:
        box = np.zeros(0)
    if box.shape != (4,) or not np.isfinite(box).all() or min(box[2:]) <= 1:
        raise ConfigError(f"box {text!r} must be x,y,w,h: four numbers in px, w and h above 1")
    return box


def inside(box: Sequence[float] | np.ndarray, width: int, height: int) -> bool:
    """Whether a box has a part in a picture of this size that can be cropped."""
    return bool(min(cut(np.asarray(box, dtype=np.float64), width, height)[2:]) > 1)
