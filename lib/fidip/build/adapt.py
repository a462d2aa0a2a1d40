"""The ways to adapt: which task and which second net ADAPT.METHOD stands for."""

import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import nn
from torch.optim.swa_utils import AveragedModel
from yacs.config import CfgNode

from fidip.build.model import build_classifier, build_model
from fidip.config import load_config
from fidip.engine.schedule import warming_average
from fidip.errors import ConfigError
from fidip.models.domain import PooledDomainClassifier
from fidip.models.pose import PoseNet
from fidip.models.weights import load_weights
from fidip.tasks import (
    AdaptivePoseTask,
    DistillTask,
    MatchedPoseTask,
    MeanTeacherTask,
    PoseTask,
    Strength,
    coral,
    features_alone,
    features_at_joints,
    mmd,
)
from fidip.tasks.adversarial import View

VIEWS: Mapping[str, View] = {"grl": features_alone, "cdan": features_at_joints}
DISTANCES = {"mmd": mmd, "coral": coral}


def is_adaptive(cfg: CfgNode) -> bool:
    """Whether the domains are brought together in some way."""
    return cfg.ADAPT.METHOD != "none"


def is_published_method(cfg: CfgNode) -> bool:
    """Whether this is FiDIP as published: a classifier of the features behind a gradient reversal."""
    return cfg.ADAPT.METHOD == "grl"


def has_classifier(cfg: CfgNode) -> bool:
    """Whether a domain classifier is trained."""
    return cfg.ADAPT.METHOD in VIEWS


def classified_view(cfg: CfgNode) -> View:
    """What the domain classifier sees."""
    return VIEWS[cfg.ADAPT.METHOD]


def build_companion(cfg: CfgNode, model: PoseNet) -> nn.Module | None:
    """The net that adaptation needs beside the pose net: a domain classifier, a teacher, or none."""
    method = cfg.ADAPT.METHOD
    if method == "grl":
        return build_classifier(cfg, model)
    if method == "cdan":
        return PooledDomainClassifier(cfg.MODEL.NUM_JOINTS * model.feature_channels, (1, 1))
    if method == "mean_teacher":
        average = warming_average(cfg.ADAPT.TEACHER_DECAY)
        return AveragedModel(copy.deepcopy(model), multi_avg_fn=average, use_buffers=True)
    return None


def pose_task(
    cfg: CfgNode, model: nn.Module, companion: nn.Module | None, options: Mapping[str, Any]
) -> Callable[[], PoseTask]:
    """What makes the task of the pose stage. options: of PoseTask."""
    method = cfg.ADAPT.METHOD
    strength = Strength(cfg.TRAIN.LAMBDA, cfg.ADAPT.LAMBDA_SCHEDULE == "warmup")
    if companion is not None and method in VIEWS:
        return partial(AdaptivePoseTask, model, companion, strength, VIEWS[method], **options)
    if method in DISTANCES:
        return partial(MatchedPoseTask, model, DISTANCES[method], strength, **options)
    if isinstance(companion, AveragedModel):
        return partial(MeanTeacherTask, model, companion, strength, **options)
    if cfg.DISTILL.TEACHER:
        other = load_config(cfg.DISTILL.CONFIG)
        if other.MODEL.NUM_JOINTS != cfg.MODEL.NUM_JOINTS:
            raise ConfigError(
                f"DISTILL.CONFIG {cfg.DISTILL.CONFIG}: the teacher has {other.MODEL.NUM_JOINTS} joints, the network "
                f"{cfg.MODEL.NUM_JOINTS}"
            )
        teacher = build_model(other)
        load_weights(teacher, cfg.DISTILL.TEACHER)
        size = (other.MODEL.IMAGE_SIZE[0], other.MODEL.IMAGE_SIZE[1])
        return partial(DistillTask, model, teacher, size, cfg.DISTILL.FACTOR, **options)
    return partial(PoseTask, model, **options)
