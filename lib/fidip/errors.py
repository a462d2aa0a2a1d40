"""Errors that a user can mend; scripts print them as one line and exit with status 2."""

import importlib
import signal
from typing import Any


class FidipError(Exception):
    """Something in the user's hands is wrong; the message names the file, the record and the remedy."""


class ConfigError(FidipError):
    """A config has an unknown key, a wrong type, or contradicts itself."""


class DataError(FidipError):
    """An annotation, detection or results file, or a picture, cannot be used."""


class WeightsError(FidipError):
    """A checkpoint cannot be read safely or does not fit the network."""


class Interrupted(Exception):
    """A long command was asked to stop and has saved its state. ``status``: exit status, 128 + signal number."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signal_number).name}")
        self.status = 128 + signal_number


def message_of(error: FidipError) -> str:
    """Return the message of an error; of one that a worker process of PyTorch raised, without its traceback."""
    text = str(error)
    if text.startswith("Caught ") and "Original Traceback" in text:
        last = text.strip().splitlines()[-1]
        return last.partition(": ")[2] or last
    return text


def require(module: str, extra: str = "", remedy: str = "") -> Any:
    """Import a module of an optional package.

    Args:
        module: dotted name.
        extra: of fidip, that installs it.
        remedy: what to do instead of installing ``extra``.

    Raises:
        ConfigError: when it cannot be imported; says how to get it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        remedy = remedy or f"pip install 'fidip[{extra}]'"
        raise ConfigError(f"this needs {package}, which cannot be imported: {remedy}") from error
