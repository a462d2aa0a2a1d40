"""What a training shows: progress, scalars, alarms in words, images of its batches."""

import logging
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from tensorboardX import SummaryWriter
from torch import Tensor, nn
from tqdm import tqdm

from fidip.codec import HeatmapCodec
from fidip.drawing import PREDICTION_PEN, TRUTH_COLOURS, Pen, draw_joints
from fidip.files import atomic_path
from fidip.geometry import compose, heatmap_matrix, invert, transform
from fidip.pixels import normalise
from fidip.progress import time_in_words
from fidip.skeleton import Skeleton

logger = logging.getLogger("fidip")

SATURATED = 0.995  # domain accuracy from which the reversed gradient carries nothing
BELOW_CHANCE = 0.35  # domain accuracy of a classifier that is pushed the wrong way
ENOUGH = 64  # samples before an accuracy is judged: a few are below chance by chance
COLUMNS = 8  # samples shown
HEIGHT = 224  # px of a row
TRUTH_PEN = Pen(TRUTH_COLOURS, PREDICTION_PEN.width, PREDICTION_PEN.radius)  # thin: it has tiles of its own


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


@dataclass(frozen=True)
class BatchGrid:
    """Every ``every`` steps, writes one picture of the batch into ``folder``.

    Rows as asked for: crops with labels (blue), crops with predictions (orange), target maps, predicted maps.
    """

    folder: Path
    every: int
    codec: HeatmapCodec
    size: tuple[int, int]
    skeleton: Skeleton
    rgb: bool = True
    truth: bool = True
    prediction: bool = True
    target_maps: bool = True
    predicted_maps: bool = True

    def __call__(self, model: nn.Module, batch: Mapping[str, Tensor], step: int) -> None:
        """Draw when it is time; the model is asked once more, in its test mode, and left as it was."""
        if step % self.every and step != 1:
            return
        images = batch["image"][:COLUMNS]
        maps = self._predict(model, images)
        sheet = np.vstack(
            self._rows({k: v[:COLUMNS].cpu() for k, v in batch.items() if isinstance(v, Tensor)}, maps)
        )
        encoded = cv2.imencode(".jpg", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))[1]
        with atomic_path(self.folder / f"step_{step:07d}.jpg") as temporary:
            temporary.write_bytes(encoded.tobytes())

    @torch.no_grad()
    def _predict(self, model: nn.Module, images: Tensor) -> Tensor:
        modes = {module: module.training for module in model.modules()}
        device = next(model.parameters()).device
        maps = model.eval()(normalise(images.to(device), self.rgb))[1]
        for module, training in modes.items():
            module.training = training
        return maps.float().cpu()

    def _rows(self, batch: Mapping[str, Tensor], maps: Tensor) -> list[np.ndarray]:
        crops = [_scaled(image.permute(1, 2, 0).numpy()) for image in batch["image"]]
        everything = np.ones(self.skeleton.num_joints, dtype=bool)
        to_tile = self._to_tile()
        rows = []
        if self.truth:
            shown = batch["weight"].numpy() > 0
            joints = transform(to_tile, batch["joints"].numpy())
            rows.append([self._drawn(*one, TRUTH_PEN) for one in zip(crops, joints, shown, strict=True)])
        if self.prediction:
            joints = transform(to_tile, self.codec.decode(maps)[0].numpy())
            rows.append(
                [self._drawn(c, j, everything, PREDICTION_PEN) for c, j in zip(crops, joints, strict=True)]
            )
        if self.target_maps:
            rows.append([_heat(c, m) for c, m in zip(crops, batch["target"].numpy(), strict=True)])
        if self.predicted_maps:
            rows.append([_heat(c, m) for c, m in zip(crops, maps.numpy(), strict=True)])
        return [np.hstack(row) for row in rows]

    def _to_tile(self) -> np.ndarray:
        """(2, 3), heatmap px -> px of a scaled crop."""
        factor = HEIGHT / self.size[1]
        scale = np.array([[factor, 0, (factor - 1) / 2], [0, factor, (factor - 1) / 2]])  # pixel centres
        return compose(scale, invert(heatmap_matrix(self.size, self.codec.size)))

    def _drawn(self, crop: np.ndarray, joints: np.ndarray, shown: np.ndarray, pen: Pen) -> np.ndarray:
        tile = crop.copy()
        draw_joints(tile, joints, shown, pen, self.skeleton)
        return tile


def _heat(crop: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """A dimmed crop under the brightest of its (K, h, w) maps, each map scaled to its own maximum."""
    peak = np.maximum(maps.max(axis=(1, 2), keepdims=True), 1e-6)
    heat = np.clip(maps / peak, 0, 1).max(axis=0)
    heat = cv2.resize(heat.astype(np.float32), crop.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    coloured = cv2.cvtColor(
        cv2.applyColorMap((255 * heat).astype(np.uint8), cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB
    )
    return cv2.addWeighted(crop, 0.4, coloured, 0.8, 0)


def _scaled(crop: np.ndarray) -> np.ndarray:
    width = round(crop.shape[1] * HEIGHT / crop.shape[0])
    way = cv2.INTER_AREA if crop.shape[0] > HEIGHT else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(crop), (width, HEIGHT), interpolation=way)
