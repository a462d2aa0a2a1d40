"""Heads: feature maps in, heatmaps of a quarter of the image's size out."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fidip.errors import ConfigError

_DECONV_PADDING = {
    4: (1, 0),
    3: (1, 1),
    2: (0, 0),
}  # kernel -> (padding, output padding) that double the size


def final_conv(channels: int, num_joints: int, kernel: int = 1) -> nn.Conv2d:
    """Last layer of a head, (B, channels, H, W) -> (B, num_joints, H, W); kernel 1 or 3, else ConfigError."""
    if kernel not in (1, 3):
        raise ConfigError(f"MODEL.EXTRA.FINAL_CONV_KERNEL is {kernel}; choose 1 or 3")
    conv = nn.Conv2d(channels, num_joints, kernel, padding=kernel // 2)
    init_head(conv)
    return conv


def deconv_layers(channels: int, filters: Sequence[int], kernels: Sequence[int], bias: bool) -> nn.Sequential:
    """Transposed convolutions of SimpleBaseline (Xiao et al., ECCV 2018), each with BN and ReLU, each doubling.

    (B, channels, h, w) -> (B, filters[-1], h * 2**n, w * 2**n) for n filters. Raises ConfigError when the lists
    differ in length or a kernel is not 2, 3 or 4.
    """
    if len(filters) != len(kernels):
        raise ConfigError(
            f"MODEL.EXTRA: NUM_DECONV_FILTERS has {len(filters)} entries, NUM_DECONV_KERNELS {len(kernels)}"
        )
    layers: list[nn.Module] = []
    for width, kernel in zip(filters, kernels, strict=True):
        if kernel not in _DECONV_PADDING:
            raise ConfigError(f"MODEL.EXTRA.NUM_DECONV_KERNELS has {kernel}; choose from 2, 3, 4")
        padding, extra = _DECONV_PADDING[kernel]
        deconv = nn.ConvTranspose2d(
            channels, width, kernel, stride=2, padding=padding, output_padding=extra, bias=bias
        )
        layers += [deconv, nn.BatchNorm2d(width, momentum=0.1), nn.ReLU(inplace=True)]
        channels = width
    head = nn.Sequential(*layers)
    init_head(head)
    return head


class DUC(nn.Module):
    """Dense upsampling convolution (Wang et al., WACV 2018): (B, c_in, h, w) -> (B, c_mid / 4, 2h, 2w)."""

    def __init__(self, c_in: int, c_mid: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_mid, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(c_mid)
        self.relu = nn.ReLU(inplace=True)
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, h, w) -> (B, c_mid / 4, 2h, 2w)."""
        return self.shuffle(self.relu(self.bn(self.conv(x))))


def spatial_softmax(maps: Tensor) -> Tensor:
    """Make each map of (B, K, H, W) positive with sum 1."""
    return torch.softmax(maps.flatten(2), dim=2).view_as(maps)


class LightHead(nn.Sequential):
    """Few-parameter head for any trunk: (B, channels, h, w) at ``stride`` -> (B, num_joints, H/4, W/4).

    One 1x1 compression to ``width`` channels, then, for each doubling of the size, a depthwise 3x3 and a
    pointwise convolution and a pixel shuffle (deterministic on every device, unlike bilinear upsampling).
    Raises ConfigError for a stride that is not a power of two from 4 on.
    """

    def __init__(self, channels: int, num_joints: int, stride: int, width: int, kernel: int = 1) -> None:
        if stride < 4 or stride & (stride - 1):
            raise ConfigError(
                f"the trunk's stride is {stride} px; a head to stride 4 needs a power of two from 4 on: "
                "choose another MODEL.EXTRA.BACKBONE (for transformers one with patch 8, 16 or 32)"
            )
        if width < 1:
            raise ConfigError(f"MODEL.EXTRA.HEAD_CHANNELS is {width}; it must be positive")
        layers = _conv_bn_relu(channels, width, 1)
        while stride > 4:
            layers += _conv_bn_relu(width, width, 3, groups=width)
            layers += [*_conv_bn_relu(width, 4 * width, 1), nn.PixelShuffle(2)]
            stride //= 2
        super().__init__(*layers, final_conv(width, num_joints, kernel))


def _conv_bn_relu(c_in: int, c_out: int, kernel: int, groups: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(c_out), nn.ReLU(inplace=True)]


def init_head(head: nn.Module) -> None:
    """Draw (transposed) convolution weights from N(0, 0.001), zero their biases; BN keeps weight 1, bias 0."""
    for module in head.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, std=0.001)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
