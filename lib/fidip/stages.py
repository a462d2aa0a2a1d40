"""What a training does, from settings: its stages, their tasks, losses and optimisers."""

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn
from torch.optim.swa_utils import AveragedModel

from fidip.build import build_classifier, build_codec, build_model, image_size
from fidip.config import Settings, load_config, read_settings, result_keys
from fidip.data.records import Record
from fidip.data.sampler import EpochBatches
from fidip.engine.loop import Stage, TrainerOptions
from fidip.engine.observe import BatchGrid
from fidip.engine.schedule import LearningRate, OptimizerOptions, make_optimizer, warming_average
from fidip.environment import choose_device
from fidip.errors import ConfigError
from fidip.files import content_digest, fingerprint
from fidip.loading import data_key, train_loader
from fidip.losses import hard_joints_mse, joints_cross_entropy, joints_mse
from fidip.models.domain import PooledDomainClassifier
from fidip.models.pose import PoseNet
from fidip.models.weights import load_weights
from fidip.packaged import find_weights
from fidip.skeleton import find_skeleton
from fidip.tasks import (
    AdaptivePoseTask,
    DistillTask,
    DomainWarmupTask,
    DomainWeights,
    MatchedPoseTask,
    MeanTeacherTask,
    PoseLoss,
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


def build_companion(settings: Settings, model: PoseNet) -> nn.Module | None:
    """The net that adaptation needs beside the pose net: a domain classifier, a teacher, or none."""
    method = settings.ADAPT.METHOD
    if method == "grl":
        return build_classifier(settings, model)
    if method == "cdan":
        return PooledDomainClassifier(settings.MODEL.NUM_JOINTS * model.feature_channels, (1, 1))
    if method == "mean_teacher":
        average = warming_average(settings.ADAPT.TEACHER_DECAY)
        return AveragedModel(copy.deepcopy(model), multi_avg_fn=average, use_buffers=True)
    return None


def pose_task(
    settings: Settings, model: nn.Module, companion: nn.Module | None, options: Mapping[str, Any]
) -> Callable[[], PoseTask]:
    """What makes the task of the pose stage. options: of PoseTask."""
    method = settings.ADAPT.METHOD
    strength = Strength(settings.TRAIN.LAMBDA, settings.ADAPT.LAMBDA_SCHEDULE == "warmup")
    if companion is not None and method in VIEWS:
        return partial(AdaptivePoseTask, model, companion, strength, VIEWS[method], **options)
    if method in DISTANCES:
        return partial(MatchedPoseTask, model, DISTANCES[method], strength, **options)
    if isinstance(companion, AveragedModel):
        return partial(MeanTeacherTask, model, companion, strength, **options)
    if settings.DISTILL.TEACHER:
        other = read_settings(load_config(settings.DISTILL.CONFIG))
        if other.MODEL.NUM_JOINTS != settings.MODEL.NUM_JOINTS:
            raise ConfigError(
                f"DISTILL.CONFIG {settings.DISTILL.CONFIG}: the teacher has {other.MODEL.NUM_JOINTS} joints, the network "
                f"{settings.MODEL.NUM_JOINTS}"
            )
        teacher = build_model(other)
        load_weights(teacher, settings.DISTILL.TEACHER)
        size = image_size(other)
        return partial(DistillTask, model, teacher, size, settings.DISTILL.FACTOR, **options)
    return partial(PoseTask, model, **options)


def build_stages(
    settings: Settings,
    model: nn.Module,
    companion: nn.Module | None,
    records: Sequence[Record],
    before: Sequence[Record],
    accelerator: Accelerator,
) -> list[Stage]:
    """The stages of a training: the classifier alone, if asked for, and then the pose net."""
    train = settings.TRAIN
    optimizer = partial(make_optimizer, options=_optimizer_options(settings))
    rate = LearningRate(train.SCHEDULE, train.LR_STEP, train.LR_FACTOR, train.WARMUP_STEPS)
    stages = []
    if companion is not None and before:
        loader, batches = train_loader(settings, before, train.PRE_BATCH_SIZE_PER_GPU, 0, accelerator)
        warmup = partial(
            DomainWarmupTask, model, companion, settings.DATASET.COLOR_RGB, VIEWS[settings.ADAPT.METHOD]
        )
        stages.append(
            Stage("classifier", warmup, optimizer, loader, batches, train.PRE_EPOCH, LearningRate())
        )
    loader, batches = train_loader(settings, records, train.BATCH_SIZE_PER_GPU, 1, accelerator)
    task = pose_task(settings, model, companion, _pose_options(settings, model))
    epochs, steps = _length(settings, batches)
    stages.append(Stage("pose", task, optimizer, loader, batches, epochs, rate, selects=True, steps=steps))
    return stages


def _length(settings: Settings, batches: EpochBatches) -> tuple[int, int]:
    """Epochs of the pose stage, and the steps after which the last of them ends, 0 for a whole one."""
    train = settings.TRAIN
    if not train.END_STEP:
        return train.END_EPOCH, 0
    steps_per_epoch = -(-batches.batches_per_epoch // train.ACCUMULATE)
    return -(-train.END_STEP // steps_per_epoch), train.END_STEP


def _pose_options(settings: Settings, model: nn.Module) -> dict[str, Any]:
    weights = settings.LOSS.JOINTS_WEIGHT if settings.LOSS.USE_DIFFERENT_JOINTS_WEIGHT else ()
    return {
        "pose_loss": _pose_loss(settings, model),
        "frozen": settings.TRAIN.FREEZE,
        "joint_weights": list(weights),
        "domain_weights": DomainWeights(settings.LOSS.REAL_WEIGHT, settings.LOSS.SYNTHETIC_WEIGHT),
        "rgb": settings.DATASET.COLOR_RGB,
    }


def _pose_loss(settings: Settings, model: nn.Module) -> PoseLoss:
    if settings.LOSS.KIND == "cross_entropy" and not getattr(model, "maps_sum_to_one", False):
        raise ConfigError(
            f"LOSS.KIND cross_entropy needs a network whose heatmaps sum to 1; those of {settings.MODEL.NAME} do not: "
            "set LOSS.KIND mse"
        )
    loss: PoseLoss = {"mse": joints_mse, "cross_entropy": joints_cross_entropy}[settings.LOSS.KIND]
    if settings.LOSS.USE_OHKM:
        loss = partial(_ohkm, topk=settings.LOSS.TOPK)
    return loss if settings.LOSS.USE_TARGET_WEIGHT else partial(_unweighted, loss=loss)


def _ohkm(pred: torch.Tensor, target: torch.Tensor, weight: torch.Tensor, sample_weight: torch.Tensor | None,
          topk: int) -> torch.Tensor:  # fmt: skip
    return hard_joints_mse(pred, target, weight, topk, sample_weight)


def _unweighted(pred: torch.Tensor, target: torch.Tensor, weight: torch.Tensor, sample_weight: torch.Tensor | None,
                loss: PoseLoss) -> torch.Tensor:  # fmt: skip
    return loss(pred, target, torch.ones_like(weight), sample_weight)


def _optimizer_options(settings: Settings) -> OptimizerOptions:
    train = settings.TRAIN
    return OptimizerOptions(
        train.OPTIMIZER, train.LR, train.CLASSIFIER_LR, train.WD, train.MOMENTUM, train.NESTEROV
    )


def trainer_options(settings: Settings) -> TrainerOptions:
    """How the loop runs."""
    train = settings.TRAIN
    return TrainerOptions(
        train.ACCUMULATE, train.CLIP_GRAD, train.EMA, train.VAL_EVERY, train.CHECKPOINT_EVERY, train.BLEND
    )


def build_grid(settings: Settings, folder: Path) -> BatchGrid | None:
    """Pictures of training batches, if DEBUG.DEBUG asks for them."""
    if not settings.DEBUG.DEBUG:
        return None
    return BatchGrid(
        folder,
        settings.DEBUG.EVERY,
        build_codec(settings),
        image_size(settings),
        find_skeleton(settings.DATASET.SKELETON),
        rgb=settings.DATASET.COLOR_RGB,
        truth=settings.DEBUG.SAVE_BATCH_IMAGES_GT,
        prediction=settings.DEBUG.SAVE_BATCH_IMAGES_PRED,
        target_maps=settings.DEBUG.SAVE_HEATMAPS_GT,
        predicted_maps=settings.DEBUG.SAVE_HEATMAPS_PRED,
    )


def require_kind(settings: Settings, net: str, adaptive: bool) -> None:
    """Raise ConfigError unless the config is for a ``net`` kind of net, adapted if ``adaptive``."""
    if net and net not in settings.MODEL.NAME:
        raise ConfigError(
            f"MODEL.NAME is {settings.MODEL.NAME}, this script trains {net} nets; use `fidip train`"
        )
    if adaptive and settings.ADAPT.METHOD == "none":
        raise ConfigError("ADAPT.METHOD is none; use `fidip train` for that, or set ADAPT.METHOD grl")


def build_accelerator(settings: Settings) -> Accelerator:
    """Device, processes and arithmetic: DEVICE cpu keeps a GPU idle; everything else comes from the launcher.

    Raises ConfigError for a device that is not there, and for an arithmetic that it does not have.
    """
    choose_device(settings.DEVICE)
    if settings.DEVICE.startswith("cuda:"):
        torch.cuda.set_device(settings.DEVICE)
    try:
        accelerator = Accelerator(
            mixed_precision={"fp32": "no"}.get(settings.PRECISION, settings.PRECISION),
            cpu=settings.DEVICE == "cpu",
        )
    except ValueError as error:
        raise ConfigError(f"PRECISION {settings.PRECISION} does not work here: {error}") from error
    torch.backends.cudnn.enabled = settings.CUDNN.ENABLED
    torch.backends.cudnn.benchmark = settings.CUDNN.BENCHMARK
    torch.use_deterministic_algorithms(settings.CUDNN.DETERMINISTIC)
    return accelerator


def training_key(settings: Settings, records: Sequence[Record], before: Sequence[Record], world: int) -> str:
    """Fingerprint of all that changes the result of a training."""
    starts = (settings.MODEL.PRETRAINED, settings.MODEL.PRETRAINED_TRUNK, settings.DISTILL.TEACHER)
    files = [find_weights(name) for name in starts if name and name != "imagenet"]
    contents = [content_digest(file) for file in files]
    return fingerprint([result_keys(settings), data_key(records), data_key(before), world, contents])
