"""What pose networks share: base class, registry, checks of what a config asks of them, a thrifty ReLU6.

A network is one file beside this one: a subclass of PoseNet and a function that builds it, registered by name.
"""

import copy
import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_type_hints

import torch
import torchvision
from torch import Tensor, nn

from fidip.config.values import coerce
from fidip.errors import ConfigError
from fidip.models.weights import fetch_pretrained, load_tensors
from fidip.registry import Registry

POSE_NETS = Registry("model")

# Published YAML files carry keys of other networks and dead ones; they change nothing and are accepted.
_PUBLISHED_KEYS = {
    *(
        "STAGE2",
        "STAGE3",
        "STAGE4",
        "FINAL_CONV_KERNEL",
        "PRETRAINED_LAYERS",
        "TARGET_TYPE",
        "HEATMAP_SIZE",
        "SIGMA",
    ),
    *("NUM_LAYERS", "NUM_DECONV_LAYERS", "NUM_DECONV_FILTERS", "NUM_DECONV_KERNELS", "DECONV_WITH_BIAS"),
}


# type, and whether it is a list of them, of each key that any network here uses
_EXTRA_TYPES: Mapping[str, tuple[type, bool]] = {
    **dict.fromkeys(("NUM_LAYERS", "NUM_DECONV_LAYERS", "FINAL_CONV_KERNEL", "HEAD_CHANNELS"), (int, False)),
    **dict.fromkeys(("NUM_MODULES", "NUM_BRANCHES"), (int, False)),
    **dict.fromkeys(("NUM_DECONV_FILTERS", "NUM_DECONV_KERNELS", "NUM_BLOCKS", "NUM_CHANNELS"), (int, True)),
    **dict.fromkeys(("BACKBONE", "BLOCK", "FUSE_METHOD"), (str, False)),
    "DECONV_WITH_BIAS": (bool, False),
    "WIDTH_MULT": (float, False),
}


class PoseNet(nn.Module):
    """Base of all pose networks: images (B, 3, H, W) -> features (B, C, h, w), heatmaps (B, K, H/4, W/4).

    Attributes:
        stride: image px per heatmap px.
        label: name of the backbone in result tables.
        maps_sum_to_one: whether every heatmap is a distribution, which the cross entropy needs.
        feature_channels: C of the features, which a domain classifier receives.
        feature_stride: H / h of the features.
        domain_classifier: name in DOMAIN_CLASSIFIERS of the classifier that suits the features.
        freeze_presets: names usable in TRAIN.FREEZE, mapped to the submodules they stand for.
        other_names: further tensor namings (theirs -> ours) that load_weights understands.
        spare_tensors: prefixes of tensors that a weights file of this network may hold for another purpose.
        joint_layer: the submodule whose outputs are the joints.
        head_modules: beginnings of the names of what follows the trunk, which weights of the trunk alone lack.
        found_score: least mean of a pose's six highest scores at which a person counts as found in a video or image.
        turn_margin: what is added to found_score where the crop had to be turned: four looks go wrong more often than one.
        sure_score: mean score of a pose below which other orientations of the crop are tried; 0: never.
    """

    stride = 4
    label: str
    maps_sum_to_one = False
    feature_channels: int
    feature_stride: int
    domain_classifier = "pooled"
    freeze_presets: Mapping[str, tuple[str, ...]] = {}
    other_names: Sequence[Mapping[str, str]] = ()
    spare_tensors: tuple[str, ...] = ()
    joint_layer = "final_layer"
    head_modules: tuple[str, ...] = ("final_layer", "deconv_layers", "head.")
    found_score = 0.2
    turn_margin = 0.0
    sure_score = 0.0

    def feature_size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """Size (w, h) of the feature maps for images of ``image_size`` (W, H) px."""
        return image_size[0] // self.feature_stride, image_size[1] // self.feature_stride


def network_class(name: str) -> type[PoseNet]:
    """Return the class of a registered network: what its builder is annotated to return."""
    kind: type[PoseNet] = get_type_hints(POSE_NETS[name])["return"]
    return kind


def check_extra(model: str, extra: Mapping[str, Any], used: Sequence[str]) -> dict[str, Any]:
    """Check the keys of MODEL.EXTRA, and bring their values to their types.

    Raises:
        ConfigError: for a key that ``model`` does not use, with the nearest names, and for a value of another type.
    """
    for key in extra:
        if key not in used and key not in _PUBLISHED_KEYS:
            near = difflib.get_close_matches(key, {*used, *_PUBLISHED_KEYS}, n=3) or sorted(used)
            raise ConfigError(
                f"MODEL.EXTRA.{key} is unknown to {model}; nearest known keys: {', '.join(near)}"
            )
    return {key: typed_extra(key, value) for key, value in extra.items() if key in used}


def typed_extra(name: str, value: Any) -> Any:
    """Bring the value of a key of MODEL.EXTRA, or of a table in it, to its type. Raises ConfigError where it has none."""
    if isinstance(value, Mapping):
        return {key: typed_extra(f"{name}.{key}", inner) for key, inner in value.items()}
    kind, listed = _EXTRA_TYPES.get(name.rpartition(".")[2], (None, False))
    return value if kind is None else coerce(value, kind, listed, f"MODEL.EXTRA.{name}")


def check_image_size(image_size: tuple[int, int], multiple: int) -> None:
    """Raise ConfigError unless both sides of ``image_size`` (W, H) are multiples of ``multiple`` px."""
    if image_size[0] % multiple or image_size[1] % multiple or min(image_size) < multiple:
        raise ConfigError(
            f"MODEL.IMAGE_SIZE is {image_size[0]}x{image_size[1]}; this network needs multiples of {multiple} px"
        )


def wants_imagenet(pretrained: str) -> bool:
    """Tell whether ``pretrained`` asks for ImageNet weights; raises ConfigError unless it is '' or 'imagenet'."""
    if pretrained not in ("", "imagenet"):
        raise ConfigError(
            f"pretrained is {pretrained!r}; choose '' or 'imagenet', and load files with load_weights"
        )
    return pretrained == "imagenet"


def torchvision_weights(name: str) -> Mapping[str, Tensor]:
    """Download the ImageNet weights of a torchvision model."""
    return torchvision.models.get_model_weights(name)["IMAGENET1K_V1"].get_state_dict(
        progress=False, check_hash=True
    )


def load_imagenet(net: PoseNet, name: str, fetch: Callable[[], Mapping[str, Tensor]]) -> None:
    """Fill the trunk of ``net`` with the ImageNet weights that ``fetch`` brings."""
    report = load_tensors(net, fetch_pretrained(name, fetch), f"ImageNet weights {name}", allow_partial=True)
    if report.mismatched:
        raise ConfigError(f"the ImageNet weights of {name} do not fit this MODEL.EXTRA: {report.summary()}")


def meta_copy(model: nn.Module) -> Any:
    """Copy the structure of a network without its numbers, onto the meta device: a forward gives shapes only."""
    memo: dict[int, Any] = {}
    for parameter in model.parameters():
        memo[id(parameter)] = nn.Parameter(torch.empty_like(parameter, device="meta"), requires_grad=False)
    for buffer in model.buffers():
        memo[id(buffer)] = torch.empty_like(buffer, device="meta")
    return copy.deepcopy(model, memo)


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
