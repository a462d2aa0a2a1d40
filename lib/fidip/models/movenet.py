"""MoveNet SinglePose (Google, 2021): MobileNetV2 with a feature pyramid and heads in the manner of CenterNet.

Batch normalisation is folded into the convolutions, as in the published files, so every convolution has a bias but
for the depthwise ones of pyramid and heads. Sandler et al., CVPR 2018 (blocks); Zhou et al., arXiv 1904.07850 (heads).
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fidip.errors import ConfigError
from fidip.models.pose import POSE_NETS, PoseNet, ThriftyReLU6, check_extra, check_image_size, wants_imagenet
from fidip.pixels import IMAGENET_MEAN, IMAGENET_STD

# expansion, output channels, repetitions, first stride of each group of inverted residual blocks
_GROUPS = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip
_FEATURES = 1280  # channels of the last convolution, at every width
_PYRAMID = (64, 32, 24)  # channels that the lateral convolutions bring at strides 16, 8 and 4
_LATERALS = (10, 6, 3)  # modules of the trunk whose outputs they take
_HEAD = 96  # hidden channels of a head
PRIOR = -2.19  # bias of a new joint before the sigmoid: a heatmap of 0.1, as CenterNet begins


class SameConv(nn.Conv2d):
    """Convolution with TensorFlow's "same" padding at even sizes: at stride 2 one row and column right and below."""

    def __init__(
        self, c_in: int, c_out: int, kernel: int, stride: int = 1, groups: int = 1, bias: bool = True
    ) -> None:
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(c_in, c_out, kernel, stride, padding, groups=groups, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        """(B, c_in, H, W) -> (B, c_out, H / stride, W / stride); H and W are multiples of the stride."""
        return super().forward(F.pad(input, (0, 1, 0, 1)) if self.stride[0] == 2 else input)


class InvertedResidual(nn.Module):
    """Block of MobileNetV2 without batch normalisation: (B, c_in, H, W) -> (B, c_out, H / stride, W / stride)."""

    def __init__(self, c_in: int, c_out: int, expansion: int, stride: int) -> None:
        super().__init__()
        width = c_in * expansion
        self.expand = nn.Conv2d(c_in, width, 1) if expansion > 1 else None
        self.depthwise = SameConv(width, width, 3, stride, groups=width)
        self.project = nn.Conv2d(width, c_out, 1)
        self.relu = ThriftyReLU6(inplace=True)
        self.adds = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, c_in, H, W) to (B, c_out, H / stride, W / stride)."""
        y = x if self.expand is None else self.relu(self.expand(x))
        y = self.project(self.relu(self.depthwise(y)))
        return x + y if self.adds else y


class Separable(nn.Module):
    """Depthwise 3x3 without bias, pointwise convolution, ReLU: (B, c_in, H, W) -> (B, c_out, H, W)."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(c_in, c_in, 3, padding=1, groups=c_in, bias=False)
        self.pointwise = nn.Conv2d(c_in, c_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, c_in, H, W) to (B, c_out, H, W)."""
        return F.relu(self.pointwise(self.depthwise(x)), inplace=True)


class MoveNetHead(nn.Module):
    """One head: (B, 24, H/4, W/4) -> (B, outputs, H/4, W/4), before any sigmoid."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.hidden = Separable(_PYRAMID[-1], _HEAD)
        self.final = nn.Conv2d(_HEAD, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 24, h, w) to (B, outputs, h, w)."""
        return self.final(self.hidden(x))


def _channels(count: float) -> int:
    """Round to a multiple of 8, never down by more than a tenth (the rule of MobileNetV2)."""
    rounded = max(8, int(count + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * count else rounded


def _trunk(width_mult: float) -> nn.Sequential:
    channels = _channels(32 * width_mult)
    layers: list[nn.Module] = [nn.Sequential(SameConv(3, channels, 3, 2), ThriftyReLU6(inplace=True))]
    for expansion, width, count, first_stride in _GROUPS:
        for stride in (first_stride, *(1,) * (count - 1)):
            c_out = _channels(width * width_mult)
            layers.append(InvertedResidual(channels, c_out, expansion, stride))
            channels = c_out
    return nn.Sequential(
        *layers, nn.Sequential(nn.Conv2d(channels, _FEATURES, 1), ThriftyReLU6(inplace=True))
    )


class MoveNetPose(PoseNet):
    """Trunk, pyramid and heatmap head; features = the 1280-channel map at stride 32.

    Args:
        num_joints: number of heatmaps.
        width_mult: width of the trunk: 1.0 in Lightning, 1.75 in Thunder.
    """

    feature_stride = 32
    feature_channels = _FEATURES
    multiple = 32
    domain_classifier = "mobile"
    joint_layer = "heatmap.final"
    head_modules = ("squeeze", "lateral", "merge", "heatmap")
    # chosen on SyRIP's training infants and on images without a person, see docs/movenet.md
    found_score = 0.42
    turn_margin = 0.18
    sure_score = 0.55
    spare_tensors: tuple[str, ...] = (
        "center.",
        "regress.",
        "offset.",
    )  # of the heads that find a person, see MoveNetFinder
    freeze_presets: Mapping[str, tuple[str, ...]] = {
        "stride4": tuple(f"features.{i}" for i in range(4)),
        "stride8": tuple(f"features.{i}" for i in range(7)),
        "stride16": tuple(f"features.{i}" for i in range(14)),
        "trunk": ("features",),
    }

    def __init__(self, num_joints: int = 17, width_mult: float = 1.0) -> None:
        super().__init__()
        if not width_mult > 0:
            raise ConfigError(f"MODEL.EXTRA.WIDTH_MULT is {width_mult}; it must be positive")
        self.label = {1.0: "MoveNet Lightning", 1.75: "MoveNet Thunder"}.get(
            width_mult, f"MoveNet x{width_mult:g}"
        )
        self.features = _trunk(width_mult)
        self.squeeze = nn.Conv2d(_FEATURES, _PYRAMID[0], 1)
        laterals = [_channels(group[1] * width_mult) for group in (_GROUPS[3], _GROUPS[2], _GROUPS[1])]
        self.lateral = nn.ModuleList(map(_conv1x1, laterals, _PYRAMID))
        self.merge = nn.ModuleList(map(Separable, _PYRAMID, (*_PYRAMID[1:], _PYRAMID[-1])))
        self.heatmap = MoveNetHead(num_joints)
        self._initialise()
        self.pixel_scale: Tensor
        self.pixel_shift: Tensor
        std, mean = torch.tensor(IMAGENET_STD), torch.tensor(IMAGENET_MEAN)
        self.register_buffer("pixel_scale", (2 * std).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("pixel_shift", (2 * mean - 1).view(1, 3, 1, 1), persistent=False)

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.normal_(self.heatmap.final.weight, std=0.001)
        self.heatmap.final.bias = nn.Parameter(torch.full((self.heatmap.final.out_channels,), PRIOR))

    def extract(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Compute both ends of the net's body.

        Args:
            images: (B, 3, H, W), normalised by the ImageNet mean and deviation as for every network here.

        Returns:
            Features (B, 1280, H/32, W/32), and the top of the pyramid (B, 24, H/4, W/4), which the heads receive.
        """
        x = images * self.pixel_scale + self.pixel_shift  # MoveNet wants -1..1
        taps = {}
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in _LATERALS:
                taps[index] = x
        y = self.squeeze(x)
        for index, lateral, merge in zip(_LATERALS, self.lateral, self.merge, strict=True):
            y = F.interpolate(y, scale_factor=2.0, mode="bilinear", align_corners=False)
            y = merge(y + lateral(taps[index]))
        return x, y

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, 3, H, W) -> features (B, 1280, H/32, W/32), heatmaps (B, K, H/4, W/4) in 0..1."""
        features, top = self.extract(images)
        return features, torch.sigmoid(self.heatmap(top))


class MoveNetFinder(MoveNetPose):
    """MoveNet with all its heads, as published: it finds the person near the middle of an image, and the joints."""

    spare_tensors = ()

    def __init__(self, width_mult: float = 1.0) -> None:
        super().__init__(17, width_mult)
        self.center = MoveNetHead(1)
        self.regress = MoveNetHead(34)
        self.offset = MoveNetHead(34)

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        """Compute the outputs of all heads for images (B, 3, H, W).

        Returns:
            heatmap (B, 17, h, w) in 0..1; center (B, 1, h, w), logits; regress (B, 34, h, w), y and x of each joint
            from a centre in heatmap px; offset (B, 34, h, w), y and x of each joint within its heatmap px.
        """
        top = self.extract(images)[1]
        heads = {"center": self.center, "regress": self.regress, "offset": self.offset}
        return {
            "heatmap": torch.sigmoid(self.heatmap(top)),
            **{name: head(top) for name, head in heads.items()},
        }


def _conv1x1(c_in: int, c_out: int) -> nn.Conv2d:
    return nn.Conv2d(c_in, c_out, 1)


@POSE_NETS.register("pose_movenet")
@POSE_NETS.register("adaptive_pose_movenet")
def build_movenet(
    num_joints: int, image_size: tuple[int, int], extra: Mapping[str, Any], pretrained: str = ""
) -> MoveNetPose:
    """Build a MoveNet; WIDTH_MULT of ``extra`` is 1.0 for Lightning (the default) and 1.75 for Thunder."""
    extra = check_extra("pose_movenet", extra, ("WIDTH_MULT",))
    net = MoveNetPose(num_joints, extra.get("WIDTH_MULT", 1.0))
    check_image_size(image_size, net.multiple)
    if wants_imagenet(pretrained):
        raise ConfigError(
            "there are no ImageNet weights for pose_movenet; set MODEL.PRETRAINED movenet_thunder or movenet_lightning, "
            "which are packaged, and leave MODEL.PRETRAINED_TRUNK empty"
        )
    return net
