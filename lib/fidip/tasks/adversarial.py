"""Adaptation by a domain classifier behind a gradient reversal: FiDIP, and its form conditioned on the joints."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fidip.models.domain import reverse_gradient
from fidip.pixels import normalise
from fidip.tasks.pose import PoseTask, Step, Strength, Task

View = Callable[
    [Tensor, Tensor], Tensor
]  # features (B, C, h, w), heatmaps (B, K, H, W) -> what is classified


def features_alone(features: Tensor, heatmaps: Tensor) -> Tensor:
    """FiDIP: the classifier sees the features (B, C, h, w)."""
    return features


def features_at_joints(features: Tensor, heatmaps: Tensor) -> Tensor:
    """The features where each joint is thought to be, (B, K C, 1, 1).

    The multilinear map of features and predictions of conditional adversarial adaptation (CDAN, Long et al.,
    NeurIPS 2018): heatmaps (B, K, H, W) as distributions over the feature map's places (h, w) weigh the features.
    As there, no gradient goes into the predictions.
    """
    maps = F.adaptive_avg_pool2d(
        heatmaps.detach().float().clamp_min(0), (features.shape[2], features.shape[3])
    )
    share = maps.flatten(2) / maps.flatten(2).sum(dim=2, keepdim=True).clamp_min(1e-12)
    joined = torch.einsum("bkp,bcp->bkc", share, features.float().flatten(2))
    return joined.flatten(1)[..., None, None]


class AdaptivePoseTask(PoseTask):
    """FiDIP: the pose loss, and a domain loss whose gradient is reversed on its way into the features.

    The classifier descends on the domain loss, the pose net on pose - strength * domain, in one backward pass
    (equal to the published two-step procedure but for the classifier's half-step lead).
    """

    def __init__(
        self,
        model: nn.Module,
        classifier: nn.Module,
        strength: Strength,
        view: View = features_alone,
        **options: Any,
    ) -> None:
        super().__init__(model, **options)
        self.classifier, self.strength, self.view = classifier, strength, view

    def step(self, batch: dict[str, Tensor], progress: float) -> Step:
        """Compute the losses of one batch: pose, domain."""
        pose, features, heatmaps = self.pose(batch)
        seen = self.view(features, heatmaps)
        logits = self.classifier(reverse_gradient(seen, self.strength.at(progress)))
        domain = judge_domain(logits, batch["synthetic"])
        return Step({**pose.losses, **domain.losses}, {**pose.figures, **domain.figures})


class DomainWarmupTask(Task):
    """Train the domain classifier on the features of a pose net that stays as it is.

    The pose net runs without a graph and with its stored BatchNorm statistics.
    """

    def __init__(
        self, model: nn.Module, classifier: nn.Module, rgb: bool = True, view: View = features_alone
    ) -> None:
        super().__init__()
        self.model, self.classifier, self.rgb, self.view = model, classifier, rgb, view
        self.model.requires_grad_(False)

    def train(self, mode: bool = True) -> "DomainWarmupTask":
        """Switch the classifier to training; the pose net never trains here."""
        super().train(mode)
        self.model.eval()
        return self

    def step(self, batch: dict[str, Tensor], progress: float) -> Step:
        """Compute the loss of one batch: domain."""
        image = batch["image"]
        with torch.no_grad():
            outputs = self.model(normalise(image, self.rgb) if image.dtype == torch.uint8 else image)
        return judge_domain(self.classifier(self.view(*outputs)), batch["synthetic"])


def judge_domain(logits: Tensor, synthetic: Tensor) -> Step:
    """Compare logits (B,) with the labels (B,), 1 for synthetic: loss domain, figure domain_accuracy."""
    accuracy = domain_accuracy(logits, synthetic)
    loss = F.binary_cross_entropy_with_logits(logits.float(), synthetic)
    return Step({"domain": loss}, {"domain_accuracy": accuracy})


@torch.no_grad()
def domain_accuracy(logits: Tensor, synthetic: Tensor) -> Tensor:
    """Share of samples (B,) on the right side of 0, a scalar in 0..1."""
    return ((logits > 0) == (synthetic > 0.5)).float().mean()
