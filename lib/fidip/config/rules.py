"""How a key of a config is declared: default, meaning with unit, and the range of its values."""

import math
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from fidip.errors import ConfigError

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


def coerce(value: Any, kind: type, listed: bool, name: str, example: Any = None) -> Any:
    """Bring a value to its type where that is harmless: a number written as text, one value for a list.

    Args:
        value: as a file or the command line has it.
        kind: bool, str, int or float; of a list, of its elements.
        listed: whether a list is wanted.
        name: of the key, which opens the message.
        example: of a value, for the message.

    Raises:
        ConfigError: for a value of another type.
    """
    if not listed:
        return _scalar(value, kind, f"{name} must be", example)
    if value in ("", None):
        return []
    elements = value if isinstance(value, (list, tuple)) else [value]
    return [_scalar(one, kind, f"{name} must be a list, each element", example) for one in elements]


def _scalar(value: Any, kind: type, beginning: str, example: Any) -> Any:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    try:
        if kind is bool and isinstance(value, bool):
            return value
        if kind is str and (isinstance(value, str) or number):
            return str(value)
        if kind in (int, float) and (number or isinstance(value, str)) and math.isfinite(float(value)):
            made = float(value)
            if kind is float:
                return made
            if made.is_integer():
                return int(made)
    except ValueError:
        pass
    wanted = {bool: "True or False", str: "text", int: "a whole number", float: "a number"}[kind]
    hint = "" if example is None else f", e.g. {example!r}"
    raise ConfigError(f"{beginning} {wanted}{hint}, got {value!r}")
