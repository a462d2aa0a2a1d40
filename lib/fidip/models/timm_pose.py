"""Pose nets on any timm trunk."""

import difflib
import re
from collections.abc import Mapping
from functools import partial
from typing import Any

import timm
import torch
from torch import Tensor, nn

from fidip.errors import ConfigError
from fidip.models.heads import LightHead
from fidip.models.pose import POSE_NETS, PoseNet, check_extra, check_image_size, meta_copy, wants_imagenet
from fidip.models.weights import fetch_pretrained, first_sentence


class TimmTrunk(nn.Module):
    """Any timm network that can return feature maps, its last one taken: (B, 3, H, W) -> (B, C, H/s, W/s).

    image_size: (W, H) px, needed by transformers, whose position embeddings depend on it.
    Raises ConfigError for a name that timm does not know or cannot take features from, and WeightsError when
    ``pretrained`` weights cannot be fetched.
    """

    def __init__(self, name: str, image_size: tuple[int, int], pretrained: bool = False) -> None:
        super().__init__()
        self.name = name
        build = partial(_timm_features, name, image_size)
        self.body: Any = fetch_pretrained(name, partial(build, pretrained=True)) if pretrained else build()
        self.channels = int(self.body.feature_info.channels()[-1])
        self.stride = int(self.body.feature_info.reduction()[-1])
        self.multiple = self.stride
        # transformers with windows (Swin) hand out (B, H, W, C)
        self.channels_last = str(getattr(self.body, "output_fmt", "NCHW")).endswith("NHWC")

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) -> the last feature map (B, C, H/stride, W/stride)."""
        features = self.body(images)[-1]
        return features.permute(0, 3, 1, 2) if self.channels_last else features

    def published_names(self, prefix: str) -> dict[str, str]:
        """Map tensor names of timm's own weights files to the names here, which ``prefix`` precedes.

        timm's feature wrappers put ``model.`` or ``body.`` in front, or join the first two levels with ``_``.
        """
        names = {}
        for own in self.body.state_dict():
            first, _, rest = re.sub(r"^(model|body)\.", "", own).partition(".")
            names[re.sub(r"_(?=\d+$)", ".", first) + "." + rest if rest else first] = f"{prefix}body.{own}"
        return names


def _timm_features(name: str, image_size: tuple[int, int], pretrained: bool = False) -> Any:
    if not timm.is_model(name.split(".")[0]):
        near = difflib.get_close_matches(name, timm.list_models(), n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ConfigError(f"MODEL.EXTRA.BACKBONE {name!r} is not a timm model{hint}")
    published = timm.get_pretrained_cfg(name)
    size = {"img_size": image_size[::-1]} if published is not None and published.fixed_input_size else {}
    try:
        return timm.create_model(name, pretrained=pretrained, features_only=True, out_indices=(-1,), **size)
    except (RuntimeError, ValueError, TypeError, AttributeError, AssertionError) as error:
        if pretrained:  # more likely the download's fault; fetch_pretrained names the remedy
            raise
        raise ConfigError(
            f"MODEL.EXTRA.BACKBONE {name!r} cannot be used as a trunk ({first_sentence(error)})"
        ) from error


class TimmPose(PoseNet):
    """Any timm trunk with a light head; features = the trunk's last map. ``trunk`` and ``head`` are submodules."""

    def __init__(self, num_joints: int, trunk: TimmTrunk, width: int = 128, final_kernel: int = 1) -> None:
        super().__init__()
        self.trunk = trunk
        self.label = trunk.name
        self.feature_channels = trunk.channels
        self.feature_stride = trunk.stride
        self.head = LightHead(trunk.channels, num_joints, trunk.stride, width, final_kernel)
        self.joint_layer = f"head.{len(self.head) - 1}"
        self.other_names = (trunk.published_names(prefix="trunk."),)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, 3, H, W) -> features (B, C, h, w), heatmaps (B, K, H/4, W/4)."""
        features = self.trunk(images)
        return features, self.head(features)


@POSE_NETS.register("pose_timm")
@POSE_NETS.register("adaptive_pose_timm")
def build_timm(
    num_joints: int, image_size: tuple[int, int], extra: Mapping[str, Any], pretrained: str = ""
) -> TimmPose:
    """Build a pose net on the timm trunk BACKBONE with a light head of HEAD_CHANNELS (128).

    Raises ConfigError when the trunk cannot run at ``image_size``.
    """
    extra = check_extra("pose_timm", extra, ("BACKBONE", "HEAD_CHANNELS", "FINAL_CONV_KERNEL"))
    if not extra.get("BACKBONE"):
        raise ConfigError("MODEL.EXTRA.BACKBONE is missing: pose_timm needs the name of a timm model")
    trunk = TimmTrunk(extra["BACKBONE"], image_size, wants_imagenet(pretrained))
    net = TimmPose(num_joints, trunk, extra.get("HEAD_CHANNELS", 128), extra.get("FINAL_CONV_KERNEL", 1))
    check_image_size(image_size, trunk.multiple)
    _check_runs(net, extra["BACKBONE"], image_size)
    return net


def _check_runs(net: PoseNet, name: str, image_size: tuple[int, int]) -> None:
    """Run shapes through a foreign trunk: some declare one size or stride and keep to another."""
    width, height = image_size
    try:
        features, heatmaps = meta_copy(net).eval()(torch.empty(1, 3, height, width, device="meta"))
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"MODEL.EXTRA.BACKBONE {name!r} does not run at {width}x{height} px ({first_sentence(error)}); "
            "choose another MODEL.IMAGE_SIZE or backbone"
        ) from error
    expected = (net.feature_channels, *net.feature_size(image_size)[::-1])
    if tuple(features.shape[1:]) != expected or tuple(heatmaps.shape[2:]) != (height // 4, width // 4):
        raise ConfigError(
            f"MODEL.EXTRA.BACKBONE {name!r} gives features {tuple(features.shape[1:])}, not {expected}"
        )
