"""Poses found in one image: keypoints, scores and boxes of every person, by index and by name."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fidip.predict.frames import Frame, Person
from fidip.predict.overlay import Overlay
from fidip.predict.tracks import MIN_SCORE
from fidip.skeleton import COCO17, Skeleton


@dataclass(frozen=True)
class Poses:
    """The persons found in one image.

    Attributes:
        keypoints: (N, K, 2) x and y, image px; integers are pixel centres.
        scores: (N, K), 0..1; a keypoint below 0.2 counts as not detected.
        boxes: (N, 4) x, y, w, h of the crop that each pose was found in, image px.
        skeleton: names, left-right pairs and limbs of the K keypoints.
    """

    keypoints: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    skeleton: Skeleton = field(default=COCO17)

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
        index = range(len(self))[key]
        part = slice(index, index + 1)
        return Poses(self.keypoints[part], self.scores[part], self.boxes[part], self.skeleton)

    def draw(self, image: np.ndarray, boxes: bool = False, min_score: float = MIN_SCORE) -> np.ndarray:
        """Draw the poses on a copy of RGB uint8 (H, W, 3): left yellow, right red, undetected keypoints hollow."""
        persons = tuple(
            Person(xy, score, box, "given", i)
            for i, (xy, score, box) in enumerate(zip(self.keypoints, self.scores, self.boxes, strict=True))
        )
        return Overlay(self.skeleton, min_score, boxes)(image, Frame(0, 0.0, persons))

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


def stack_poses(
    keypoints: Sequence[np.ndarray],
    scores: Sequence[np.ndarray],
    boxes: Sequence[np.ndarray],
    skeleton: Skeleton,
) -> Poses:
    """Make Poses of N separate persons; N may be 0."""
    count = skeleton.num_joints
    return Poses(
        np.reshape(keypoints, (-1, count, 2)),
        np.reshape(scores, (-1, count)),
        np.reshape(boxes, (-1, 4)),
        skeleton,
    )
