"""Domain-adapted infant 2D pose estimation (FiDIP)."""

import importlib
from importlib.metadata import version
from typing import Any

__version__ = version("fidip")

# loaded when first used, so that importing the package stays cheap
_LAZY = {
    "load": "fidip.predict.predictor",
    "Predictor": "fidip.predict.predictor",
    "Poses": "fidip.predict.poses",
    "load_config": "fidip.config",
}
__all__ = ["Poses", "Predictor", "__version__", "load", "load_config"]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'fidip' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return __all__
