"""How a key of a config is declared: default, meaning with unit, and the range of its values."""

from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

T = TypeVar("T")


@dataclass(frozen=True)
class Rule:
    """What a value of a key must satisfy.

    Attributes:
        meaning: of the key, with its unit.
        low: smallest allowed value; of a list: of its elements.
        high: largest allowed value.
        above: value that must be exceeded.
        below: value that must not be reached.
        choices: allowed values.
        length: allowed number of elements of a list.
    """

    meaning: str
    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None
    choices: tuple[str, ...] = ()
    length: int | None = None

    def fault(self, value: Any) -> str:
        """Say what is wrong with a value; empty where nothing is."""
        if self.length is not None and len(value) != self.length:
            return f"must have {self.length} values, got {list(value)}"
        for one in value if isinstance(value, (tuple, list)) else (value,):
            if self.choices and one not in self.choices:
                return f"must be one of {', '.join(self.choices)}, got {one!r}"
            inside = (
                (self.low is None or one >= self.low)
                and (self.high is None or one <= self.high)
                and (self.above is None or one > self.above)
                and (self.below is None or one < self.below)
            )
            if not inside:
                return f"must be {self.range}, got {one}"
        return ""

    @property
    def range(self) -> str:
        """The range in words."""
        if self.above == 0 and self.high is None and self.below is None:
            return "positive"
        parts = [("at least", self.low), ("above", self.above), ("at most", self.high), ("below", self.below)]
        return " and ".join(f"{word} {bound:g}" for word, bound in parts if bound is not None)


def key(default: T, meaning: str, **bounds: Any) -> T:
    """Declare a key: default, meaning with unit, and the bounds of ``Rule``."""
    rule = {"rule": Rule(meaning, **bounds)}
    if isinstance(default, dict):
        return cast(T, field(default_factory=default.copy, metadata=rule))
    return field(default=default, metadata=rule)
