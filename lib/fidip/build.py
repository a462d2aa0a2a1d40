"""Networks and what goes with them from a config: what other programs build on.

Every function takes a yacs node of ``fidip.config.load_config``, or the typed ``Settings`` that it becomes.
"""

from pathlib import Path

import torch
from torch import nn

from fidip.codec import HeatmapCodec
from fidip.config import Config, read_settings
from fidip.errors import WeightsError
from fidip.inference import Estimator
from fidip.models.domain import DOMAIN_CLASSIFIERS
from fidip.models.pose import POSE_NETS, PoseNet
from fidip.models.weights import load_weights
from fidip.skeleton import find_skeleton


def build_model(config: Config, pretrained: str = "") -> PoseNet:
    """Build the pose network, initialised at random.

    Args:
        config: MODEL says what is built.
        pretrained: "imagenet" for a trunk with weights that are downloaded.

    Returns:
        Images (B, 3, H, W), normalised, -> features (B, C, h, w) and heatmaps (B, K, H/4, W/4).
    """
    model = read_settings(config).MODEL
    net: PoseNet = POSE_NETS[model.NAME](model.NUM_JOINTS, image_size(config), dict(model.EXTRA), pretrained)
    return net.to(memory_format=torch.channels_last)


def load_start(config: Config) -> PoseNet:
    """Build the pose network with the weights that training starts from.

    MODEL.PRETRAINED must match but for the number of keypoints, MODEL.PRETRAINED_TRUNK may lack the head.

    Raises:
        WeightsError: for files that do not fit.
    """
    settings = read_settings(config)
    trunk = settings.MODEL.PRETRAINED_TRUNK
    model = build_model(settings, trunk if trunk == "imagenet" else "")
    if trunk and trunk != "imagenet":
        report = load_weights(model, Path(trunk), allow_partial=True)
        left = [
            name for name in (*report.missing, *report.mismatched) if not name.startswith(model.head_modules)
        ]
        if left:
            raise WeightsError(
                f"MODEL.PRETRAINED_TRUNK {trunk} leaves {len(left)} tensors of the trunk at random ({', '.join(left[:3])}): "
                "give weights of the same network and image size"
            )
    if settings.MODEL.PRETRAINED:
        joints = find_skeleton(settings.DATASET.SKELETON).names
        load_weights(model, settings.MODEL.PRETRAINED, joints=joints)
    return model


def build_classifier(config: Config, model: PoseNet) -> nn.Module:
    """Build the domain classifier for the features of ``model``: features (B, C, h, w) -> logits (B)."""
    name = read_settings(config).MODEL.CLASSIFIER
    name = model.domain_classifier if name == "auto" else name
    size = model.feature_size(image_size(config))
    return DOMAIN_CLASSIFIERS[name](model.feature_channels, size)


def build_estimator(config: Config, model: nn.Module, device: torch.device) -> Estimator:
    """Build what turns crops into keypoints: the network with the test options of the config."""
    settings = read_settings(config)
    return Estimator(
        model,
        build_codec(settings),
        image_size(settings),
        find_skeleton(settings.DATASET.SKELETON),
        device,
        flip=settings.TEST.FLIP_TEST,
        rgb=settings.DATASET.COLOR_RGB,
        precision=settings.PRECISION,
    )


def build_codec(config: Config) -> HeatmapCodec:
    """Build the codec: heatmap size, sigma and decoding of the config."""
    settings = read_settings(config)
    size = (settings.MODEL.HEATMAP_SIZE[0], settings.MODEL.HEATMAP_SIZE[1])
    return HeatmapCodec(
        size, settings.MODEL.SIGMA, settings.TEST.BLUR_KERNEL if settings.TEST.POST_PROCESS else 0
    )


def image_size(config: Config) -> tuple[int, int]:
    """Return the network's input size (width, height), px."""
    width, height = read_settings(config).MODEL.IMAGE_SIZE
    return width, height
