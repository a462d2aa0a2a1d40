"""State of a training on disk: whole or not at all, the previous one kept, the same on every restart."""

import logging
import os
import pickle
import random
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fidip.errors import FidipError, WeightsError
from fidip.files import atomic_path

logger = logging.getLogger("fidip")

VERSION = 1


@dataclass
class Position:
    """Where a training stands. stage, epoch of the stage and batch of the epoch are those that come next.

    step: optimiser steps of the stage so far; total_step: of the whole training. best: highest validation AP
    so far, at best_epoch; -1 before the first validation. seconds: of work so far that was saved, over all starts.
    """

    stage: int = 0
    epoch: int = 0
    batch: int = 0
    step: int = 0
    total_step: int = 0
    best: float = -1.0
    best_epoch: int = -1
    seconds: float = 0.0


@dataclass(frozen=True)
class Checkpoint:
    """All that a training needs to go on as if it had never stopped.

    key: fingerprint of config and data; a training with another one must not resume from it. states: state
    dicts by name. rng: one entry per process, from ``random_state``.
    """

    key: str
    position: Position
    states: dict[str, Any]
    rng: list[dict[str, Any]]


class CheckpointFile:
    """``checkpoint.pth`` of a run folder, and ``checkpoint_previous.pth``."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "checkpoint.pth"
        self.previous = folder / "checkpoint_previous.pth"

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint; the last one becomes the previous one.

        Raises FidipError when it cannot be written, e.g. on a full disk; both old files are then untouched.
        """
        content = {
            "version": VERSION,
            "key": checkpoint.key,
            "position": asdict(checkpoint.position),
            "states": checkpoint.states,
            "rng": checkpoint.rng,
        }
        try:
            with atomic_path(self.path) as temporary:
                torch.save(content, temporary)
                with temporary.open("rb+") as file:
                    os.fsync(file.fileno())  # a full disk must show before the previous one is given up
                self._keep_previous()
        except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
            kept = (
                f"the checkpoint before is intact in {self.path}"
                if self.path.exists()
                else "there is none yet"
            )
            raise FidipError(
                f"checkpoint {self.path} cannot be saved ({error}); {kept}: free space and go on"
            ) from error

    def _keep_previous(self) -> None:
        """Give the last checkpoint its second name; at no moment is there none."""
        if not self.path.exists():
            return
        link = self.previous.with_name(f".{self.previous.name}.{os.getpid()}.tmp")
        link.unlink(missing_ok=True)
        try:
            try:
                os.link(self.path, link)
            except OSError:  # file systems without hard links
                link.write_bytes(self.path.read_bytes())
            link.replace(self.previous)
        finally:  # renaming does nothing when both names mean one file already, as after a kill in between
            link.unlink(missing_ok=True)

    def clean(self) -> None:
        """Remove what a killed process left half-written in the run folder."""
        for path in self.path.parent.rglob(".*.tmp"):
            path.unlink(missing_ok=True)

    def load(self, key: str) -> Checkpoint | None:
        """The newest readable checkpoint, None if there is none.

        Raises WeightsError when none that exists can be read, or when it belongs to another config or data.
        """
        unreadable = []
        for path in (self.path, self.previous):
            if not path.exists():
                continue
            try:
                content = torch.load(path, map_location="cpu", weights_only=True)
            except (OSError, RuntimeError, ValueError, KeyError, EOFError, pickle.UnpicklingError) as error:
                unreadable.append(f"{path} ({type(error).__name__})")
                logger.warning("checkpoint %s cannot be read (%s)", path, error)
                continue
            return self._checked(content, key, path)
        if unreadable:
            raise WeightsError(
                f"no checkpoint can be read: {', '.join(unreadable)}; delete them to start anew"
            )
        return None

    def _checked(self, content: Any, key: str, path: Path) -> Checkpoint:
        if not isinstance(content, dict) or content.get("version") != VERSION:
            raise WeightsError(f"{path} is no checkpoint of this version; delete it to start anew")
        if content["key"] != key:
            raise WeightsError(
                f"{path} was made with another config, other data or another number of processes; choose another "
                "OUTPUT_DIR, or delete it to start anew"
            )
        return Checkpoint(key, Position(**content["position"]), content["states"], content["rng"])


def random_state() -> dict[str, Any]:
    """States of Python's, numpy's and torch's global generators, as plain values and tensors.

    Reading processes need none: augmentation derives from the seed and the number of the draw.
    """
    name, keys, position, has_gauss, cached = np.random.get_state()
    version, internal, gauss = random.getstate()
    return {
        "python": [version, list(internal), gauss],
        "numpy": [name, torch.from_numpy(np.asarray(keys).astype(np.int64)), position, has_gauss, cached],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Restore what ``random_state`` returned."""
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
