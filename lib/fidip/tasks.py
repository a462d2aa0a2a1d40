"""Tasks: a batch in, named losses out. The loop that trains them never knows which one it has."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fidip.errors import ConfigError
from fidip.losses import heatmap_pck, joints_mse
from fidip.models.domain import reverse_gradient
from fidip.pixels import normalise

Losses = dict[str, Tensor]
PoseLoss = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]


def frozen_names(model: nn.Module, wanted: Sequence[str]) -> list[str]:
    """Resolve names of submodules and presets of the net (its ``freeze_presets``) to submodule names.

    Raises ConfigError for a name that matches nothing, so that a typo cannot train what should be fixed.
    """
    presets = getattr(model, "freeze_presets", {})
    names = [name for entry in wanted for name in presets.get(entry, (entry,))]
    known = dict(model.named_modules())
    unknown = [name for name in names if not name or name not in known]
    if unknown:
        choices = [*presets, *(name for name, _ in model.named_children())]
        raise ConfigError(
            f"TRAIN.FREEZE names {', '.join(unknown)}, which the net lacks; it has {', '.join(choices)}"
        )
    return names


@dataclass(frozen=True)
class DomainWeights:
    """Factors on the pose loss of real and synthetic samples: the paper's S(I)."""

    real: float = 1.0
    synthetic: float = 1.0

    def of(self, synthetic: Tensor) -> Tensor | None:
        """(B,) factors for (B,) labels; None when both are 1."""
        if self.real == self.synthetic == 1.0:
            return None
        return torch.where(synthetic > 0.5, self.synthetic, self.real).to(synthetic.dtype)


EQUAL = DomainWeights()


class PoseTask(nn.Module):
    """Plain training: the pose loss alone.

    A batch: image (B, 3, H, W), uint8 RGB or ready float input; target (B, K, h, w); weight (B, K);
    synthetic (B,). frozen: names of submodules whose weights and BatchNorm statistics stay as they are.
    joint_weights: (K,) factors. After a call ``observed`` holds plain figures of the batch.
    """

    def __init__(
        self,
        model: nn.Module,
        pose_loss: PoseLoss = joints_mse,
        frozen: Sequence[str] = (),
        joint_weights: Sequence[float] = (),
        domain_weights: DomainWeights = EQUAL,
        rgb: bool = True,
    ) -> None:
        super().__init__()
        self.model, self.pose_loss, self.domain_weights, self.rgb = model, pose_loss, domain_weights, rgb
        self.joint_weights: Tensor | None
        weights = torch.tensor(joint_weights) if joint_weights else None
        self.register_buffer("joint_weights", weights, persistent=False)
        model.requires_grad_(True)  # an earlier task may have fixed it
        self.frozen = [model.get_submodule(name) for name in frozen_names(model, frozen)]
        for module in self.frozen:
            module.requires_grad_(False)
        self.observed: dict[str, Tensor] = {}

    def train(self, mode: bool = True) -> "PoseTask":
        """Switch to training, except for what is frozen."""
        super().train(mode)
        for module in self.frozen:
            module.eval()
        return self

    def forward(self, batch: dict[str, Tensor]) -> Losses:
        """Losses of one batch: pose."""
        return {"pose": self.pose(batch)[0]}

    def pose(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Pose loss and the features (B, C, h, w) it came from."""
        features, heatmaps = self.model(self.pixels(batch))
        weight = batch["weight"]
        if self.joint_weights is not None:
            weight = weight * self.joint_weights
        self.observed = {"pck": heatmap_pck(heatmaps, batch["target"], batch["weight"])}
        loss = self.pose_loss(
            heatmaps.float(), batch["target"], weight, self.domain_weights.of(batch["synthetic"])
        )
        return loss, features

    def pixels(self, batch: dict[str, Tensor]) -> Tensor:
        """Network input (B, 3, H, W), float."""
        image = batch["image"]
        return normalise(image, self.rgb) if image.dtype == torch.uint8 else image


class AdaptivePoseTask(PoseTask):
    """FiDIP: the pose loss, and a domain loss whose gradient is reversed on its way into the features.

    The classifier descends on the domain loss, the pose net on pose - weight * domain, in one backward pass
    (equal to the published two-step procedure but for the classifier's half-step lead).
    """

    def __init__(
        self,
        model: nn.Module,
        classifier: nn.Module,
        weight: float,
        pose_loss: PoseLoss = joints_mse,
        frozen: Sequence[str] = (),
        joint_weights: Sequence[float] = (),
        domain_weights: DomainWeights = EQUAL,
        rgb: bool = True,
    ) -> None:
        super().__init__(model, pose_loss, frozen, joint_weights, domain_weights, rgb)
        self.classifier, self.weight = classifier, weight

    def forward(self, batch: dict[str, Tensor]) -> Losses:
        """Losses of one batch: pose, domain."""
        pose, features = self.pose(batch)
        logits = self.classifier(reverse_gradient(features, self.weight))
        self.observed |= {"domain_accuracy": domain_accuracy(logits, batch["synthetic"])}
        return {
            "pose": pose,
            "domain": F.binary_cross_entropy_with_logits(logits.float(), batch["synthetic"]),
        }


class DomainWarmupTask(nn.Module):
    """Train the domain classifier on the features of a pose net that stays as it is.

    The pose net runs without a graph and with its stored BatchNorm statistics.
    """

    def __init__(self, model: nn.Module, classifier: nn.Module, rgb: bool = True) -> None:
        super().__init__()
        self.model, self.classifier, self.rgb = model, classifier, rgb
        self.model.requires_grad_(False)
        self.observed: dict[str, Tensor] = {}

    def train(self, mode: bool = True) -> "DomainWarmupTask":
        """Switch the classifier to training; the pose net never trains here."""
        super().train(mode)
        self.model.eval()
        return self

    def forward(self, batch: dict[str, Tensor]) -> Losses:
        """Losses of one batch: domain."""
        image = batch["image"]
        with torch.no_grad():
            features = self.model(normalise(image, self.rgb) if image.dtype == torch.uint8 else image)[0]
        logits = self.classifier(features)
        self.observed = {"domain_accuracy": domain_accuracy(logits, batch["synthetic"])}
        return {"domain": F.binary_cross_entropy_with_logits(logits.float(), batch["synthetic"])}


@torch.no_grad()
def domain_accuracy(logits: Tensor, synthetic: Tensor) -> Tensor:
    """Share of samples (B,) on the right side of 0, a scalar in 0..1."""
    return ((logits > 0) == (synthetic > 0.5)).float().mean()
