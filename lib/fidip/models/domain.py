"""Domain classifiers: a feature map in, one logit out, > 0 for synthetic; and the reversal in front of them."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fidip.errors import ConfigError
from fidip.registry import Registry

DOMAIN_CLASSIFIERS = Registry("domain classifier")


class _ReverseGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return features.view_as(features)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.factor * gradients[0], None


def reverse_gradient(features: Tensor, factor: float) -> Tensor:
    """Hand features on unchanged; multiply their gradient by -factor (Ganin & Lempitsky, ICML 2015)."""
    return _ReverseGradient.apply(features, factor)


class BatchNormAnyBatch(nn.BatchNorm1d):
    """BatchNorm1d that can train on a batch of one.

    One sample has no variance, so its own statistics are meaningless (and torch refuses them). Such a batch,
    usually the last of an epoch, is normalised by the running statistics and does not update them.
    Tensor names are those of BatchNorm1d.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(B, C) -> (B, C)."""
        if self.training and input.shape[0] == 1:
            return F.batch_norm(
                input,
                self.running_mean,
                self.running_var,
                self.weight,
                self.bias,
                training=False,
                eps=self.eps,
            )
        return super().forward(input)


class DomainClassifier(nn.Module):
    """Convolutions, a pool to a fixed grid, fully connected layers: features (B, C, h, w) -> logits (B,).

    The pool makes any feature size fit and is the identity at ``grid`` (w, h), the published size. It is skipped
    there because its CUDA gradient is not deterministic.
    """

    def __init__(
        self, convs: nn.Module, grid: tuple[int, int], channels: int, widths: tuple[int, int]
    ) -> None:
        super().__init__()
        self.conv_layer = convs
        self.grid = grid
        self.layer = nn.Sequential(
            *_linear_bn_relu(channels * grid[0] * grid[1], widths[0]),
            *_linear_bn_relu(widths[0], widths[1]),
            nn.Linear(widths[1], 1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, C, h, w) -> logits (B,); > 0 says synthetic."""
        x = self.conv_layer(features)
        shape = self.grid[::-1]
        if x.shape[2:] != shape:
            x = F.adaptive_avg_pool2d(x, shape)
        return self.layer(x.flatten(1)).squeeze(1)


def _linear_bn_relu(c_in: int, c_out: int) -> list[nn.Module]:
    return [nn.Linear(c_in, c_out), BatchNormAnyBatch(c_out), nn.ReLU(inplace=True)]


def _conv_bn_relu(c_in: int, c_out: int, kernel: int) -> list[nn.Module]:
    return [nn.Conv2d(c_in, c_out, kernel), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True)]


def _require_size(name: str, feature_size: tuple[int, int], least: int) -> None:
    if min(feature_size) < least:
        raise ConfigError(
            f"domain classifier {name!r} needs feature maps of at least {least}x{least}, the network gives "
            f"{feature_size[0]}x{feature_size[1]}; enlarge MODEL.IMAGE_SIZE or choose 'pooled'"
        )


@DOMAIN_CLASSIFIERS.register("hrnet")
class HRNetDomainClassifier(DomainClassifier):
    """The published one for HRNet-W48; published feature size 72x96. Raises ConfigError below 10x10."""

    def __init__(self, channels: int, feature_size: tuple[int, int]) -> None:
        _require_size("hrnet", feature_size, 10)
        convs = nn.Sequential(
            *_conv_bn_relu(channels, 32, 3), nn.MaxPool2d(2), *_conv_bn_relu(32, 8, 3), nn.MaxPool2d(2)
        )
        super().__init__(convs, grid=(16, 22), channels=8, widths=(256, 64))


@DOMAIN_CLASSIFIERS.register("mobile")
class MobileDomainClassifier(DomainClassifier):
    """The published one for MobileNetV2; published feature size 7x7. Raises ConfigError below 2x2."""

    def __init__(self, channels: int, feature_size: tuple[int, int]) -> None:
        _require_size("mobile", feature_size, 2)
        convs = nn.Sequential(
            *_conv_bn_relu(channels, 512, 1),
            *_conv_bn_relu(512, 256, 1),
            *_conv_bn_relu(256, 16, 1),
            nn.MaxPool2d(2),
        )
        super().__init__(convs, grid=(3, 3), channels=16, widths=(256, 64))


@DOMAIN_CLASSIFIERS.register("resnet")
class ResNetDomainClassifier(DomainClassifier):
    """The published one for ResNet-50: fully connected on 2048x12x9 features, 454 million weights (1.8 GB)."""

    def __init__(self, channels: int, feature_size: tuple[int, int]) -> None:
        super().__init__(nn.Identity(), grid=(9, 12), channels=channels, widths=(2048, 512))


@DOMAIN_CLASSIFIERS.register("pooled")
class PooledDomainClassifier(DomainClassifier):
    """Mean over the map, then 256-64-1: half a million weights at 2048 channels, for any trunk and size."""

    def __init__(self, channels: int, feature_size: tuple[int, int]) -> None:
        super().__init__(nn.Identity(), grid=(1, 1), channels=channels, widths=(256, 64))
