"""Pictures of a training batch: crops with labelled and predicted joints, target and predicted heatmaps."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from fidip.codec import HeatmapCodec
from fidip.evaluation.pictures import PREDICTION_PEN, TRUTH_COLOURS, Pen, draw_joints
from fidip.files import atomic_path
from fidip.geometry import compose, heatmap_matrix, invert, transform
from fidip.pixels import normalise
from fidip.skeleton import Skeleton

COLUMNS = 8  # samples shown
HEIGHT = 224  # px of a row
TRUTH_PEN = Pen(TRUTH_COLOURS, PREDICTION_PEN.width, PREDICTION_PEN.radius)  # thin: it has tiles of its own


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
