"""Domain-adapted infant 2D pose estimation (FiDIP)."""

from importlib.metadata import version

__version__ = version("fidip")
