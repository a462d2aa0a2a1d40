"""How big infants are: medians and spreads of the WHO child growth standards (2006, 2007), girls and boys apart."""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray

MONTHS = np.arange(13.0)

# length in cm, weight in kg, head circumference in cm, at 0 to 12 months
_GIRLS = {
    "length": (49.1, 53.7, 57.1, 59.8, 62.1, 64.0, 65.7, 67.3, 68.7, 70.1, 71.5, 72.8, 74.0),
    "weight": (3.2, 4.2, 5.1, 5.8, 6.4, 6.9, 7.3, 7.6, 7.9, 8.2, 8.5, 8.7, 8.9),
    "head": (33.9, 36.5, 38.3, 39.5, 40.6, 41.5, 42.2, 42.8, 43.4, 43.8, 44.2, 44.6, 44.9),
}
_BOYS = {
    "length": (49.9, 54.7, 58.4, 61.4, 63.9, 65.9, 67.6, 69.2, 70.6, 72.0, 73.3, 74.5, 75.7),
    "weight": (3.3, 4.5, 5.6, 6.4, 7.0, 7.5, 7.9, 8.3, 8.6, 8.9, 9.2, 9.4, 9.6),
    "head": (34.5, 37.3, 39.1, 40.5, 41.6, 42.6, 43.3, 44.0, 44.5, 45.0, 45.4, 45.8, 46.1),
}
# one standard deviation, as a part of the median
_SPREAD = {"length": 0.034, "weight": 0.12, "head": 0.029}
# how the three go together in one infant: a long one is heavy and has a big head
_TOGETHER = np.array([[1.0, 0.65, 0.45], [0.65, 1.0, 0.5], [0.45, 0.5, 1.0]])


@dataclass(frozen=True)
class Growth:
    """An infant's size: length and head circumference in m, mass in kg."""

    length: float
    mass: float
    head: float


def growth_at(months: float, girl: float = 0.5, deviations: Array | None = None) -> Growth:
    """The size at an age of 0 to 12 months; ``girl`` 0..1 blends boys into girls.

    deviations (3,): how many standard deviations length, mass and head lie over the median; default none.
    """
    length, mass, head = (
        _median(name, months, girl) * np.exp(_SPREAD[name] * deviation)
        for name, deviation in zip(_SPREAD, np.zeros(3) if deviations is None else deviations, strict=True)
    )
    return Growth(length / 100, mass, head / 100)


def growth_deviations(rng: np.random.Generator, limit: float = 2.0) -> Array:
    """Deviations (3,) of one infant, drawn together and kept within the limit."""
    return np.clip(np.linalg.cholesky(_TOGETHER) @ rng.standard_normal(3), -limit, limit)


def _median(name: str, months: float, girl: float) -> float:
    boys, girls = (np.interp(months, MONTHS, table[name]) for table in (_BOYS, _GIRLS))
    return float(girl * girls + (1 - girl) * boys)
