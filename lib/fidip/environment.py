"""What a run runs in: device, random seed, log, versions."""

import contextlib
import logging
import platform
import random
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fidip.errors import ConfigError

if TYPE_CHECKING:  # torch is loaded when it is used, so that `--help` answers at once
    import torch

logger = logging.getLogger("fidip")


_REPORTED_PACKAGES = (
    "fidip",
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "opencv-python-headless",
    "pycocotools",
)


def seed_everything(seed: int) -> np.random.Generator:
    """Seed Python, numpy and torch, and return the generator from which the rest derives."""
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    return np.random.default_rng(seed)


def choose_device(name: str = "auto") -> "torch.device":
    """Turn "auto", "cpu", "cuda", "cuda:1" or "mps" into a device; auto takes the fastest there is.

    Raises ConfigError for a device that this machine does not have.
    """
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"DEVICE {name!r} is not usable here ({reason}); use auto or cpu") from error
    return torch.device(name)


def setup_logging(log_file: Path | None = None, level: int = logging.INFO) -> None:
    """Send the package's messages to stderr and, with ``log_file``, to that file too."""
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    logger.setLevel(level)
    logger.propagate = False
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    handlers[0].setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    if log_file is not None:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(log_file, encoding="utf-8"))
        handlers[1].setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for handler in handlers:
        logger.addHandler(handler)


def provenance(argv: list[str] | None = None) -> dict[str, Any]:
    """Command, versions, machine and git state, to be saved beside a result."""
    versions = {}
    for package in _REPORTED_PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            versions[package] = version(package)
    return {
        "command": list(sys.argv if argv is None else argv),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": versions,
        "git": git_state(Path(__file__).parent),
    }


def git_state(folder: Path) -> dict[str, Any]:
    """Commit and cleanliness of the checkout that holds ``folder``; empty outside a checkout or without git."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.CalledProcessError):
        return {}
