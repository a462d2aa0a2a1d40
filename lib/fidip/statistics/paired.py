"""Do two methods differ on the same pictures? Paired bootstrap and permutation test."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fidip.statistics.coco import ScoredSystem, Scores, mixed
from fidip.statistics.intervals import Array, difference_interval, share_interval
from fidip.statistics.resampling import Weights, bootstrap, swap

Method = Sequence[ScoredSystem]  # the runs of one method, which differ in their seed alone

_SAME = 1e-12  # differences as large as the one found, but for rounding


@dataclass(frozen=True)
class Comparison:
    """First minus second method in the M numbers of ``coco.NAMES``: difference, p (M,), interval (M, 2).

    p_bootstrap: of no difference, by the paired bootstrap; p_permutation: by swapping results, None where the
    methods have different numbers of runs.
    """

    difference: Array
    interval: Array
    p_bootstrap: Array
    p_permutation: Array | None


def mean_scores(method: Method) -> Callable[[Weights], Array]:
    """The statistic of a method: the mean over its runs. Raises ValueError without a run."""
    if not method:
        raise ValueError("a method needs at least one run")
    runs = [Scores(run) for run in method]
    return lambda weights: sum((run(weights) for run in runs[1:]), runs[0](weights)) / len(runs)


def measure(method: Method, groups: NDArray[np.intp], resamples: int, seed: int) -> tuple[Array, Array]:
    """A method's numbers (M,) and their intervals (M, 2) over groups (N,) of pictures; its runs are kept."""
    scores = mean_scores(method)
    value = scores(_all(groups))[0]
    drawn = bootstrap(scores, groups, resamples, np.random.default_rng(seed))
    return value, share_interval(value, drawn, method[0].units(groups))


def compare(first: Method, second: Method, groups: NDArray[np.intp], resamples: int, seed: int) -> Comparison:
    """Compare two methods on the same N pictures in ``groups`` (N,), by resamples and as many swaps.

    Resamples are the same for both, so that what makes a picture hard for both does not blur their difference.
    The i-th runs are swapped with each other. Raises ValueError for methods scored on different pictures.
    """
    if not all(np.array_equal(first[0].table.persons, run.table.persons) for run in (*first, *second)):
        raise ValueError("the methods must be scored on the same pictures")
    ones, twos = mean_scores(first), mean_scores(second)
    random = np.random.default_rng(seed)
    difference = (ones(_all(groups)) - twos(_all(groups)))[0]
    drawn = bootstrap(lambda weights: ones(weights) - twos(weights), groups, resamples, random)
    interval, p_bootstrap = difference_interval(difference, drawn, first[0].units(groups))
    p_permutation = None
    if len(first) == len(second):
        pairs = mean_scores([mixed(one, two) for one, two in zip(first, second, strict=True)])
        p_permutation = _rank(difference, swap(pairs, groups, resamples, random))
    return Comparison(difference, interval, p_bootstrap, p_permutation)


def _rank(difference: Array, swapped: Array) -> Array:
    """Share of swaps, what was found being one of them, whose difference is at least as large (M,)."""
    as_large = ~(np.abs(swapped) < np.abs(difference) - _SAME)
    p = (1 + as_large.sum(axis=0)) / (1 + len(swapped))
    return np.where(np.isnan(difference), np.nan, p)


def _all(groups: NDArray[np.intp]) -> Weights:
    return np.ones((1, len(groups)), np.int64)
