"""Adaptation without a classifier: make statistics of the two domains' features alike."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from fidip.tasks.pose import PoseTask, Step, Strength

Distance = Callable[[Tensor, Tensor], Tensor]
WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)  # kernel widths as multiples of the median distance


def mmd(one: Tensor, other: Tensor) -> Tensor:
    """Squared maximum mean discrepancy of samples (N, C) and (M, C), a scalar >= 0.

    Mean of Gaussian kernels around the median distance, which is taken as given (DAN, Long et al., ICML 2015).
    """
    joined = torch.cat([one, other])
    squared = torch.cdist(joined, joined, compute_mode="donot_use_mm_for_euclid_dist").square()
    off = ~torch.eye(len(joined), dtype=torch.bool, device=joined.device)
    median = squared.detach()[off].median().clamp_min(1e-12)
    kernel = torch.stack([torch.exp(-squared / (2 * width**2 * median)) for width in WIDTHS]).mean(dim=0)
    count = len(one)
    return kernel[:count, :count].mean() + kernel[count:, count:].mean() - 2 * kernel[:count, count:].mean()


def coral(one: Tensor, other: Tensor) -> Tensor:
    """Squared distance of the covariances of samples (N, C) and (M, C) over 4 C^2 (Sun & Saenko, ECCV-W 2016)."""
    return (_covariance(one) - _covariance(other)).square().sum() / (4 * one.shape[1] ** 2)


def _covariance(samples: Tensor) -> Tensor:
    centred = samples - samples.mean(dim=0)
    return centred.T @ centred / (len(samples) - 1)


class MatchedPoseTask(PoseTask):
    """The pose loss, and strength * distance of the features of real and synthetic samples, mean over the map."""

    def __init__(self, model: nn.Module, distance: Distance, strength: Strength, **options: Any) -> None:
        super().__init__(model, **options)
        self.distance, self.strength = distance, strength

    def step(self, batch: dict[str, Tensor], progress: float) -> Step:
        """Compute the losses of one batch: pose, domain; the latter is 0 with fewer than two samples of a domain."""
        pose, features, _ = self.pose(batch)
        means = features.float().mean(dim=(2, 3))
        synthetic = batch["synthetic"] > 0.5
        real, made = means[~synthetic], means[synthetic]
        if min(len(real), len(made)) < 2:
            domain = means.sum() * 0
        else:
            domain = self.strength.at(progress) * self.distance(real, made)
        return Step({**pose.losses, "domain": domain}, pose.figures)
