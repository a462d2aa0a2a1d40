"""Joints: names, left-right pairs, OKS sigmas, limbs. The only place where a joint order is written."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Skeleton:
    """A joint set.

    names: K joint names in the order of the annotations. flip_pairs: index pairs that swap in a mirrored
    picture. sigmas: K per-joint OKS fall-off constants (Ronchi & Perona 2017; half of COCO's k_i).
    limbs: index pairs that are drawn as lines. upper_body: indices that count as the upper body.
    """

    name: str
    names: tuple[str, ...]
    flip_pairs: tuple[tuple[int, int], ...]
    sigmas: tuple[float, ...]
    limbs: tuple[tuple[int, int], ...]
    upper_body: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.sigmas) != len(self.names):
            raise ValueError(f"skeleton {self.name}: {len(self.names)} names but {len(self.sigmas)} sigmas")
        used = [index for pair in (*self.flip_pairs, *self.limbs) for index in pair] + list(self.upper_body)
        if any(not 0 <= index < len(self.names) for index in used):
            raise ValueError(f"skeleton {self.name}: an index is outside 0..{len(self.names) - 1}")

    @property
    def num_joints(self) -> int:
        """K."""
        return len(self.names)

    @cached_property
    def flip_order(self) -> np.ndarray:
        """Permutation (K,) that swaps left and right: ``mirrored = keypoints[flip_order]``."""
        order = np.arange(self.num_joints)
        for left, right in self.flip_pairs:
            order[left], order[right] = right, left
        return order


COCO17 = Skeleton(
    name="coco17",
    names=(
        "nose",
        "left_eye",
        "right_eye",
        "left_ear",
        "right_ear",
        "left_shoulder",
        "right_shoulder",
        "left_elbow",
        "right_elbow",
        "left_wrist",
        "right_wrist",
        "left_hip",
        "right_hip",
        "left_knee",
        "right_knee",
        "left_ankle",
        "right_ankle",
    ),
    flip_pairs=((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)),
    sigmas=(
        0.026,
        0.025,
        0.025,
        0.035,
        0.035,
        0.079,
        0.079,
        0.072,
        0.072,
        0.062,
        0.062,
        0.107,
        0.107,
        0.087,
        0.087,
        0.089,
        0.089,
    ),
    limbs=(
        (15, 13),
        (13, 11),
        (16, 14),
        (14, 12),
        (11, 12),
        (5, 11),
        (6, 12),
        (5, 6),
        (5, 7),
        (6, 8),
        (7, 9),
        (8, 10),
        (1, 2),
        (0, 1),
        (0, 2),
        (1, 3),
        (2, 4),
        (3, 5),
        (4, 6),
    ),
    upper_body=tuple(range(11)),
)

SKELETONS: Mapping[str, Skeleton] = {COCO17.name: COCO17}
