"""What a training shows: progress, scalars, alarms in words."""

import logging
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from tensorboardX import SummaryWriter
from torch import Tensor
from tqdm import tqdm

from fidip.files import atomic_path
from fidip.progress import time_in_words

logger = logging.getLogger("fidip")

SATURATED = 0.995  # domain accuracy from which the reversed gradient carries nothing
BELOW_CHANCE = 0.35  # domain accuracy of a classifier that is pushed the wrong way
ENOUGH = 64  # samples before an accuracy is judged: a few are below chance by chance


class Monitor:
    """Collects figures of steps; every ``every`` steps shows their means. Only the main process shows any.

    Figures stay tensors until they are shown, so that a GPU need not be waited for at each step.
    """

    def __init__(self, folder: Path | None, every: int, main: bool = True) -> None:
        self.every, self.main = every, main
        self.writer = SummaryWriter(str(folder)) if main and folder is not None else None
        self._bar: tqdm | None = None
        self._reset()
        self._alarmed: set[str] = set()
        self._right = self._judged = 0.0

    def _reset(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._steps = self._images = 0
        self._start = time.monotonic()

    def begin_epoch(self, name: str, total: int, done: int, later: int = 0) -> None:
        """Open the progress of an epoch of ``total`` batches, ``done`` of which lie behind.

        later: batches of the epochs that follow; they count in the time that is left.
        """
        self._name, self._total, self._done, self._later = name, total, done, later
        self._alarmed.clear()
        self._reset()
        if self.main and sys.stderr.isatty():
            self._bar = tqdm(total=total, initial=done, desc=name, unit="batch", dynamic_ncols=True)

    def step(
        self, figures: Mapping[str, Tensor | float], images: int, rate: float, step: int
    ) -> dict[str, float]:
        """Take the figures of one batch; returns the means when it is time to show them, else nothing."""
        for name, value in figures.items():
            value = torch.as_tensor(value).detach().float()
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._steps += 1
        self._images += images
        self._done += 1
        if self._bar is not None:
            self._bar.update()
        if self._steps < self.every and self._done < self._total:
            return {}
        means = {name: (value / self._steps).item() for name, value in self._sums.items()}
        speed = self._images / max(time.monotonic() - self._start, 1e-9)
        self._show({**means, "lr": rate, "images_per_s": speed}, step)
        self._alarm(means, self._images)
        self._reset()
        return means

    def _show(self, means: dict[str, float], step: int) -> None:
        if self.writer is not None:
            for name, value in means.items():
                self.writer.add_scalar(f"train/{name}", value, step)
        text = ", ".join(f"{name} {value:.4g}" for name, value in means.items())
        text += f", {time_in_words((self._total - self._done + self._later) * self._batch_seconds())} left"
        if self._bar is not None:
            self._bar.set_postfix_str(text)
        elif self.main:
            logger.info("%s: %d/%d, %s", self._name, self._done, self._total, text)

    def _batch_seconds(self) -> float:
        return (time.monotonic() - self._start) / max(self._steps, 1)

    def _alarm(self, means: Mapping[str, float], images: int) -> None:
        if "domain_accuracy" not in means:
            return
        self._right += means["domain_accuracy"] * images
        self._judged += images
        if self._judged < ENOUGH:
            return
        accuracy = self._right / self._judged
        self._right = self._judged = 0.0
        if accuracy > SATURATED:
            self._warn("saturated", f"domain accuracy is {accuracy:.3f}: the classifier is saturated, its reversed "
                       "gradient vanishes; a larger TRAIN.LAMBDA or a smaller TRAIN.CLASSIFIER_LR may help")  # fmt: skip
        elif accuracy < BELOW_CHANCE:
            self._warn("below chance", f"domain accuracy is {accuracy:.3f}, below chance: features move faster than the "
                       "classifier follows; a smaller TRAIN.LAMBDA or a larger TRAIN.CLASSIFIER_LR may help")  # fmt: skip

    def _warn(self, kind: str, text: str) -> None:
        if self.main and kind not in self._alarmed:
            self._alarmed.add(kind)
            logger.warning("%s: %s", self._name, text)

    def scalars(self, group: str, values: Mapping[str, float | None], step: int) -> None:
        """Write figures of a validation."""
        if self.writer is not None:
            for name, value in values.items():
                if value is not None:
                    self.writer.add_scalar(f"{group}/{name}", value, step)

    def end_epoch(self) -> None:
        """Close the progress of an epoch."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        self._write_out(lambda writer: writer.flush())

    def close(self) -> None:
        """Close everything."""
        self.end_epoch()
        self._write_out(lambda writer: writer.close())

    def _write_out(self, action: Callable[[SummaryWriter], None]) -> None:
        """Scalars are not worth a training: when their disk is full, it goes on without them."""
        if self.writer is None:
            return
        try:
            action(self.writer)
        except OSError as error:
            logger.warning(
                "scalars in %s cannot be written (%s): there will be no more", self.writer.logdir, error
            )
            self.writer = None


def save_bad_batch(path: Path, batch: Mapping[str, Tensor], losses: Mapping[str, Tensor]) -> None:
    """Keep the batch whose loss was not finite, for a look at it."""
    content = {
        "batch": dict(batch),
        "losses": {name: value.detach().cpu() for name, value in losses.items()},
    }
    with atomic_path(path) as temporary:
        torch.save(content, temporary)
