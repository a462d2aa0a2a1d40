"""Pose-MobileNet: MobileNetV2 (Sandler et al., CVPR 2018) with three DUC blocks; trunk from torchvision."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torchvision
from torch import Tensor, nn

from fidip.errors import ConfigError
from fidip.models.heads import DUC, init_head, spatial_softmax
from fidip.models.pose import (
    POSE_NETS,
    PoseNet,
    ThriftyReLU6,
    check_extra,
    check_image_size,
    load_imagenet,
    replace_modules,
    torchvision_weights,
    wants_imagenet,
)


class MobileNetTrunk(nn.Module):
    """MobileNetV2 (Sandler et al., CVPR 2018): images (B, 3, H, W) -> features (B, C, H/32, W/32).

    width_mult scales every layer but the last (C stays 1280 up to 1.0). ``torchvision_names`` maps torchvision's
    tensor names to the names used here, which are the published ones.
    """

    stride = 32
    multiple = 32

    def __init__(self, width_mult: float = 1.0) -> None:
        super().__init__()
        if not width_mult > 0:
            raise ConfigError(f"MODEL.EXTRA.WIDTH_MULT is {width_mult}; it must be positive")
        net = torchvision.models.mobilenet_v2(width_mult=width_mult, num_classes=1)
        self.features = net.features
        self.channels = int(net.last_channel)
        theirs = list(self.state_dict())
        for block in self.features[1:-1]:
            block.conv = nn.Sequential(*(leaf for leaf in block.conv.modules() if not list(leaf.children())))
        self.torchvision_names = dict(zip(theirs, self.state_dict(), strict=True))
        replace_modules(self.features, nn.ReLU6, partial(ThriftyReLU6, inplace=True))

    def extract(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) -> the output of the last convolution (B, C, H/32, W/32)."""
        return self.features(images)


class MobilePose(MobileNetTrunk, PoseNet):
    """MobileNetV2 with three DUC blocks; each heatmap sums to 1; features = the last convolution's output.

    width: channels after the compression, a multiple of 8 (256 in the published net).
    """

    stride = PoseNet.stride
    feature_stride = MobileNetTrunk.stride
    domain_classifier = "mobile"
    joint_layer = "hm_conv"
    head_modules = ("conv_compress", "duc", "hm_conv")
    label = "MobileNetV2"
    maps_sum_to_one = True

    def __init__(self, num_joints: int, width_mult: float = 1.0, width: int = 256) -> None:
        super().__init__(width_mult)
        if width < 8 or width % 8:
            raise ConfigError(f"MODEL.EXTRA.HEAD_CHANNELS is {width}; it must be a positive multiple of 8")
        self.feature_channels = self.channels
        bare = {name.removeprefix("features."): own for name, own in self.torchvision_names.items()}
        self.other_names = (
            self.torchvision_names,
            bare,
            {own.removeprefix("features."): own for own in bare.values()},
        )
        self.conv_compress = nn.Conv2d(self.channels, width, 1, bias=False)
        self.duc1 = DUC(width, width * 2)
        self.duc2 = DUC(width // 2, width)
        self.duc3 = DUC(width // 4, width // 2)
        self.hm_conv = nn.Conv2d(width // 8, num_joints, 1, bias=False)
        for layer in (self.conv_compress, self.duc1, self.duc2, self.duc3, self.hm_conv):
            init_head(layer)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, 3, H, W) -> features (B, C, H/32, W/32), heatmaps (B, K, H/4, W/4) that sum to 1 each."""
        features = self.extract(images)
        x = self.duc3(self.duc2(self.duc1(self.conv_compress(features))))
        return features, spatial_softmax(self.hm_conv(x))


@POSE_NETS.register("pose_mobile")
@POSE_NETS.register("adaptive_pose_mobile")
def build_mobile(
    num_joints: int, image_size: tuple[int, int], extra: Mapping[str, Any], pretrained: str = ""
) -> MobilePose:
    """Build the MobileNetV2 pose net; WIDTH_MULT and HEAD_CHANNELS of ``extra`` shrink it."""
    extra = check_extra("pose_mobile", extra, ("WIDTH_MULT", "HEAD_CHANNELS"))
    net = MobilePose(num_joints, extra.get("WIDTH_MULT", 1.0), extra.get("HEAD_CHANNELS", 256))
    check_image_size(image_size, net.multiple)
    if wants_imagenet(pretrained):
        load_imagenet(net, "mobilenet_v2", lambda: torchvision_weights("mobilenet_v2"))
    return net
