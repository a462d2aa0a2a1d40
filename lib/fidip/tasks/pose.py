"""What a task is, and plain training, on which the adapted kinds build."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fidip.errors import ConfigError
from fidip.losses import heatmap_pck, joints_mse
from fidip.pixels import normalise

PoseLoss = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]


class Step(NamedTuple):
    """What a task makes of a batch.

    Attributes:
        losses: scalars by name; the loop descends on their sum.
        figures: scalars by name that are only shown.
    """

    losses: dict[str, Tensor]
    figures: dict[str, Tensor | float]


class Task(nn.Module):
    """All that the loop knows of what it trains: a batch in, named losses and figures out."""

    def step(self, batch: dict[str, Tensor], progress: float) -> Step:
        """Compute the losses of one batch.

        Args:
            batch: tensors by name, on the device.
            progress: share of the stage that is done, 0..1.
        """
        raise NotImplementedError

    def forward(self, batch: dict[str, Tensor], progress: float) -> Step:
        """Do a ``step``; wrappers for several processes and for mixed precision call it so."""
        return self.step(batch, progress)


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


class PoseTask(Task):
    """Plain training: the pose loss alone.

    A batch: image (B, 3, H, W), uint8 RGB or ready float input; target (B, K, h, w); weight (B, K);
    synthetic (B,). frozen: names of submodules whose weights and BatchNorm statistics stay as they are.
    joint_weights: (K,) factors.
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

    def train(self, mode: bool = True) -> "PoseTask":
        """Switch to training, except for what is frozen."""
        super().train(mode)
        for module in self.frozen:
            module.eval()
        return self

    def step(self, batch: dict[str, Tensor], progress: float) -> Step:
        """Compute the loss of one batch: pose."""
        return self.pose(batch)[0]

    def pose(self, batch: dict[str, Tensor]) -> tuple[Step, Tensor, Tensor]:
        """Compute the pose loss, and the features (B, C, h, w) and heatmaps (B, K, H/4, W/4) it came from."""
        features, heatmaps = self.model(self.pixels(batch))
        return self.judge(heatmaps, batch), features, heatmaps

    def judge(self, heatmaps: Tensor, batch: dict[str, Tensor]) -> Step:
        """Compare heatmaps (B, K, H/4, W/4) with the labels of a batch: loss pose, figure pck."""
        weight = batch["weight"]
        if self.joint_weights is not None:
            weight = weight * self.joint_weights
        pck = heatmap_pck(heatmaps, batch["target"], batch["weight"])
        loss = self.pose_loss(
            heatmaps.float(), batch["target"], weight, self.domain_weights.of(batch["synthetic"])
        )
        return Step({"pose": loss}, {"pck": pck})

    def pixels(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the network's input (B, 3, H, W), float."""
        image = batch["image"]
        return normalise(image, self.rgb) if image.dtype == torch.uint8 else image
