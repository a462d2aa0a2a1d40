"""The One-Euro filter: smooth what rests, follow what moves."""

import math

import numpy as np

from fidip.predict.tracks import MIN_SCORE


class OneEuro:
    """Filter the K joints of one person frame by frame, at any frame rate.

    Casiez, Roussel & Vogel (2012), "1€ filter: a simple speed-based low-pass filter for noisy input in
    interactive systems", CHI. A first-order low-pass whose cut-off, ``min_cutoff`` + ``beta`` x speed, is in Hz;
    beta in Hz per px/s. speed: length of the joint's velocity, low-passed at ``speed_cutoff`` Hz; x and y share
    it, so that the result does not depend on the direction. A joint that was not seen (score below
    ``min_score``) for more than ``max_gap`` s starts anew.
    """

    def __init__(
        self,
        joints: int,
        min_cutoff: float = 1.0,
        beta: float = 0.02,
        speed_cutoff: float = 1.0,
        max_gap: float = 0.25,
        min_score: float = MIN_SCORE,
    ) -> None:
        self.min_cutoff, self.beta, self.speed_cutoff = min_cutoff, beta, speed_cutoff
        self.max_gap, self.min_score = max_gap, min_score
        self._time = np.full(joints, -np.inf)
        self._xy = np.zeros((joints, 2))
        self._velocity = np.zeros((joints, 2))

    def step(self, time: float, xy: np.ndarray, score: np.ndarray) -> np.ndarray:
        """Joints (K, 2) of the frame at ``time`` s, filtered, image px; joints that are not seen stay as they are."""
        seen = (score >= self.min_score) & (score > 0)
        elapsed = time - self._time
        goes_on = seen & (elapsed > 0) & (elapsed <= self.max_gap)
        result = np.array(xy, dtype=float)
        step = np.where(goes_on, elapsed, 1.0)[:, None]
        change = (result - self._xy) / step - self._velocity
        velocity = self._velocity + _weight(step, self.speed_cutoff) * change
        speed = np.linalg.norm(velocity, axis=1, keepdims=True)
        smooth = self._xy + _weight(step, self.min_cutoff + self.beta * speed) * (result - self._xy)
        result[goes_on] = smooth[goes_on]
        self._velocity[seen] = np.where(goes_on[:, None], velocity, 0.0)[seen]
        self._xy[seen], self._time[seen] = result[seen], time
        return result


def _weight(step: np.ndarray, cutoff: float | np.ndarray) -> np.ndarray:
    """Weight of the new sample in a first-order low-pass; step in s, cutoff in Hz."""
    ratio = 2 * math.pi * cutoff * step
    return ratio / (1 + ratio)
