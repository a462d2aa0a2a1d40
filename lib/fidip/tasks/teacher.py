"""Adaptation by a mean teacher: on real pictures the net agrees with its own running mean, whatever is done to them."""

from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from fidip.tasks.pose import PoseTask, Step, Strength


def perturbed(image: Tensor) -> Tensor:
    """Network input (B, 3, H, W) with random contrast, brightness, colour, noise and an erased rectangle each.

    Nothing moves, so that heatmaps stay where they are.
    """
    count, _, height, width = image.shape

    def draw(low: float, high: float, channels: int = 1) -> Tensor:
        values = torch.rand(count, channels, 1, 1, device=image.device, dtype=image.dtype)
        return low + (high - low) * values

    out = image * draw(0.6, 1.4) * draw(0.85, 1.15, 3) + draw(-0.4, 0.4)
    out = out + torch.randn_like(image) * draw(0, 0.25)
    rows = torch.arange(height, device=image.device).view(1, 1, -1, 1) / height
    columns = torch.arange(width, device=image.device).view(1, 1, 1, -1) / width
    erased = ((rows - draw(0, 1)).abs() < draw(0.05, 0.2)) & ((columns - draw(0, 1)).abs() < draw(0.05, 0.2))
    return out.masked_fill(erased, 0.0)


class MeanTeacherTask(PoseTask):
    """The pose loss, and strength * the same loss between perturbed real pictures and the teacher's maps of them.

    The teacher is the running mean of the net's weights (Tarvainen & Valpola, NeurIPS 2017; for poses: Kim et al.,
    ECCV 2022). Its answers need no labels: with the pose loss of real samples off, adaptation is unsupervised.
    """

    def __init__(
        self, model: torch.nn.Module, teacher: AveragedModel, strength: Strength, **options: Any
    ) -> None:
        super().__init__(model, **options)
        self.teacher, self.strength = teacher.requires_grad_(False), strength

    def train(self, mode: bool = True) -> "MeanTeacherTask":
        """Switch to training; the teacher predicts."""
        super().train(mode)
        self.teacher.eval()
        return self

    def step(self, batch: dict[str, Tensor], progress: float) -> Step:
        """Compute the losses of one batch: pose, consistency; the latter is 0 without a real sample."""
        self.teacher.update_parameters(self.model)  # with the weights that the last step left
        image = self.pixels(batch)
        real = batch["synthetic"] < 0.5
        if not real.any():
            pose, features, _ = self.pose(batch)
            return Step({**pose.losses, "consistency": features.float().sum() * 0}, pose.figures)
        with torch.no_grad():
            aim = self.teacher(image[real])[1].float()
        heatmaps = self.model(torch.cat([image, perturbed(image[real])]))[1]
        count = len(image)
        every = torch.ones(aim.shape[:2], dtype=aim.dtype, device=aim.device)
        away = self.pose_loss(heatmaps[count:].float(), aim, every, None)
        pose = self.judge(heatmaps[:count], batch)
        return Step({**pose.losses, "consistency": self.strength.at(progress) * away}, pose.figures)
