"""From a joint's samples to its motion: derivatives that never reach across a gap."""

from dataclasses import dataclass

import numpy as np

from fidip.predict.pose_file import HOLE
from fidip.predict.smoothing import TOLERANCE, local_fit

REST = 1e-9  # BL, BL/s and so on: what is smaller is the rounding of numbers


@dataclass(frozen=True)
class Motion:
    """A joint's motion at the N frames of its track; NaN where it is not known.

    times (N,): s. position (N, 2): smoothed, body lengths. speed, acceleration, jerk (N,): lengths of the
    derivatives of position, body lengths per s, s^2, s^3. visible (N,): s for which each frame shows the joint, 0
    where it is not seen. weight (N,): s that each derivative stands for, 0 where there is none. path: body lengths.
    """

    times: np.ndarray
    position: np.ndarray
    speed: np.ndarray
    acceleration: np.ndarray
    jerk: np.ndarray
    visible: np.ndarray
    weight: np.ndarray
    path: float
    noise: float | None
    floors: tuple[float | None, float | None, float | None]

    @property
    def measured(self) -> np.ndarray:
        """Frames (N,) with derivatives."""
        return self.weight > 0


def joint_motion(
    times: np.ndarray, xy: np.ndarray, seen: np.ndarray, interval: float, window: float, order: int
) -> Motion:
    """Fit polynomials of ``order`` within ``window`` s to each stretch of seen samples, and differentiate them.

    times (N,): s. xy (N, 2): any unit, here body lengths. seen (N,). interval: s, the usual distance of frames.
    Derivatives are given where the whole window lies in the stretch; nothing is bridged.
    """
    count = len(times)
    position = np.full((count, 2), np.nan)
    lengths = np.full((3, count), np.nan)
    weight, path = np.zeros(count), 0.0
    residuals = [np.zeros((0, 2))]
    for part in stretches(times, seen, interval):
        fitted = local_fit(times[part], xy[part], window, order, 3)
        position[part] = fitted[0]
        path += float(np.linalg.norm(np.diff(fitted[0], axis=0), axis=1).sum())
        first, last = times[part[0]] + window / 2, times[part[-1]] - window / 2
        inner = (times[part] >= first - TOLERANCE) & (times[part] <= last + TOLERANCE)
        rows = part[inner]
        if len(part) > order and len(rows) > 1:
            lengths[:, rows] = np.linalg.norm(fitted[1:, inner], axis=2)
            weight[rows] = trapezoid_weights(times[rows])
            residuals.append(xy[rows] - fitted[0, inner])
    noise, floors = _noise(np.concatenate(residuals), noise_gains(interval, window, order))
    visible = np.where(seen, durations(times, interval), 0.0)
    speed, acceleration, jerk = lengths
    return Motion(times, position, speed, acceleration, jerk, visible, weight, path, noise, floors)


def noise_gains(interval: float, window: float, order: int) -> np.ndarray:
    """Deviation (4,) of place, velocity, acceleration and jerk of a sample, for white noise of deviation 1.

    The root of the sum of the squared weights with which the fit makes each of them from its samples.
    """
    half = int(window / 2 / interval + 1e-6)
    moments = np.arange(-half, half + 1) * interval
    weights = local_fit(moments, np.eye(len(moments)), 2 * half * interval, order, 3)[:, half]
    return np.linalg.norm(weights, axis=1)


def _noise(
    residuals: np.ndarray, gains: np.ndarray
) -> tuple[float | None, tuple[float | None, float | None, float | None]]:
    if not len(residuals) or gains[0] >= 1 - 1e-6:
        return None, (None, None, None)
    # the fit takes up a share gains[0] ** 2 of the noise's variance
    noise = float(np.sqrt(np.mean(residuals**2) / (1 - gains[0] ** 2)))
    # the length of two normal numbers is Rayleigh distributed: mean sqrt(pi / 2)
    speed, acceleration, jerk = (float(gain * noise * np.sqrt(np.pi / 2)) for gain in gains[1:])
    return noise, (speed, acceleration, jerk)


