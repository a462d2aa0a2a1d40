"""Smooth keypoints over time, offline by local polynomials or online by the One-Euro filter; fill short gaps."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.interpolate import PchipInterpolator

from fidip.errors import ConfigError
from fidip.files import atomic_path
from fidip.predict.pose_file import PoseFile, Track, frame_line, header_line, read_recording
from fidip.predict.poses import MIN_SCORE, Poses

TOLERANCE = 1e-5  # s: a sample this far outside a window belongs to it, as times are rounded
BLOCK = 20_000  # samples fitted at once, which bounds memory


@dataclass(frozen=True)
class Smoothing:
    """How to smooth.

    window: s, and order: of the local polynomials (Savitzky-Golay). max_gap: s, longest distance of two seen
    samples that is bridged. min_score: joints scored lower are not seen. min_cutoff, beta: of ``OneEuro``.
    Raises ConfigError for a number that makes no sense.
    """

    window: float = 0.4
    order: int = 3
    max_gap: float = 0.25
    min_score: float = MIN_SCORE
    min_cutoff: float = 1.0
    beta: float = 0.02

    def __post_init__(self) -> None:
        wrong = [name for name in ("window", "min_cutoff") if not getattr(self, name) > 0]
        wrong += [name for name in ("order", "max_gap", "min_score", "beta") if not getattr(self, name) >= 0]
        if wrong:
            raise ConfigError(f"smoothing: {', '.join(wrong)} is too small; leave it out to get the default")
        object.__setattr__(self, "order", int(self.order))  # an option may come as 3.0


def smooth_file(poses: PoseFile, out: Path, method: str = "savgol", **options: float) -> PoseFile:
    """Write a smoothed copy of ``poses`` to ``out``, whole or not at all, and return it.

    method: "savgol" (offline: local polynomials on the frames' own times, short gaps filled, long gaps emptied)
    or "one-euro" (as online: no look ahead, nothing filled). options: those of ``Smoothing``.
    Raises ConfigError for an unknown method or option, DataError for images or times that do not increase.
    """
    if method not in METHODS:
        raise ConfigError(f"unknown smoothing {method!r}; choose from {', '.join(sorted(METHODS))}")
    unknown = sorted(set(options) - set(Smoothing.__dataclass_fields__))
    if unknown:
        choices = ", ".join(Smoothing.__dataclass_fields__)
        raise ConfigError(f"unknown smoothing option {', '.join(unknown)}; choose from {choices}")
    frames = METHODS[method](poses, Smoothing(**options))  # type: ignore[arg-type]
    with atomic_path(out) as temporary, temporary.open("w", encoding="utf-8") as stream:
        stream.write(header_line(poses.header))
        stream.writelines(frame_line(frame) for frame in frames)
    return PoseFile(out)


def _savgol_frames(poses: PoseFile, smoothing: Smoothing) -> Iterator[Poses]:
    recording = read_recording(poses)
    tracks = {
        key: smooth_track(recording.times[track.rows], track, smoothing)
        for key, track in recording.tracks.items()
    }
    del recording
    for place, frame in enumerate(poses):
        here = [(tracks[key].poses, place - tracks[key].start) for key in frame.track.tolist()]
        if here:
            arrays = {
                name: np.stack([getattr(smooth, name)[row] for smooth, row in here])
                for name in ("keypoints", "scores", "filled")
            }
            frame = replace(frame, **arrays)  # type: ignore[arg-type]
        inserted = [
            track.poses.take([place - track.start])
            for key, track in tracks.items()
            if key not in frame.track and _is_filled(track, place - track.start)
        ]
        yield frame.joined(inserted)


def _is_filled(track: Track, row: int) -> bool:
    """Whether a gap of the track was filled in a frame that lacks the person."""
    return 0 <= row < len(track.present) and bool(track.poses.filled[row].any())


def smooth_track(times: np.ndarray, track: Track, smoothing: Smoothing) -> Track:
    """Make a track with smooth joints, short gaps filled and flagged, and long gaps emptied: xy and score 0.

    times (N,): s, of the track's rows. A filled joint keeps the network's own score, 0 where nobody was found.
    """
    poses = track.poses
    visible = poses.seen(smoothing.min_score)
    xy, filled = np.zeros_like(poses.keypoints), np.zeros_like(poses.filled)
    for joint in range(xy.shape[1]):
        samples = poses.keypoints[:, joint]
        xy[:, joint], filled[:, joint] = smooth_joint(times, samples, visible[:, joint], smoothing)
    gaps = ~visible & ~filled
    score = np.where(gaps, 0.0, poses.scores)
    box = poses.boxes.copy()
    if not track.present.all():
        for side in range(4):
            box[:, side] = np.interp(times, times[track.present], poses.boxes[track.present, side])
    return replace(track, poses=replace(poses, keypoints=xy, scores=score, filled=filled, boxes=box))


def smooth_joint(
    times: np.ndarray, xy: np.ndarray, visible: np.ndarray, smoothing: Smoothing
) -> tuple[np.ndarray, np.ndarray]:
    """One joint: smoothed xy (N, 2), 0 in gaps, and where it was filled (N,).

    Each stretch without a gap above max_gap is fitted by itself, from its seen samples alone. Between them a
    monotone cubic (Fritsch & Carlson 1980, SIAM Journal on Numerical Analysis 17, 238-246) fills what is
    missing: it never leaves the range of its two neighbours.
    """
    result, filled = np.zeros_like(xy), np.zeros(len(times), dtype=bool)
    rows = np.flatnonzero(visible)
    for part in np.split(rows, np.flatnonzero(np.diff(times[rows]) > smoothing.max_gap) + 1):
        if not len(part):
            continue
        result[part] = local_fit(times[part], xy[part], smoothing.window, smoothing.order)[0]
        between = np.setdiff1d(np.arange(part[0], part[-1]), part)
        if len(between):
            result[between] = PchipInterpolator(times[part], result[part])(times[between])
            filled[between] = True
    return result, filled


class OnlineFilter:
    """Each person's keypoints through a One-Euro filter of their own, frame by frame."""

    def __init__(self, smoothing: Smoothing) -> None:
        self.smoothing = smoothing
        self._filters: dict[int, OneEuro] = {}

    def step(self, frame: Poses) -> Poses:
        """Return the frame with filtered keypoints. Keypoints that are not seen stay as they are."""
        filtered = np.array(frame.keypoints, dtype=float)
        scores = np.where(frame.filled, 0.0, frame.scores)
        for i, track in enumerate(frame.track.tolist()):
            if track not in self._filters:
                own = self.smoothing
                self._filters[track] = OneEuro(
                    frame.skeleton.num_joints,
                    own.min_cutoff,
                    own.beta,
                    max_gap=own.max_gap,
                    min_score=own.min_score,
                )
            filtered[i] = self._filters[track].step(frame.time, frame.keypoints[i], scores[i])
        return replace(frame, keypoints=filtered)


def _one_euro_frames(poses: PoseFile, smoothing: Smoothing) -> Iterator[Poses]:
    online = OnlineFilter(smoothing)
    for frame in poses:
        poses.rows_by_track(frame)  # refuses two persons of one track
        yield online.step(frame)


METHODS: dict[str, Callable[[PoseFile, Smoothing], Iterator[Poses]]] = {
    "savgol": _savgol_frames,
    "one-euro": _one_euro_frames,
}


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


def local_fit(
    times: np.ndarray, values: np.ndarray, window: float, order: int, derivatives: int = 0
) -> np.ndarray:
    """Fit a polynomial to the samples within ``window`` s around each sample and evaluate it there.

    times (N,): s, increasing, any spacing. values (N, D). Returns (derivatives + 1, N, D): the smoothed values,
    then the derivatives, per s, per s^2 and so on. At both ends the window is shifted inward, not cut. On an
    even grid this is the filter of Savitzky & Golay (1964, Analytical Chemistry 36, 1627-1639). A window always
    holds ``order`` + 1 samples at least, the nearest; that few are passed through. Of N <= ``order`` samples the
    order is N - 1, and derivatives above it are 0.
    """
    count = len(times)
    order = min(order, count - 1)
    result = np.zeros((derivatives + 1, count, values.shape[1]))
    if not count:
        return result
    first, last = windows(times, window, order + 1)
    for start in range(0, count, BLOCK):
        block = slice(start, start + BLOCK)
        _fit_block(times, values, first[block], last[block], order, result[:, block], start)
    return result


def windows(times: np.ndarray, window: float, least: int) -> tuple[np.ndarray, np.ndarray]:
    """First sample and the one after the last (N,) of the window around each sample; ``least`` samples in it."""
    count = len(times)
    low = np.clip(times - window / 2, times[0], max(times[0], times[-1] - window))
    first = np.searchsorted(times, low - TOLERANCE, side="left")
    last = np.searchsorted(times, low + window + TOLERANCE, side="right")
    few = last - first < least
    nearest = np.clip(np.arange(count) - least // 2, 0, count - least)
    return np.where(few, nearest, first), np.where(few, nearest + least, last)


def _fit_block(
    times: np.ndarray,
    values: np.ndarray,
    first: np.ndarray,
    last: np.ndarray,
    order: int,
    result: np.ndarray,
    start: int,
) -> None:
    """Fill ``result`` (derivatives + 1, n, D) for the n samples from ``start`` on."""
    width = int((last - first).max())
    rows = np.minimum(first[:, None] + np.arange(width), len(times) - 1)  # (n, width)
    inside = np.arange(width) < (last - first)[:, None]
    # -1..1 within each window keeps the equations well-conditioned
    middle = (times[first] + times[last - 1]) / 2
    half = np.where(last - first > 1, (times[last - 1] - times[first]) / 2, 1.0)
    powers = np.arange(order + 1)
    where = (times[rows] - middle[:, None]) / half[:, None]
    basis = np.where(inside[..., None], where[..., None] ** powers, 0.0)  # (n, width, order + 1)
    transposed = basis.swapaxes(1, 2)
    coefficients = np.linalg.solve(transposed @ basis, transposed @ values[rows])  # (n, order + 1, D)
    here = (times[start : start + len(first)] - middle) / half
    factors = np.ones(order + 1)
    for degree in range(min(len(result), order + 1)):
        terms = factors[degree:] * here[:, None] ** powers[: order + 1 - degree]
        result[degree] = np.einsum("np,npd->nd", terms, coefficients[:, degree:]) / half[:, None] ** degree
        factors = factors * np.maximum(powers - degree, 0)
