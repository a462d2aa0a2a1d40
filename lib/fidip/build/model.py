"""Networks from a config."""

from pathlib import Path
from typing import Any

import torch
from torch import nn
from yacs.config import CfgNode

from fidip.build.data import build_codec
from fidip.inference import Estimator
from fidip.models.domain import DOMAIN_CLASSIFIERS
from fidip.models.pose import POSE_NETS, PoseNet
from fidip.models.weights import load_weights
from fidip.skeleton import find_skeleton


def build_model(cfg: CfgNode) -> PoseNet:
    """The pose net of the config, initialised at random: images (B, 3, H, W) -> (features, heatmaps)."""
    return _pose_net(cfg)


def _pose_net(cfg: CfgNode, pretrained: str = "") -> PoseNet:
    size = (cfg.MODEL.IMAGE_SIZE[0], cfg.MODEL.IMAGE_SIZE[1])
    extra = _plain(cfg.MODEL.EXTRA)
    net: PoseNet = POSE_NETS[cfg.MODEL.NAME](cfg.MODEL.NUM_JOINTS, size, extra, pretrained)
    return net.to(memory_format=torch.channels_last)


def load_start(cfg: CfgNode) -> PoseNet:
    """The pose net with the weights that training starts from.

    MODEL.PRETRAINED must match but for the number of joints, MODEL.PRETRAINED_TRUNK may lack the head.
    Raises WeightsError for files that do not fit.
    """
    trunk = cfg.MODEL.PRETRAINED_TRUNK
    model = _pose_net(cfg, trunk if trunk == "imagenet" else "")
    if trunk and trunk != "imagenet":
        load_weights(model, Path(trunk), allow_partial=True)
    if cfg.MODEL.PRETRAINED:
        joints = find_skeleton(cfg.DATASET.SKELETON).names
        load_weights(model, cfg.MODEL.PRETRAINED, joints=joints)
    return model


def build_classifier(cfg: CfgNode, model: PoseNet) -> nn.Module:
    """The domain classifier for the features of ``model``: features (B, C, h, w) -> logits (B,)."""
    name = model.domain_classifier if cfg.MODEL.CLASSIFIER == "auto" else cfg.MODEL.CLASSIFIER
    size = model.feature_size((cfg.MODEL.IMAGE_SIZE[0], cfg.MODEL.IMAGE_SIZE[1]))
    return DOMAIN_CLASSIFIERS[name](model.feature_channels, size)


def build_estimator(cfg: CfgNode, model: nn.Module, device: torch.device) -> Estimator:
    """A network that turns crops into joints, with the test options of the config."""
    return Estimator(
        model,
        build_codec(cfg),
        (cfg.MODEL.IMAGE_SIZE[0], cfg.MODEL.IMAGE_SIZE[1]),
        find_skeleton(cfg.DATASET.SKELETON),
        device,
        flip=cfg.TEST.FLIP_TEST,
        rgb=cfg.DATASET.COLOR_RGB,
        precision=cfg.PRECISION,
    )


def _plain(node: Any) -> Any:
    """CfgNode -> dict, so that networks need not know yacs."""
    return {key: _plain(value) for key, value in node.items()} if isinstance(node, dict) else node
