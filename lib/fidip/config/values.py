"""Values of keys as files and the command line have them, brought to their types."""

import math
from typing import Any

from fidip.errors import ConfigError


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