def stretches(times: np.ndarray, seen: np.ndarray, interval: float) -> list[np.ndarray]:
    """Rows of the stretches in which no frame lacks the joint and no time is missing."""
    rows = np.flatnonzero(seen)
    if not len(rows):
        return []
    broken = (np.diff(rows) > 1) | (np.diff(times[rows]) > HOLE * interval)
    return np.split(rows, np.flatnonzero(broken) + 1)


def durations(times: np.ndarray, interval: float) -> np.ndarray:
    """s for which each frame (N,) is shown; before a hole in time and at the end, the usual interval."""
    steps = np.diff(times, append=times[-1] + interval)
    return np.where(steps > HOLE * interval, interval, steps)


def trapezoid_weights(times: np.ndarray) -> np.ndarray:
    """Weights (N,) in s with which a sum over samples is their integral by the trapezoidal rule."""
    steps = np.diff(times)
    return (np.append(steps, 0.0) + np.insert(steps, 0, 0.0)) / 2


def mean(values: np.ndarray, weight: np.ndarray) -> float | None:
    """Mean over time; None without samples."""
    used = weight > 0
    return float(np.average(values[used], weights=weight[used])) if used.any() else None


def quantile(values: np.ndarray, weight: np.ndarray, share: float) -> float | None:
    """Value below which ``share`` of the time is spent; None without samples."""
    used = weight > 0
    if not used.any():
        return None
    order = np.argsort(values[used])
    weights = weight[used][order]
    places = (np.cumsum(weights) - weights / 2) / weights.sum()
    return float(np.interp(share, places, values[used][order]))


def extents(
    position: np.ndarray, weight: np.ndarray, tail: float = 0.01
) -> tuple[float | None, float | None]:
    """Lengths of what positions (N, 2) cover along their principal axes, ``tail`` of the time cut at each end."""
    used = weight > 0
    if used.sum() < 2:
        return None, None
    points = position[used]
    axes = np.linalg.eigh(np.cov(points.T, aweights=weight[used]))[1][:, ::-1]  # the longer first
    sizes = []
    for along in (points @ axes).T:
        high, low = (quantile(along, weight[used], share) for share in (1 - tail, tail))
        sizes.append((high or 0.0) - (low or 0.0))
    return sizes[0], sizes[1]


def correlate(
    times: np.ndarray, left: np.ndarray, right: np.ndarray, interval: float, max_lag: float
) -> tuple[float | None, float | None, float | None]:
    """Pearson's correlation of left (N,) and right (N,) at lag 0, its maximum within ``max_lag`` s, and where.

    NaN: not known. Correlates left(t) with right(t + lag) on a grid of ``interval``; each lag uses the pairs that
    are known, and counts when these are half as many as at lag 0 at least, and 3.
    """
    grid = np.arange(times[0], times[-1] + interval / 2, interval)
    first, second = np.interp(grid, times, left), np.interp(grid, times, right)
    zero, enough = _correlation(first, second, 3)
    if zero is None:
        return None, None, None
    reach = min(int(max_lag / interval + 1e-6), len(grid) - 1)
    best, lag = zero, 0
    for step in range(-reach, reach + 1):
        early, late = max(-step, 0), max(step, 0)
        pair = first[early : len(grid) - late], second[late : len(grid) - early]
        value, _ = _correlation(*pair, max(3, enough // 2))
        if value is not None and value > best:
            best, lag = value, step
    return zero, best, lag * interval


def _correlation(first: np.ndarray, second: np.ndarray, least: int) -> tuple[float | None, int]:
    """Pearson's correlation of the pairs without NaN, None for fewer than ``least`` or none that vary; their number."""
    known = np.isfinite(first) & np.isfinite(second)
    count = int(known.sum())
    if count < least or min(np.ptp(first[known]), np.ptp(second[known])) < REST:
        return None, count
    a, b = first[known] - first[known].mean(), second[known] - second[known].mean()
    return float(np.clip(a @ b / np.sqrt((a @ a) * (b @ b)), -1, 1)), count
