"""Plain training, on which the adapted kinds build."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fidip.errors import ConfigError
from fidip.losses import heatmap_pck, joints_mse
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


@dataclass(frozen=True)
class Strength:
    """How much adaptation counts, the paper's lambda: constant, or rising from 0 over the stage.

    The rise is 2 / (1 + exp(-10 p)) - 1 at progress p in 0..1 (Ganin et al., JMLR 2016).
    """

    value: float
    warmup: bool = False

    def at(self, progress: float) -> float:
        """The factor at a progress of the stage in 0..1."""
        return self.value * math.tanh(5 * progress) if self.warmup else self.value


class PoseTask(nn.Module):
    """Plain training: the pose loss alone.

    A batch: image (B, 3, H, W), uint8 RGB or ready float input; target (B, K, h, w); weight (B, K);
    synthetic (B,). frozen: names of submodules whose weights and BatchNorm statistics stay as they are.
    joint_weights: (K,) factors. After a call ``observed`` holds plain figures of the batch. progress: how much of
    the stage is done, 0..1; the loop sets it.
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
        self.progress = 0.0

    def train(self, mode: bool = True) -> "PoseTask":
        """Switch to training, except for what is frozen."""
        super().train(mode)
        for module in self.frozen:
            module.eval()
        return self

    def forward(self, batch: dict[str, Tensor]) -> Losses:
        """Losses of one batch: pose."""
        return {"pose": self.pose(batch)[0]}

    def pose(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Pose loss, and the features (B, C, h, w) and heatmaps (B, K, H/4, W/4) it came from."""
        features, heatmaps = self.model(self.pixels(batch))
        return self.loss_of(heatmaps, batch), features, heatmaps

    def loss_of(self, heatmaps: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """Pose loss of heatmaps (B, K, H/4, W/4) against the labels of a batch."""
        weight = batch["weight"]
        if self.joint_weights is not None:
            weight = weight * self.joint_weights
        self.observed = {"pck": heatmap_pck(heatmaps, batch["target"], batch["weight"])}
        return self.pose_loss(
            heatmaps.float(), batch["target"], weight, self.domain_weights.of(batch["synthetic"])
        )

    def pixels(self, batch: dict[str, Tensor]) -> Tensor:
        """Network input (B, 3, H, W), float."""
        image = batch["image"]
        return normalise(image, self.rgb) if image.dtype == torch.uint8 else image
