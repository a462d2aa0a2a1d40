"""Boxes around poses, boxes given by hand, and whose of several boxes is the infant's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fidip.errors import ConfigError
from fidip.geometry import Array
from fidip.predict.poses import SUREST, Poses

POSE_PADDING = 1.25  # a person reaches beyond the joints: hands, feet, the top of the head
# A box around a pose keeps this part of its last size at least, up to so many times what the pose needs:
SHRINK, LOOSE = 0.8, 3.0  # who is looked at closer
HOLD, LOOSEST = 0.98, 2.0  # who is followed: nobody shrinks at once, but poses that miss limbs do
YIELD = 0.25  # share of the way to the middle of its pose that a followed box goes in a frame
LEAST_SIDE = 16.0  # px

RULES = ("all", "largest", "smallest", "region", "track:ID")

Choice = Callable[[Poses], Poses]


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


def choice(rule: str, region: np.ndarray | None = None) -> Choice:
    """Return the rule as a function from the persons of a frame to those that are kept.

    Args:
        rule: "all", "largest" or "smallest" (area of the box), "region" (the one whose box lies most in ``region``;
            nobody outside it) or "track:3" (that identity).
        region: x, y, w, h, image px.

    Raises:
        ConfigError: for another rule, and for "region" without a region.
    """
    if rule == "all":
        return lambda poses: poses
    if rule in ("largest", "smallest"):
        sign = 1 if rule == "largest" else -1
        return lambda poses: _best(poses, [sign * float(np.prod(box[2:])) for box in poses.boxes])
    if rule == "region":
        if region is None:
            raise ConfigError("choosing by region needs --region x,y,w,h")
        return lambda poses: _best(poses, [_within(box, region) for box in poses.boxes], above=0.0)
    kind, _, number = rule.partition(":")
    if kind == "track" and number.isdecimal():
        return lambda poses: poses.take(poses.track == int(number))
    raise ConfigError(f"unknown choice {rule!r}; choose from {', '.join(RULES)}, e.g. track:0")


def _best(poses: Poses, values: Sequence[float], above: float = -np.inf) -> Poses:
    """The person of the highest value, the first of equals; nobody whose value is not above ``above``."""
    best = int(np.argmax(values)) if values else -1
    return poses.take([best] if values and values[best] > above else [])


def _within(box: np.ndarray, region: np.ndarray) -> float:
    """Share of a box that lies in the region, 0..1."""
    low = np.maximum(box[:2], region[:2])
    high = np.minimum(box[:2] + box[2:], region[:2] + region[2:])
    return float(np.clip(high - low, 0, None).prod() / max(np.prod(box[2:]), 1e-9))
