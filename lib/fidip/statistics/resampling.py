"""Resamples of pictures, or of the sources that they come from, as integer weights per picture."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fidip.errors import ConfigError

Array = NDArray[np.float64]
Weights = NDArray[np.int64]
Statistic = Callable[[Weights], Array]  # how often each picture counts (B, N) -> M numbers each (B, M)

_CHUNK = 64  # resamples computed at once; so few that the work stays in the cache


def groups_of(labels: Sequence[str]) -> NDArray[np.intp]:
    """Number the groups of pictures with one label, (N,); a picture with an empty label is its own group."""
    keys = [label or index for index, label in enumerate(labels)]
    number = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    return np.array([number[key] for key in keys], dtype=np.intp)


def bootstrap(
    statistic: Statistic, groups: NDArray[np.intp], resamples: int, rng: np.random.Generator
) -> Array:
    """Draw as many groups as there are, with replacement, and compute the statistic; ``resamples`` times.

    groups: (N,) group 0..G-1 of each picture; ``np.arange(N)`` draws single pictures. Returns (resamples, M).
    Raises ConfigError for less than two resamples or without a picture.
    Efron & Tibshirani 1993, chapter 6; whole groups (clusters): Davison & Hinkley 1997, section 3.8.
    """
    if resamples < 2 or not len(groups):
        raise ConfigError(f"{resamples} resamples of {len(groups)} pictures give no interval: use e.g. 1000")
    number = int(groups.max()) + 1
    shares = np.full(number, 1 / number)
    draws = (rng.multinomial(number, shares, size=size)[:, groups] for size in _chunks(resamples))
    return np.concatenate([statistic(weights) for weights in draws])


def swap(statistic: Statistic, groups: NDArray[np.intp], shuffles: int, rng: np.random.Generator) -> Array:
    """Differences between two systems whose results are exchanged at random, whole groups of pictures at once.

    statistic: of the 2 N pictures of ``average_precision.interleave``. Returns (shuffles, M), first minus second;
    where the systems do not differ these are as likely as what was found. Pitman 1937.
    """
    number = int(groups.max()) + 1
    draws = (rng.random((size, number)) < 0.5 for size in _chunks(shuffles))
    return np.concatenate([_difference(statistic, exchanged[:, groups]) for exchanged in draws])


def _difference(statistic: Statistic, exchanged: NDArray[np.bool_]) -> Array:
    """First minus second system (B, M), where the results of the ``exchanged`` pictures (B, N) are swapped."""
    first = np.empty((len(exchanged), 2 * exchanged.shape[1]), np.int64)
    first[:, 0::2], first[:, 1::2] = ~exchanged, exchanged
    return statistic(first) - statistic(1 - first)


def _chunks(total: int) -> Iterator[int]:
    for done in range(0, total, _CHUNK):
        yield min(_CHUNK, total - done)
