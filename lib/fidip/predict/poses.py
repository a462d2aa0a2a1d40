"""People found in an image: keypoints, scores and boxes of every person, by index and by name."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fidip.drawing import draw_box, draw_pose, pen_for, write_label
from fidip.skeleton import COCO17, Skeleton

MIN_SCORE = (
    0.2  # keypoints scored lower count as not detected; the evaluation's rescoring draws the line there too
)
SUREST = 6  # keypoints that decide whether a person is there: a part of a body may be in view only


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
        joints = skeleton.num_joints
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
