"""ReLU6 that needs less memory in training."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class _ClampInPlace(torch.autograd.Function):
    """min(max(x, 0), 6) in place, with the output kept for the backward pass: no copy of the input is needed."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.mark_dirty(x)
        x.clamp_(0, 6)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (clamped,) = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(gradients[0], clamped, 0.0, 6.0)


class ThriftyReLU6(nn.ReLU6):
    """ReLU6 with the same values and gradients; torch's in-place one copies its input when it trains."""

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, changed in place."""
        if torch.is_grad_enabled() and input.requires_grad:
            return _ClampInPlace.apply(input)
        return super().forward(input)


def replace_modules(root: nn.Module, old: type[nn.Module], new: Callable[[], nn.Module]) -> None:
    """Put ``new()`` in the place of every submodule of exactly the type ``old``."""
    for parent in list(root.modules()):
        for name, child in parent.named_children():
            if type(child) is old:
                setattr(parent, name, new())
