"""A dict of names usable in a config."""

from collections.abc import Callable
from typing import Any, TypeVar

from fidip.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])


class Registry(dict[str, Callable[..., Any]]):
    """Names usable in a config, mapped to the function that builds the thing.

    Raises ConfigError when a name is registered twice or looked up without being known.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind  # what the names stand for, for messages: "model", "optimizer", ...

    def register(self, name: str) -> Callable[[F], F]:
        """Return a decorator that files the function under ``name``."""
        if name in self:
            raise ConfigError(f"{self.kind} {name!r} is registered twice")

        def add(build: F) -> F:
            self[name] = build
            return build

        return add

    def __missing__(self, name: str) -> Callable[..., Any]:
        raise ConfigError(f"unknown {self.kind} {name!r}; choose from {', '.join(sorted(self))}")
