"""Packages that are needed for the analysis of domains alone."""

import importlib
from typing import Any

from fidip.errors import ConfigError


def require(module: str, remedy: str = "pip install 'fidip[analysis]'") -> Any:
    """Import an optional module. Raises ConfigError that says how to get it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ConfigError(f"the domain gap needs {package}, which cannot be imported: {remedy}") from error
