"""Intervals: of shares such as AP and PCK from their resamples, of differences, and of means over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Array = NDArray[np.float64]

LEVEL = 0.95  # share of intervals that hold the truth
_STILL = 1e-12  # variance below which the resamples of a number are all the same


def share_interval(estimate: ArrayLike, resamples: Array, units: ArrayLike, level: float = LEVEL) -> Array:
    """Wilson's interval of M shares (M,), each 0..1, with the sample size that their resamples (B, M) speak for.

    units: (M,) how many independent pictures or sources each share is of. A share p whose resamples have the
    variance v is as certain as a proportion of p (1 - p) / v independent ones; one that never varies, as that
    of its units. Quantile of Student's t with units - 1 degrees of freedom. Returns (M, 2), NaN for a share
    that is missing or of less than two units. Wilson 1927; effective sample size: Korn & Graubard 1998.
    """
    share, number = np.asarray(estimate, np.float64), np.broadcast_to(units, np.shape(estimate))
    variance = _variance(resamples, number)
    varies = variance > _STILL
    size = np.where(varies, share * (1 - share) / np.where(varies, variance, 1), number)
    size = np.maximum(size, 1)  # where the resamples' bias makes a share of 0 or 1 vary
    square = _quantile(number, level) ** 2
    middle = (share + square / (2 * size)) / (1 + square / size)
    half = np.sqrt(square * (share * (1 - share) / size + square / (4 * size**2))) / (1 + square / size)
    return np.stack([middle - half, middle + half], axis=-1)


def difference_interval(
    estimate: ArrayLike, resamples: Array, units: ArrayLike, level: float = LEVEL
) -> tuple[Array, Array]:
    """Student's interval (M, 2) of M differences from their resamples (B, M), and the p of no difference (M,).

    units: (M,) as in ``share_interval``. A difference that never varies has its own value as interval. NaN
    where it is missing or of less than two units. Efron & Tibshirani 1993, section 12.4.
    """
    value, number = np.asarray(estimate, np.float64), np.broadcast_to(units, np.shape(estimate))
    deviation = np.sqrt(_variance(resamples, number))
    half = _quantile(number, level) * deviation
    moved = deviation**2 > _STILL
    ratio = np.where(moved, np.abs(value) / np.where(moved, deviation, 1), np.where(value == 0, 0, np.inf))
    p = 2 * stats.t.sf(np.where(np.isnan(half), np.nan, ratio), np.maximum(number - 1, 1))
    return np.stack([value - half, value + half], axis=-1), p


@dataclass(frozen=True)
class SeedSummary:
    """n runs that differ in their seed alone: mean, deviation (n - 1) and interval of the mean, None for n = 1."""

    n: int
    mean: float
    deviation: float | None
    interval: tuple[float, float] | None


def over_seeds(values: Sequence[float], level: float = LEVEL) -> SeedSummary:
    """Mean, deviation and Student's interval of one number over runs. Raises ValueError without a run."""
    if not len(values):
        raise ValueError("a mean over seeds needs at least one run")
    n, mean = len(values), float(np.mean(values))
    if n == 1:
        return SeedSummary(1, mean, None, None)
    deviation = float(np.std(values, ddof=1))
    half = float(stats.t.ppf((1 + level) / 2, n - 1)) * deviation / n**0.5
    return SeedSummary(n, mean, deviation, (mean - half, mean + half))


def seeds_differ(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Two-sided p of Welch's test that two methods' runs have one mean; None with less than two runs of either."""
    if min(len(first), len(second)) < 2:
        return None
    if np.ptp(first) == 0 and np.ptp(second) == 0:
        return 1.0 if first[0] == second[0] else 0.0
    return float(stats.ttest_ind(first, second, equal_var=False).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """P values of a family of tests, raised so that none is below its level by their number alone (Holm 1979)."""
    raised, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(np.argsort(p_values, kind="stable").tolist()):
        largest = max(largest, (len(p_values) - rank) * p_values[index])
        raised[index] = min(largest, 1.0)
    return raised


def _variance(resamples: Array, units: NDArray[np.int64]) -> Array:
    """Variance of each column without its missing values, and without the bootstrap's factor 1 - 1 / units."""
    known = ~np.isnan(resamples)
    count = known.sum(axis=0)
    mean = np.where(known, resamples, 0).sum(axis=0) / np.maximum(count, 1)
    square = (np.where(known, resamples - mean, 0) ** 2).sum(axis=0) / np.maximum(count - 1, 1)
    return np.where(count > 1, square * units / np.maximum(units - 1, 1), np.nan)


def _quantile(units: NDArray[np.int64], level: float) -> Array:
    """Of Student's t, (M,); NaN for less than two units."""
    return np.where(units > 1, stats.t.ppf((1 + level) / 2, np.maximum(units - 1, 1)), np.nan)
