"""Pose networks: images in, features and heatmaps out; tensor names are the published ones."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import timm
import torch
import torchvision
from torch import Tensor, nn

from fidip.errors import ConfigError
from fidip.models.complexity import meta_copy
from fidip.models.heads import DUC, LightHead, deconv_layers, final_conv, init_head, spatial_softmax
from fidip.models.trunks import HRNetTrunk, MobileNetTrunk, ResNetTrunk, TimmTrunk
from fidip.models.weights import fetch_pretrained, first_sentence, load_tensors
from fidip.registry import Registry

POSE_NETS = Registry("model")

_HRNET_KEYS = ("STAGE2", "STAGE3", "STAGE4", "FINAL_CONV_KERNEL")
_DECONV_KEYS = ("NUM_DECONV_LAYERS", "NUM_DECONV_FILTERS", "NUM_DECONV_KERNELS", "DECONV_WITH_BIAS")
_RESNET_KEYS = ("NUM_LAYERS", *_DECONV_KEYS, "FINAL_CONV_KERNEL")
_MOBILE_KEYS = ("WIDTH_MULT", "HEAD_CHANNELS")
_TIMM_KEYS = ("BACKBONE", "HEAD_CHANNELS", "FINAL_CONV_KERNEL")
# Published files carry keys of other networks and dead ones; they change nothing and are let through.
_PUBLISHED_KEYS = {*_HRNET_KEYS, *_RESNET_KEYS, "PRETRAINED_LAYERS", "TARGET_TYPE", "HEATMAP_SIZE", "SIGMA"}


class PoseNet(nn.Module):
    """Base of all pose networks: images (B, 3, H, W) -> features (B, C, h, w), heatmaps (B, K, H/4, W/4).

    feature_channels is C, feature_stride is H/h, both for the domain classifier. domain_classifier names the
    classifier in DOMAIN_CLASSIFIERS that suits the features. freeze_presets maps names to submodules that the
    published recipes keep fixed. other_names lists further tensor namings (theirs -> ours) that load_weights
    understands. joint_layer is the submodule whose outputs are the joints.
    """

    stride = 4  # of the heatmaps, image px per heatmap px
    domain_classifier = "pooled"
    freeze_presets: Mapping[str, tuple[str, ...]] = {}
    other_names: Sequence[Mapping[str, str]] = ()
    feature_channels: int
    feature_stride: int
    joint_layer = "final_layer"

    def feature_size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """Size (w, h) of the feature maps for images of ``image_size`` (W, H) px."""
        return image_size[0] // self.feature_stride, image_size[1] // self.feature_stride


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
        self.final_layer = final_conv(self.channels, num_joints, final_kernel)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, 3, H, W) -> features (B, C, H/4, W/4), heatmaps (B, K, H/4, W/4)."""
        features = self.extract(images)
        return features, self.final_layer(features)


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
        self.deconv_layers = deconv_layers(self.channels, filters, kernels, deconv_bias)
        self.final_layer = final_conv(filters[-1], num_joints, final_kernel)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, 3, H, W) -> features (B, C, H/32, W/32), heatmaps (B, K, H/4, W/4)."""
        features = self.extract(images)
        return features, self.final_layer(self.deconv_layers(features))


class MobilePose(MobileNetTrunk, PoseNet):
    """MobileNetV2 with three DUC blocks; each heatmap sums to 1; features = the last convolution's output.

    width: channels after the compression, a multiple of 8 (256 in the published net).
    """

    stride = PoseNet.stride
    feature_stride = MobileNetTrunk.stride
    domain_classifier = "mobile"
    joint_layer = "hm_conv"

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


class TimmPose(PoseNet):
    """Any timm trunk with a light head; features = the trunk's last map. ``trunk`` and ``head`` are submodules."""

    def __init__(self, num_joints: int, trunk: TimmTrunk, width: int = 128, final_kernel: int = 1) -> None:
        super().__init__()
        self.trunk = trunk
        self.feature_channels = trunk.channels
        self.feature_stride = trunk.stride
        self.head = LightHead(trunk.channels, num_joints, trunk.stride, width, final_kernel)
        self.joint_layer = f"head.{len(self.head) - 1}"
        self.other_names = (trunk.published_names(prefix="trunk."),)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, 3, H, W) -> features (B, C, h, w), heatmaps (B, K, H/4, W/4)."""
        features = self.trunk(images)
        return features, self.head(features)


@POSE_NETS.register("pose_hrnet")
@POSE_NETS.register("adaptive_pose_hrnet")
def build_hrnet(
    num_joints: int, image_size: tuple[int, int], extra: Mapping[str, Any], pretrained: str = ""
) -> PoseNet:
    """Build an HRNet from the tables STAGE2, STAGE3, STAGE4 of ``extra``."""
    _check_extra("pose_hrnet", extra, _HRNET_KEYS)
    net = HRNetPose(num_joints, extra, extra.get("FINAL_CONV_KERNEL", 1))
    _check_image_size(image_size, net.multiple)
    name = f"hrnet_w{net.channels}"
    if _wants_imagenet(pretrained):
        if not timm.is_model(name):
            raise ConfigError(
                f"there are no ImageNet weights for an HRNet of width {net.channels}; use another one"
            )
        _load_imagenet(net, name, lambda: timm.create_model(name, pretrained=True).state_dict())
    return net


@POSE_NETS.register("pose_resnet")
@POSE_NETS.register("adaptive_pose_resnet")
def build_resnet(
    num_joints: int, image_size: tuple[int, int], extra: Mapping[str, Any], pretrained: str = ""
) -> PoseNet:
    """Build a SimpleBaseline ResNet; ``extra`` defaults to 50 layers and three 4x4 deconvolutions of 256."""
    _check_extra("pose_resnet", extra, _RESNET_KEYS)
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
    _check_image_size(image_size, net.multiple)
    if _wants_imagenet(pretrained):
        _load_imagenet(net, f"resnet{depth}", lambda: _torchvision_weights(f"resnet{depth}"))
    return net


@POSE_NETS.register("pose_mobile")
@POSE_NETS.register("adaptive_pose_mobile")
def build_mobile(
    num_joints: int, image_size: tuple[int, int], extra: Mapping[str, Any], pretrained: str = ""
) -> PoseNet:
    """Build the MobileNetV2 pose net; WIDTH_MULT and HEAD_CHANNELS of ``extra`` shrink it."""
    _check_extra("pose_mobile", extra, _MOBILE_KEYS)
    net = MobilePose(num_joints, extra.get("WIDTH_MULT", 1.0), extra.get("HEAD_CHANNELS", 256))
    _check_image_size(image_size, net.multiple)
    if _wants_imagenet(pretrained):
        _load_imagenet(net, "mobilenet_v2", lambda: _torchvision_weights("mobilenet_v2"))
    return net


@POSE_NETS.register("pose_timm")
@POSE_NETS.register("adaptive_pose_timm")
def build_timm(
    num_joints: int, image_size: tuple[int, int], extra: Mapping[str, Any], pretrained: str = ""
) -> PoseNet:
    """Build a pose net on the timm trunk BACKBONE with a light head of HEAD_CHANNELS (128).

    Raises ConfigError when the trunk cannot run at ``image_size``.
    """
    _check_extra("pose_timm", extra, _TIMM_KEYS)
    if not extra.get("BACKBONE"):
        raise ConfigError("MODEL.EXTRA.BACKBONE is missing: pose_timm needs the name of a timm model")
    trunk = TimmTrunk(extra["BACKBONE"], image_size, _wants_imagenet(pretrained))
    net = TimmPose(num_joints, trunk, extra.get("HEAD_CHANNELS", 128), extra.get("FINAL_CONV_KERNEL", 1))
    _check_image_size(image_size, trunk.multiple)
    _check_runs(net, extra["BACKBONE"], image_size)
    return net


def _check_extra(model: str, extra: Mapping[str, Any], used: Sequence[str]) -> None:
    for key in extra:
        if key not in used and key not in _PUBLISHED_KEYS:
            near = difflib.get_close_matches(key, {*used, *_PUBLISHED_KEYS}, n=3) or sorted(used)
            raise ConfigError(
                f"MODEL.EXTRA.{key} is unknown to {model}; nearest known keys: {', '.join(near)}"
            )


def _check_image_size(image_size: tuple[int, int], multiple: int) -> None:
    if image_size[0] % multiple or image_size[1] % multiple or min(image_size) < multiple:
        raise ConfigError(
            f"MODEL.IMAGE_SIZE is {image_size[0]}x{image_size[1]}; this network needs multiples of {multiple} px"
        )


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


def _wants_imagenet(pretrained: str) -> bool:
    if pretrained not in ("", "imagenet"):
        raise ConfigError(
            f"pretrained is {pretrained!r}; choose '' or 'imagenet', and load files with load_weights"
        )
    return pretrained == "imagenet"


def _torchvision_weights(name: str) -> Mapping[str, Tensor]:
    return torchvision.models.get_model_weights(name)["IMAGENET1K_V1"].get_state_dict(
        progress=False, check_hash=True
    )


def _load_imagenet(net: PoseNet, name: str, fetch: Callable[[], Mapping[str, Tensor]]) -> None:
    report = load_tensors(net, fetch_pretrained(name, fetch), f"ImageNet weights {name}", allow_partial=True)
    if report.mismatched:
        raise ConfigError(f"the ImageNet weights of {name} do not fit this MODEL.EXTRA: {report.summary()}")
