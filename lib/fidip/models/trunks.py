"""Trunks from timm and torchvision: images in, one feature map out; each declares ``channels`` and ``stride``.

HRNetTrunk, ResNetTrunk and MobileNetTrunk are base classes of their pose nets, which keeps the published tensor
names without a prefix; they offer ``extract``. TimmTrunk is a module of its own.
"""

import difflib
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import timm
import torch
import torchvision
from timm.models.hrnet import HighResolutionNet
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from fidip.errors import ConfigError
from fidip.models.weights import fetch_pretrained, first_sentence

_STAGE_KEYS = ("NUM_MODULES", "NUM_BRANCHES", "BLOCK", "NUM_BLOCKS", "NUM_CHANNELS", "FUSE_METHOD")
_RESNET_LAYERS: dict[int, tuple[Any, list[int]]] = {
    18: (BasicBlock, [2, 2, 2, 2]),
    34: (BasicBlock, [3, 4, 6, 3]),
    50: (Bottleneck, [3, 4, 6, 3]),
    101: (Bottleneck, [3, 4, 23, 3]),
    152: (Bottleneck, [3, 8, 36, 3]),
}


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


class TimmTrunk(nn.Module):
    """Any timm network that can return feature maps, its last one taken: (B, 3, H, W) -> (B, C, H/s, W/s).

    image_size: (W, H) px, needed by transformers, whose position embeddings depend on it.
    Raises ConfigError for a name that timm does not know or cannot take features from, and WeightsError when
    ``pretrained`` weights cannot be fetched.
    """

    def __init__(self, name: str, image_size: tuple[int, int], pretrained: bool = False) -> None:
        super().__init__()
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
