"""Who of several persons in view is the infant."""

from collections.abc import Callable, Sequence

import numpy as np

from fidip.errors import ConfigError
from fidip.predict.frames import Person

RULES = ("all", "largest", "smallest", "region", "track:ID")

Choice = Callable[[Sequence[Person]], list[Person]]


def choice(rule: str, region: np.ndarray | None = None) -> Choice:
    """The rule as a function from the persons of a frame to those that are kept.

    rule: "all", "largest" or "smallest" (area of the box), "region" (the one whose box lies most in ``region``,
    x, y, w, h image px; nobody outside it) or "track:3" (that identity). Raises ConfigError for another rule,
    and for "region" without a region.
    """
    if rule == "all":
        return list
    if rule in ("largest", "smallest"):
        sign = 1 if rule == "largest" else -1
        return lambda persons: _best(persons, lambda person: sign * float(np.prod(person.box[2:])))
    if rule == "region":
        if region is None:
            raise ConfigError("choosing by region needs --region x,y,w,h")
        return lambda persons: _best(
            [p for p in persons if _within(p, region) > 0], lambda p: _within(p, region)
        )
    kind, _, number = rule.partition(":")
    if kind == "track" and number.isdecimal():
        return lambda persons: [person for person in persons if person.track == int(number)]
    raise ConfigError(f"unknown choice {rule!r}; choose from {', '.join(RULES)}, e.g. track:0")


def _best(persons: Sequence[Person], key: Callable[[Person], float]) -> list[Person]:
    return [max(persons, key=key)] if persons else []


def _within(person: Person, region: np.ndarray) -> float:
    """Share of a person's box that lies in the region, 0..1."""
    low = np.maximum(person.box[:2], region[:2])
    high = np.minimum(person.box[:2] + person.box[2:], region[:2] + region[2:])
    return float(np.clip(high - low, 0, None).prod() / max(np.prod(person.box[2:]), 1e-9))
