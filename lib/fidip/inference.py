"""From crops to joints in the picture: forward pass, flip test, decoding, streaming of features."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from fidip.codec import HeatmapCodec
from fidip.data.records import Record
from fidip.evaluation import CocoEvaluator
from fidip.files import atomic_path
from fidip.geometry import compose, heatmap_matrix, invert, transform
from fidip.pixels import normalise
from fidip.skeleton import Skeleton


@dataclass(frozen=True)
class Prediction:
    """Joints of one batch. index: (B,) record numbers. xy: (B, K, 2) image px. score: (B, K) heatmap maxima.

    features: (B, C, h, w) on the CPU, of the crop that was not mirrored.
    """

    index: np.ndarray
    xy: np.ndarray
    score: np.ndarray
    features: Tensor


class Estimator:
    """A network with all that turns crops into joints.

    flip: average with the heatmaps of the mirrored crop (no one-pixel shift: they are exact mirrors).
    rgb: False for nets that were trained on BGR. precision: fp32, bf16 or fp16 of the forward pass.
    """

    def __init__(
        self,
        model: nn.Module,
        codec: HeatmapCodec,
        size: tuple[int, int],
        skeleton: Skeleton,
        device: torch.device,
        flip: bool = True,
        rgb: bool = True,
        precision: str = "fp32",
    ) -> None:
        self.model, self.codec, self.device = model.to(device), codec, device
        self.flip, self.rgb = flip, rgb
        self.dtype = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
        self.flip_order = torch.from_numpy(skeleton.flip_order).to(device)
        self.to_heatmap = heatmap_matrix(size, codec.size)

    @torch.inference_mode()
    def heatmaps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """RGB uint8 crops (B, 3, H, W) -> features (B, C, h, w) and heatmaps (B, K, H/4, W/4), float32."""
        self.model.eval()
        pixels = normalise(images.to(self.device, non_blocking=True), self.rgb)
        with torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype is not None):
            features, heatmaps = self.model(pixels)
            if self.flip:
                mirrored = self.model(pixels.flip(3))[1]
                heatmaps = (heatmaps + mirrored.flip(3)[:, self.flip_order]) / 2
        return features.float(), heatmaps.float()

    def predict(self, batch: dict[str, Tensor]) -> Prediction:
        """Joints of one batch of crops (``image``, ``matrix``, ``index`` of fidip.data.dataset)."""
        features, heatmaps = self.heatmaps(batch["image"])
        xy, score = self.codec.decode(heatmaps)
        return Prediction(
            index=np.asarray(batch["index"]),
            xy=self.to_image(xy.cpu().numpy(), batch["matrix"].numpy()),
            score=score.cpu().numpy(),
            features=features.cpu(),
        )

    def to_image(self, xy: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        """Map (B, K, 2) heatmap px back to image px through crops made with ``matrix`` (B, 2, 3)."""
        maps = np.stack([compose(self.to_heatmap, one) for one in matrix])
        return transform(invert(maps), xy)

    def run(self, loader: Iterable[dict[str, Tensor]]) -> Iterator[Prediction]:
        """Predict batch after batch; nothing is kept."""
        for batch in loader:
            yield self.predict(batch)


def score_predictions(
    predictions: Iterable[Prediction],
    records: Sequence[Record],
    areas: Sequence[float],
    evaluator: CocoEvaluator,
) -> None:
    """Hand predictions to the evaluator, as validation and test do.

    Args:
        predictions: batches, in any order.
        records: N persons; ``Prediction.index`` counts them.
        areas: (N,) px^2 that each crop covers.
        evaluator: takes them; ``summarize`` gives the scores.
    """
    for prediction in predictions:
        chosen = [records[i] for i in prediction.index]
        evaluator.add(
            [record.image_id for record in chosen],
            prediction.xy,
            prediction.score,
            np.array([record.score for record in chosen]),
            np.array([areas[i] for i in prediction.index]),
        )


def save_features(predictions: Iterable[Prediction], path: Path, count: int) -> Iterator[Prediction]:
    """Pass predictions on while their features go to ``path``, a .npy of (count, C, h, w) float16.

    Row i belongs to record i; memory stays constant. The file appears once all ``count`` rows are there.
    """
    path = path.with_suffix(".npy")
    with atomic_path(path) as temporary:
        rows: np.memmap | None = None
        for prediction in predictions:
            features = prediction.features.numpy()
            if rows is None:
                shape = (count, *features.shape[1:])
                rows = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float16, shape=shape)
            rows[prediction.index] = features
            yield prediction
        if rows is not None:
            rows.flush()
