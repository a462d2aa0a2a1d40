"""Crops around persons, with or without augmentation; all randomness comes from a generator."""

from dataclasses import dataclass

import cv2
import numpy as np

from fidip.geometry import BOX_PADDING as PADDING
from fidip.geometry import (
    HALF_BODY_PADDING,
    Array,
    box_center,
    compose,
    extend_to_aspect,
    flip_x,
    similarity,
    transform,
)
from fidip.skeleton import Skeleton


@dataclass(frozen=True)
class Crop:
    """A picture part in network size.

    image: RGB uint8 (H, W, 3). keypoints: (K, 3) crop px and visible. matrix: (2, 3) image px -> crop px
    (with the mirroring, if it was mirrored).
    """

    image: np.ndarray
    keypoints: np.ndarray
    matrix: Array


@dataclass(frozen=True)
class CropPolicy:
    """How a person becomes a crop. With the defaults: no augmentation.

    size: (W, H) px. scale_factor: relative deviation of the scale. rotation: degrees; rotation_mode normal
    (N(0,1) * rotation, clipped to twice that) or uniform (+- rotation). half_body_joints: only persons with
    more visible joints are cropped to half their body.
    """

    size: tuple[int, int]
    skeleton: Skeleton
    scale_factor: float = 0.0
    rotation: float = 0.0
    rotation_mode: str = "normal"
    rotation_probability: float = 0.0
    flip_probability: float = 0.0
    half_body_probability: float = 0.0
    half_body_joints: int = 8

    def __call__(
        self,
        image: np.ndarray,
        box: np.ndarray,
        keypoints: np.ndarray,
        rng: np.random.Generator | None = None,
    ) -> Crop:
        """Cut (H0, W0, 3) RGB around ``box`` (x, y, w, h image px); ``keypoints`` (K, 3) in image px.

        Without ``rng`` the plain crop of testing, whatever the policy's factors are.
        """
        keypoints = np.array(keypoints, dtype=np.float64)
        center, extent = box_center(box), extend_to_aspect(box[2:], self.size) * PADDING
        if rng is None:
            matrix = similarity(center, extent[0], self.size)
        else:
            matrix, keypoints = self._augmented(image.shape[1], center, extent, keypoints, rng)
        crop = cv2.warpAffine(image, matrix, self.size, flags=cv2.INTER_LINEAR)
        keypoints[:, :2] = transform(matrix, keypoints[:, :2])
        return Crop(crop, keypoints, matrix)

    def _augmented(
        self, width: int, center: Array, extent: Array, keypoints: np.ndarray, rng: np.random.Generator
    ) -> tuple[Array, np.ndarray]:
        """Draw one crop; the number of draws from ``rng`` never depends on the sample."""
        choose_half, choose_part, turn, mirror = rng.random(4)
        scale_draw, turn_draw = rng.standard_normal(2)
        uniform_turn = rng.uniform(-1, 1)
        if choose_half < self.half_body_probability:
            center, extent = self._half_body(center, extent, keypoints, choose_part)
        extent = extent * np.clip(
            1 + scale_draw * self.scale_factor, 1 - self.scale_factor, 1 + self.scale_factor
        )
        degrees = 0.0
        if turn < self.rotation_probability:
            normal = np.clip(turn_draw, -2, 2)
            degrees = self.rotation * float(normal if self.rotation_mode == "normal" else uniform_turn)
        if mirror >= self.flip_probability:
            return similarity(center, extent[0], self.size, degrees), keypoints
        mirrored = similarity(flip_x(center, width), extent[0], self.size, degrees)
        mirroring = np.array([[-1.0, 0.0, width - 1.0], [0.0, 1.0, 0.0]])
        return compose(mirrored, mirroring), keypoints[self.skeleton.flip_order]

    def _half_body(
        self, center: Array, extent: Array, keypoints: np.ndarray, draw: float
    ) -> tuple[Array, Array]:
        """Centre and extent around the upper or the lower joints, if enough joints are visible."""
        visible = keypoints[:, 2] > 0
        if visible.sum() <= self.half_body_joints:
            return center, extent
        upper = np.isin(np.arange(len(keypoints)), self.skeleton.upper_body)
        parts = [keypoints[visible & upper, :2], keypoints[visible & ~upper, :2]]
        chosen = parts[0] if draw < 0.5 else parts[1]
        if len(chosen) <= 2:  # too few to span a box: the other half
            chosen = parts[1] if draw < 0.5 else parts[0]
        if len(chosen) < 2:
            return center, extent
        span = np.ptp(chosen, axis=0)
        if not span.any():
            return center, extent
        return chosen.mean(axis=0), extend_to_aspect(span, self.size) * HALF_BODY_PADDING
