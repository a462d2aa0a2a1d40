"""People found in an image, by index and by name; the boxes around them, and which of them is the infant."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fidip.drawing import draw_box, draw_pose, pen_for, write_label
from fidip.errors import ConfigError
from fidip.geometry import Array
from fidip.skeleton import COCO17, Skeleton

MIN_SCORE = (
    0.2  # keypoints scored lower count as not detected; the evaluation's rescoring draws the line there too
)
SUREST = 6  # keypoints that decide whether a person is there: a part of a body may be in view only
POSE_PADDING = 1.25  # a person reaches beyond the joints: hands, feet, the top of the head
# A box around a pose keeps this part of its last size at least, up to so many times what the pose needs:
SHRINK, LOOSE = 0.8, 3.0  # who is looked at closer
HOLD, LOOSEST = 0.98, 2.0  # who is followed: nobody shrinks at once, but poses that miss limbs do
YIELD = 0.25  # share of the way to the middle of its pose that a followed box goes in a frame
LEAST_SIDE = 16.0  # px

RULES = ("all", "largest", "smallest", "region", "track:ID")


def _none() -> np.ndarray:
    return np.zeros(0)


@dataclass(frozen=True)
class Poses:
    """The persons found in one image, or in one frame of a video.

    Attributes:
        keypoints: (N, K, 2) x and y, image px; integers are pixel centres.
        scores: (N, K), 0..1; a keypoint below 0.2 counts as not detected.
        boxes: (N, 4) x, y, w, h of the crop that each pose was found in, image px.
        skeleton: names, left-right pairs and limbs of the K keypoints.
        index: number of the frame, from 0.
        time: of presentation, in s.
        name: file name; empty for frames of a video.
        track: (N,) identities, 0 and up.
        box_from: N times "given", "detector", "track", "previous" or "frame".
        turn: (N,) degrees by which each crop was turned.
        filled: (N, K) True for keypoints that were put in by gap filling.
        others: number of further persons that a search of the whole image saw.
    """

    keypoints: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    skeleton: Skeleton = field(default=COCO17)
    index: int = 0
    time: float = 0.0
    name: str = ""
    track: np.ndarray = field(default_factory=_none)
    box_from: tuple[str, ...] = ()
    turn: np.ndarray = field(default_factory=_none)
    filled: np.ndarray = field(default_factory=_none)
    others: int = 0

    def __post_init__(self) -> None:
        count = len(self.keypoints)
        defaults = {
            "track": np.arange(count),
            "box_from": ("given",) * count,
            "turn": np.zeros(count),
            "filled": np.zeros(np.shape(self.scores), dtype=bool),
        }
        for name, value in defaults.items():
            if len(getattr(self, name)) != count or not count:
                object.__setattr__(self, name, value)

    @classmethod
    def nobody(cls, skeleton: Skeleton, **frame: Any) -> "Poses":
        """Make Poses of no person; ``frame``: index, time, name."""
        joints = len(skeleton.names)
        return cls(np.zeros((0, joints, 2)), np.zeros((0, joints)), np.zeros((0, 4)), skeleton, **frame)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the K keypoints."""
        return self.skeleton.names

    def __len__(self) -> int:
        return len(self.keypoints)

    def __iter__(self) -> Iterator["Poses"]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: str | int) -> Any:
        """Select by name or by person.

        Returns:
            For a keypoint's name: (N, 3) x, y (image px) and score. For an index: the Poses of that person alone.

        Raises:
            KeyError: for an unknown name.
            IndexError: for a person who is not there.
        """
        if isinstance(key, str):
            if key not in self.names:
                raise KeyError(f"no keypoint {key!r}; choose from {', '.join(self.names)}")
            k = self.names.index(key)
            return np.column_stack([self.keypoints[:, k], self.scores[:, k]])
        return self.take([range(len(self))[key]])

    def take(self, rows: Sequence[int] | np.ndarray) -> "Poses":
        """Select persons by their numbers, in that order, or by a mask (N,)."""
        chosen = np.arange(len(self))[np.asarray(rows, dtype=None if len(rows) else int)]
        arrays = ("keypoints", "scores", "boxes", "track", "turn", "filled")
        values: dict[str, Any] = {name: getattr(self, name)[chosen] for name in arrays}
        return replace(self, box_from=tuple(self.box_from[i] for i in chosen), **values)

    def joined(self, others: Sequence["Poses"]) -> "Poses":
        """Add the persons of others, in order; index, time and name stay."""
        every = [self, *others]
        arrays = ("keypoints", "scores", "boxes", "track", "turn", "filled")
        values: dict[str, Any] = {
            name: np.concatenate([getattr(one, name) for one in every]) for name in arrays
        }
        return replace(self, box_from=tuple(box for one in every for box in one.box_from), **values)

    @property
    def known(self) -> np.ndarray:
        """Keypoints (N, K) that have a place, detected or filled in; score 0 without a filling means none."""
        return (self.scores > 0) | self.filled

    def seen(self, min_score: float = MIN_SCORE) -> np.ndarray:
        """Return which keypoints (N, K) the network saw: scored ``min_score`` at least, and above 0; not filled in."""
        return (self.scores >= min_score) & (self.scores > 0) & ~self.filled

    def mean_scores(self) -> np.ndarray:
        """Return the mean score (N,) of the keypoints that were seen, 0 without any: what persons are ranked by."""
        return np.array(
            [
                scores[seen].mean() if seen.any() else 0.0
                for scores, seen in zip(self.scores, self.seen(), strict=True)
            ]
        )

    def draw(self, image: np.ndarray, boxes: bool = False, min_score: float = MIN_SCORE) -> np.ndarray:
        """Draw the poses on a copy of an image: left yellow, right red, undetected keypoints hollow.

        Where nobody was found, the image says so.

        Args:
            image: RGB uint8 (H, W, 3).
            boxes: draw the boxes too, numbered where there are several persons.
            min_score: keypoints scored lower are hollow; so are those that were filled in.
        """
        canvas = np.ascontiguousarray(image).copy()
        pen = pen_for(canvas.shape)
        if not len(self):
            write_label(canvas, "nobody found", (0, 0), pen)
        seen, known = self.seen(min_score), self.known
        for i, track in enumerate(self.track.tolist()):
            if boxes:
                label = f"person {track + 1}" if len(self) > 1 or track > 0 else ""
                draw_box(canvas, self.boxes[i], pen, label)
            draw_pose(canvas, self.keypoints[i], seen[i], known[i] & ~seen[i], pen, self.skeleton)
        return canvas

    def to_coco(self, image_id: int = 0) -> list[dict[str, Any]]:
        """Convert to COCO keypoint results, one record per person; scores are the third numbers."""
        rows = np.concatenate([self.keypoints, self.scores[..., None]], axis=2).round(4)
        return [
            {
                "image_id": image_id,
                "category_id": 1,
                "keypoints": row.ravel().tolist(),
                "score": float(row[:, 2].mean()),
            }
            for row in rows
        ]

    def to_dataframe(self) -> Any:
        """Convert to a pandas DataFrame with columns person, joint, x, y, score; needs pandas."""
        import pandas

        persons, joints = len(self), len(self.names)
        return pandas.DataFrame(
            {
                "person": np.repeat(np.arange(persons), joints),
                "joint": list(self.names) * persons,
                "x": self.keypoints[..., 0].ravel(),
                "y": self.keypoints[..., 1].ravel(),
                "score": self.scores.ravel(),
            }
        )


def presence(score: np.ndarray) -> float:
    """Average the ``SUREST`` highest scores of (K,): how sure it is that a person is there, though parts may be hidden."""
    return float(np.sort(score)[-SUREST:].mean()) if len(score) else 0.0


def sureness(pose: Poses) -> float:
    """Average all scores of one person: a network that takes the trunk for the whole child says so by low ones."""
    return float(np.mean(pose.scores))


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


Choice = Callable[[Poses], Poses]


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
