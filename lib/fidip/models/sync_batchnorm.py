"""BatchNorm over the joined batch of all processes, on any backend; torch's own needs a GPU."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class _SumOverProcesses(torch.autograd.Function):
    """Sum of a tensor over all processes; every process's loss depends on it, so gradients are summed too."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total


class JoinedBatchNorm(_BatchNorm):
    """BatchNorm (1d or 2d) whose training statistics are those of all processes' samples together.

    Tensor names are those of BatchNorm. Gradients flow through the statistics, so N processes with batch B
    give the gradients of one process with batch N * B (Ioffe & Szegedy 2015, on the joined batch).
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() not in (2, 4):
            raise ValueError(f"expected (B, C) or (B, C, H, W), got {tuple(input.shape)}")

    def forward(self, input: Tensor) -> Tensor:
        """(B, C) or (B, C, H, W), the same shape out."""
        self._check_input_dim(input)
        if not self.training or not dist.is_initialized():
            return super().forward(input)
        axes = [0, *range(2, input.dim())]
        shape = [1, -1] + [1] * (input.dim() - 2)
        values = input.to(torch.promote_types(input.dtype, torch.float32))  # half precision cannot sum
        sums = _SumOverProcesses.apply(
            torch.cat([values.sum(axes), values.new_full((1,), values.numel() / input.shape[1])])
        )
        total = sums[-1].detach()
        mean = sums[:-1] / total
        centered = values - mean.view(shape)
        variance = _SumOverProcesses.apply(centered.square().sum(axes)) / total
        self._update(mean, variance, total)
        normal = centered * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            normal = normal * self.weight.view(shape) + self.bias.view(shape)
        return normal.to(input.dtype)

    @torch.no_grad()
    def _update(self, mean: Tensor, variance: Tensor, total: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        unbiased = variance * (total / (total - 1).clamp_min(1))
        rate = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, rate)
        self.running_var.lerp_(unbiased, rate)


def join_batchnorm(module: nn.Module, device: torch.device) -> nn.Module:
    """Replace the BatchNorm layers of ``module`` by ones over all processes; weights are shared, not copied."""
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(module)
    for name, child in module.named_children():
        if isinstance(child, (nn.BatchNorm1d, nn.BatchNorm2d)):
            joined = JoinedBatchNorm(child.num_features, child.eps, child.momentum, child.affine)
            joined.__dict__.update(child.__dict__)
            setattr(module, name, joined)
        else:
            join_batchnorm(child, device)
    return module
