"""SimpleBaseline (Xiao et al., ECCV 2018): a ResNet and three transposed convolutions; trunk from torchvision."""

from collections.abc import Mapping, Sequence
from typing import Any

import torchvision
from torch import Tensor
from torchvision.models.resnet import BasicBlock, Bottleneck

from fidip.errors import ConfigError
from fidip.models.heads import deconv_layers, final_conv
from fidip.models.pose import (
    POSE_NETS,
    PoseNet,
    check_extra,
    check_image_size,
    load_imagenet,
    torchvision_weights,
    wants_imagenet,
)

_EXTRA_KEYS = (
    *("NUM_LAYERS", "NUM_DECONV_LAYERS", "NUM_DECONV_FILTERS", "NUM_DECONV_KERNELS", "DECONV_WITH_BIAS"),
    "FINAL_CONV_KERNEL",
)
_RESNET_LAYERS: dict[int, tuple[Any, list[int]]] = {
    18: (BasicBlock, [2, 2, 2, 2]),
    34: (BasicBlock, [3, 4, 6, 3]),
    50: (Bottleneck, [3, 4, 6, 3]),
    101: (Bottleneck, [3, 4, 23, 3]),
    152: (Bottleneck, [3, 8, 36, 3]),
}


class ResNetTrunk(torchvision.models.ResNet):
    """ResNet (He et al., CVPR 2016), conv1 to layer4: images (B, 3, H, W) -> features (B, C, H/32, W/32).

    depth: 18, 34, 50, 101 or 152, else ConfigError. C is 512 below 50 layers, 2048 from there on.
    """

    stride = 32
    multiple = 32

    def __init__(self, depth: int) -> None:
        if depth not in _RESNET_LAYERS:
            raise ConfigError(
                f"MODEL.EXTRA.NUM_LAYERS is {depth}; choose from {', '.join(map(str, _RESNET_LAYERS))}"
            )
        block, layers = _RESNET_LAYERS[depth]
        super().__init__(block, layers, num_classes=1)
        del self.avgpool, self.fc
        self.channels = 512 * block.expansion

    def extract(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) -> the output of layer4 (B, C, H/32, W/32)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))


class ResNetPose(ResNetTrunk, PoseNet):
    """SimpleBaseline (Xiao et al., ECCV 2018); features = the output of layer4."""

    stride = PoseNet.stride
    feature_stride = ResNetTrunk.stride
    freeze_presets: Mapping[str, tuple[str, ...]] = {
        "res1-3": ("conv1", "bn1", "layer1", "layer2"),
        "res1-4": ("conv1", "bn1", "layer1", "layer2", "layer3"),
    }

    def __init__(
        self,
        num_joints: int,
        depth: int = 50,
        filters: Sequence[int] = (256, 256, 256),
        kernels: Sequence[int] = (4, 4, 4),
        deconv_bias: bool = False,
        final_kernel: int = 1,
    ) -> None:
        super().__init__(depth)
        if len(filters) != 3:
            raise ConfigError(
                f"MODEL.EXTRA has {len(filters)} transposed convolutions; 3 lead from stride 32 to heatmaps at 4"
            )
        self.feature_channels = self.channels
        self.label = f"ResNet-{depth}"
        self.deconv_layers = deconv_layers(self.channels, filters, kernels, deconv_bias)
        self.final_layer = final_conv(filters[-1], num_joints, final_kernel)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, 3, H, W) -> features (B, C, H/32, W/32), heatmaps (B, K, H/4, W/4)."""
        features = self.extract(images)
        return features, self.final_layer(self.deconv_layers(features))


@POSE_NETS.register("pose_resnet")
@POSE_NETS.register("adaptive_pose_resnet")
def build_resnet(
    num_joints: int, image_size: tuple[int, int], extra: Mapping[str, Any], pretrained: str = ""
) -> ResNetPose:
    """Build a SimpleBaseline ResNet; ``extra`` defaults to 50 layers and three 4x4 deconvolutions of 256."""
    extra = check_extra("pose_resnet", extra, _EXTRA_KEYS)
    depth = extra.get("NUM_LAYERS", 50)
    filters = extra.get("NUM_DECONV_FILTERS", (256, 256, 256))
    if extra.get("NUM_DECONV_LAYERS", len(filters)) != len(filters):
        raise ConfigError(
            f"MODEL.EXTRA.NUM_DECONV_LAYERS is {extra['NUM_DECONV_LAYERS']}, NUM_DECONV_FILTERS has {len(filters)}"
        )
    net = ResNetPose(
        num_joints,
        depth,
        filters,
        extra.get("NUM_DECONV_KERNELS", (4,) * len(filters)),
        extra.get("DECONV_WITH_BIAS", False),
        extra.get("FINAL_CONV_KERNEL", 1),
    )
    check_image_size(image_size, net.multiple)
    if wants_imagenet(pretrained):
        load_imagenet(net, f"resnet{depth}", lambda: torchvision_weights(f"resnet{depth}"))
    return net
