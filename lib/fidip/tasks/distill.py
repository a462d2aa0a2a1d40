"""Distillation: a small network learns from the heatmaps of a larger one, on images with or without labels."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fidip.tasks.pose import PoseTask, Step


class DistillTask(PoseTask):
    """The pose loss, and ``factor`` times the squared error between the heatmaps of the network and of a teacher.

    Hinton et al., 2015; for heatmaps Zhang et al. (FPD), CVPR 2019. The teacher sees the same crops, resized to its
    own input size ``size`` (W, H) px. Its answers need no labels: with the pose loss of unlabelled samples off
    (LOSS.REAL_WEIGHT, LOSS.SYNTHETIC_WEIGHT) they are learnt from all the same.
    """

    def __init__(
        self, model: nn.Module, teacher: nn.Module, size: tuple[int, int], factor: float, **options: Any
    ) -> None:
        super().__init__(model, **options)
        self._teacher = [teacher.requires_grad_(False).eval()]  # in a list: no part of the task's parameters
        self.size, self.factor = size, factor

    def step(self, batch: dict[str, Tensor], progress: float) -> Step:
        """Compute the losses of one batch: pose, distill."""
        pose, _, heatmaps = self.pose(batch)
        aim = self.answers(self.pixels(batch), (heatmaps.shape[3], heatmaps.shape[2]))
        difference = (heatmaps.float() - aim).square()
        return Step({**pose.losses, "distill": self.factor * 0.5 * difference.mean()}, pose.figures)

    @torch.no_grad()
    def answers(self, images: Tensor, size: tuple[int, int]) -> Tensor:
        """The teacher's heatmaps (B, K, h, w) of normalised images (B, 3, H, W), at ``size`` (w, h) px."""
        teacher = self._teacher[0].to(images.device)
        heatmaps = teacher(_resized(images, self.size))[1]
        return _resized(heatmaps, size).float()


def _resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (B, C, H, W) to ``size`` (w, h); outermost pixel centres stay on each other, as in fidip.geometry."""
    if tuple(maps.shape[:1:-1]) == size:
        return maps
    return F.interpolate(maps, size[::-1], mode="bilinear", align_corners=True)
