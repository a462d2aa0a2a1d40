"""Size and work of a network: parameters and multiply-adds, counted by two conventions."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fidip.models.pose import meta_copy

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, *_TRANSPOSED)


@dataclass(frozen=True)
class Complexity:
    """Parameters and multiply-adds of convolutions and linear layers for one image.

    macs: true multiply-adds. published_macs: weights times *output* positions, the convention of the published
    tables, which counts a stride-2 transposed convolution four times. Products without weights (attention
    scores, pooling) are in neither.
    """

    params: int
    macs: int
    published_macs: int

    @property
    def params_m_published(self) -> float:
        """Parameters in units of 2**20, printed as "M" in the published tables."""
        return self.params / 2**20

    @property
    def gmacs_published(self) -> float:
        """Published multiply-adds in units of 2**30."""
        return self.published_macs / 2**30

    @property
    def gmacs(self) -> float:
        """True multiply-adds in units of 1e9."""
        return self.macs / 1e9


def complexity(model: nn.Module, image_size: tuple[int, int]) -> Complexity:
    """Count for one RGB image of ``image_size`` (W, H) px. Nothing is computed and the model is not touched."""
    shadow = meta_copy(model).eval()
    counts: list[tuple[int, int]] = []

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        weights = module.get_parameter("weight").numel()
        worked_on = inputs[0] if isinstance(module, _TRANSPOSED) else output
        counts.append((weights * _positions(module, worked_on), weights * _positions(module, output)))

    for module in shadow.modules():
        if isinstance(module, (*_CONVOLUTIONS, nn.Linear)):
            module.register_forward_hook(count)
    width, height = image_size
    with torch.no_grad():
        shadow(torch.empty(1, 3, height, width, device="meta"))
    return Complexity(
        params=sum(parameter.numel() for parameter in model.parameters()),
        macs=sum(true for true, _ in counts),
        published_macs=sum(published for _, published in counts),
    )


def _positions(module: nn.Module, x: Tensor) -> int:
    """Places at which a layer's weights are applied: pixels of a map, tokens of a sequence."""
    return x.shape[2:].numel() if isinstance(module, _CONVOLUTIONS) else x.shape[1:-1].numel()
