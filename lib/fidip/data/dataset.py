"""Records -> samples. Knows no file format, no augmentation policy, no metric."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from fidip.codec import HeatmapCodec
from fidip.data.appearance import AppearancePolicy
from fidip.data.augment import CropPolicy
from fidip.data.records import Record
from fidip.geometry import heatmap_matrix, transform
from fidip.pixels import read_rgb

Draw = tuple[int, int]  # record index, number of the draw: the seed of its augmentation


class PoseDataset(Dataset[dict[str, Any]]):
    """Samples for training and testing.

    A sample: image uint8 (3, H, W) RGB; target (K, h, w); weight (K,); joints (K, 2) heatmap px; matrix
    (2, 3) image px -> crop px, float64; synthetic 0/1; index of its record.
    """

    def __init__(
        self,
        records: Sequence[Record],
        policy: CropPolicy,
        codec: HeatmapCodec,
        seed: int = 0,
        exif: bool = False,
        appearance: AppearancePolicy | None = None,
    ) -> None:
        self.records, self.policy, self.codec = list(records), policy, codec
        self.seed, self.exif, self.appearance = seed, exif, appearance
        self.to_heatmap = heatmap_matrix(policy.size, codec.size)

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, key: int | Draw) -> dict[str, Any]:
        """Sample ``index`` without augmentation, or ``(index, draw)`` augmented; equal draws are equal samples."""
        index, rng = (
            (key, None) if isinstance(key, int) else (key[0], np.random.default_rng([self.seed, key[1]]))
        )
        record = self.records[index]
        crop = self.policy(read_rgb(record.image, self.exif), record.box, record.keypoints, rng)
        image = torch.from_numpy(crop.image).permute(2, 0, 1).contiguous()
        if self.appearance is not None and rng is not None:
            image = self.appearance(image, rng)
        joints = transform(self.to_heatmap, crop.keypoints[:, :2])
        target, weight = self.codec.encode(joints, crop.keypoints[:, 2] > 0)
        return {
            "image": image,
            "target": torch.from_numpy(target),
            "weight": torch.from_numpy(weight),
            "joints": torch.from_numpy(joints.astype(np.float32)),
            "matrix": torch.from_numpy(crop.matrix),
            "synthetic": torch.tensor(float(record.synthetic)),
            "index": index,
        }
