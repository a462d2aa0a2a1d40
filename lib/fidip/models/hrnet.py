"""HRNet (Sun et al., CVPR 2019) with a final convolution, as DarkPose uses it; trunk from timm."""

from collections.abc import Mapping
from typing import Any

import timm
from timm.models.hrnet import HighResolutionNet
from torch import Tensor

from fidip.errors import ConfigError
from fidip.models.heads import final_conv
from fidip.models.pose import POSE_NETS, PoseNet, check_extra, check_image_size, load_imagenet, wants_imagenet

_STAGE_KEYS = ("NUM_MODULES", "NUM_BRANCHES", "BLOCK", "NUM_BLOCKS", "NUM_CHANNELS", "FUSE_METHOD")
_EXTRA_KEYS = ("STAGE2", "STAGE3", "STAGE4", "FINAL_CONV_KERNEL")


class HRNetTrunk(HighResolutionNet):
    """HRNet (Sun et al., CVPR 2019): images (B, 3, H, W) -> stage 4's highest-resolution branch (B, C, H/4, W/4).

    stages: the published tables STAGE2, STAGE3, STAGE4 with NUM_MODULES, NUM_BRANCHES, BLOCK, NUM_BLOCKS,
    NUM_CHANNELS, FUSE_METHOD. Raises ConfigError for a table that is missing, incomplete or contradicts itself.
    """

    stride = 4

    def __init__(self, stages: Mapping[str, Mapping[str, Any]]) -> None:
        tables = {
            name.lower(): _stage_table(name, stages.get(name)) for name in ("STAGE2", "STAGE3", "STAGE4")
        }
        first = {"num_modules": 1, "num_branches": 1, "block_type": "BOTTLENECK", "num_blocks": (4,)}
        stage1 = {**first, "num_channels": (64,), "fuse_method": "SUM"}
        super().__init__({"stem_width": 64, "stage1": stage1, **tables}, head="")
        last = self.stage4[-1]
        last.fuse_layers = last.fuse_layers[:1]  # only the highest resolution leaves the trunk
        expansion = 4 if tables["stage4"]["block_type"] == "BOTTLENECK" else 1
        self.channels = tables["stage4"]["num_channels"][0] * expansion
        self.multiple = 4 * 2 ** (tables["stage4"]["num_branches"] - 1)  # px, stride of the lowest branch

    def extract(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W), H and W multiples of ``multiple`` -> features (B, C, H/4, W/4)."""
        return self.forward_features(images)[0]


def _stage_table(name: str, table: Mapping[str, Any] | None) -> dict[str, Any]:
    """Translate a published stage table into timm's spelling, or say what is wrong with it."""
    where = f"MODEL.EXTRA.{name}"
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where} is missing: an HRNet needs the tables STAGE2, STAGE3 and STAGE4")
    for key in table:
        if key not in _STAGE_KEYS:
            raise ConfigError(f"{where}.{key} is unknown; known keys: {', '.join(_STAGE_KEYS)}")
    absent = [key for key in _STAGE_KEYS if key not in table]
    if absent:
        raise ConfigError(f"{where} lacks {', '.join(absent)}")
    branches, blocks, channels = (
        table["NUM_BRANCHES"],
        tuple(table["NUM_BLOCKS"]),
        tuple(table["NUM_CHANNELS"]),
    )
    if not (branches == len(blocks) == len(channels) and branches >= 2):
        raise ConfigError(
            f"{where}: NUM_BRANCHES is {branches}, NUM_BLOCKS has {len(blocks)} entries and NUM_CHANNELS "
            f"{len(channels)}; all three must agree and be at least 2"
        )
    if table["BLOCK"] not in ("BASIC", "BOTTLENECK"):
        raise ConfigError(f"{where}.BLOCK is {table['BLOCK']!r}; choose BASIC or BOTTLENECK")
    if table["FUSE_METHOD"] != "SUM":
        raise ConfigError(f"{where}.FUSE_METHOD is {table['FUSE_METHOD']!r}; only SUM exists")
    return {
        "num_modules": table["NUM_MODULES"],
        "num_branches": branches,
        "block_type": table["BLOCK"],
        "num_blocks": blocks,
        "num_channels": channels,
        "fuse_method": "SUM",
    }


class HRNetPose(HRNetTrunk, PoseNet):
    """HRNet with a final convolution (Sun et al., CVPR 2019; DarkPose); features = the input of that layer."""

    stride = PoseNet.stride
    feature_stride = HRNetTrunk.stride
    domain_classifier = "hrnet"
    freeze_presets: Mapping[str, tuple[str, ...]] = {
        "transition2": ("conv1", "bn1", "conv2", "bn2", "layer1", "transition1", "stage2", "transition2")
    }

    def __init__(
        self, num_joints: int, stages: Mapping[str, Mapping[str, Any]], final_kernel: int = 1
    ) -> None:
        super().__init__(stages)
        self.feature_channels = self.channels
        self.label = f"HRNet-W{self.channels}"
        self.final_layer = final_conv(self.channels, num_joints, final_kernel)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, 3, H, W) -> features (B, C, H/4, W/4), heatmaps (B, K, H/4, W/4)."""
        features = self.extract(images)
        return features, self.final_layer(features)


@POSE_NETS.register("pose_hrnet")
@POSE_NETS.register("adaptive_pose_hrnet")
def build_hrnet(
    num_joints: int, image_size: tuple[int, int], extra: Mapping[str, Any], pretrained: str = ""
) -> HRNetPose:
    """Build an HRNet from the tables STAGE2, STAGE3, STAGE4 of ``extra``."""
    extra = check_extra("pose_hrnet", extra, _EXTRA_KEYS)
    net = HRNetPose(num_joints, extra, extra.get("FINAL_CONV_KERNEL", 1))
    check_image_size(image_size, net.multiple)
    name = f"hrnet_w{net.channels}"
    if wants_imagenet(pretrained):
        if not timm.is_model(name):
            raise ConfigError(
                f"there are no ImageNet weights for an HRNet of width {net.channels}; use another one"
            )
        load_imagenet(net, name, lambda: timm.create_model(name, pretrained=True).state_dict())
    return net
