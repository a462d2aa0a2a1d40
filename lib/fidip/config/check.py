"""Contradictions in a config, found before anything slow starts."""

import logging
from typing import Any

from fidip.config.load import Config, read_settings
from fidip.config.settings import Settings
from fidip.errors import ConfigError
from fidip.packaged import find_weights
from fidip.skeleton import find_skeleton

logger = logging.getLogger("fidip")

STRIDE = 4  # image px per heatmap px, of every net here


def check_for_testing(config: Config) -> None:
    """Raise ConfigError, with every contradiction that would spoil a test."""
    settings = read_settings(config)
    problems = _common_problems(settings)
    if not settings.DATASET.TEST_SET:
        problems.append("DATASET.TEST_SET is empty: name the split to test")
    elif settings.TEST.DOMAIN_GAP == settings.DATASET.TEST_SET:
        problems.append("TEST.DOMAIN_GAP is the test set: a gap needs a split of another domain")
    if not settings.TEST.USE_GT_BBOX and not settings.TEST.COCO_BBOX_FILE:
        problems.append("TEST.USE_GT_BBOX False needs TEST.COCO_BBOX_FILE, a detections JSON")
    if settings.TEST.POST_PROCESS and settings.TEST.BLUR_KERNEL % 2 == 0:
        problems.append(f"TEST.BLUR_KERNEL must be odd, got {settings.TEST.BLUR_KERNEL}")
    problems += _missing(settings, "TEST.MODEL_FILE")
    if not settings.TEST.USE_GT_BBOX:
        problems += _missing(settings, "TEST.COCO_BBOX_FILE")
    _raise(problems)


def check_for_training(config: Config) -> None:
    """Raise ConfigError with every contradiction that would spoil a training; warn of the doubtful."""
    settings = read_settings(config)
    problems = _common_problems(settings)
    train, adaptive = settings.TRAIN, settings.ADAPT.METHOD != "none"
    if not settings.DATASET.TRAIN_SET:
        problems.append("DATASET.TRAIN_SET is empty: name the splits to train on")
    if adaptive and not train.LAMBDA > 0:
        problems.append(
            f"ADAPT.METHOD {settings.ADAPT.METHOD} with TRAIN.LAMBDA {train.LAMBDA} trains no adaptation: "
            "set TRAIN.LAMBDA (published: 5e-4) or ADAPT.METHOD none"
        )
    if adaptive and settings.DATASET.DOMAIN != "all":
        problems.append(f"ADAPT.METHOD {settings.ADAPT.METHOD} needs both domains: set DATASET.DOMAIN all")
    if train.PRE_EPOCH and adaptive and not settings.DATASET.TRAIN_PRE_SET:
        problems.append("TRAIN.PRE_EPOCH needs DATASET.TRAIN_PRE_SET (`fidip prepare pretraining` makes one)")
    stray = set(settings.DATASET.SECOND_DOMAIN) - {
        *settings.DATASET.TRAIN_SET,
        *settings.DATASET.TRAIN_PRE_SET,
    }
    if stray:
        problems.append(f"DATASET.SECOND_DOMAIN names {', '.join(sorted(stray))}, which no training set has")
    if train.FREEZE and not (settings.MODEL.PRETRAINED or settings.MODEL.PRETRAINED_TRUNK):
        problems.append("TRAIN.FREEZE would freeze random weights: set MODEL.PRETRAINED, or TRAIN.FREEZE []")
    if settings.LOSS.KIND == "cross_entropy" and settings.LOSS.USE_OHKM:
        problems.append("LOSS.KIND cross_entropy has no hard-joint variant: set LOSS.USE_OHKM False")
    if settings.DISTILL.TEACHER and adaptive:
        problems.append("DISTILL.TEACHER and ADAPT.METHOD exclude each other: set ADAPT.METHOD none")
    if settings.DISTILL.TEACHER and not (settings.DISTILL.CONFIG and settings.DISTILL.FACTOR > 0):
        problems.append(
            "DISTILL.TEACHER needs DISTILL.CONFIG, the teacher's config, and DISTILL.FACTOR above 0"
        )
    problems += _missing(settings, "DISTILL.TEACHER")
    if (
        settings.LOSS.USE_DIFFERENT_JOINTS_WEIGHT
        and len(settings.LOSS.JOINTS_WEIGHT) != settings.MODEL.NUM_JOINTS
    ):
        problems.append(
            f"LOSS.JOINTS_WEIGHT has {len(settings.LOSS.JOINTS_WEIGHT)} values for {settings.MODEL.NUM_JOINTS} joints"
        )
    if settings.LOSS.USE_OHKM and settings.LOSS.TOPK > settings.MODEL.NUM_JOINTS:
        problems.append(f"LOSS.TOPK {settings.LOSS.TOPK} is more than the {settings.MODEL.NUM_JOINTS} joints")
    problems += _missing(settings, "MODEL.PRETRAINED") + _missing(
        settings, "MODEL.PRETRAINED_TRUNK", also=("imagenet",)
    )
    _raise(problems)
    _warn_of_doubtful(settings)


def _warn_of_doubtful(settings: Settings) -> None:
    train = settings.TRAIN
    late = [step for step in train.LR_STEP if step >= train.END_EPOCH]
    if train.SCHEDULE == "step" and late and not train.END_STEP:
        logger.warning("TRAIN.LR_STEP %s lies at or after END_EPOCH %d: no effect", late, train.END_EPOCH)
    if not (settings.MODEL.PRETRAINED or settings.MODEL.PRETRAINED_TRUNK):
        logger.warning("MODEL.PRETRAINED and PRETRAINED_TRUNK are empty: the net starts from random weights")
    elif not settings.MODEL.PRETRAINED:
        logger.warning("MODEL.PRETRAINED is empty: no pose-trained start, only the trunk is pretrained")
    if not settings.DATASET.VAL_SET:
        logger.warning("DATASET.VAL_SET is empty: no model is selected, the last one is the result")
    elif settings.DATASET.VAL_SET == settings.DATASET.TEST_SET:
        logger.warning("DATASET.VAL_SET is the test set: the best model is chosen on what it is tested on")


def _common_problems(settings: Settings) -> list[str]:
    problems = _size_problems(settings)
    skeleton = find_skeleton(settings.DATASET.SKELETON)
    if skeleton.num_joints != settings.MODEL.NUM_JOINTS:
        problems.append(
            f"MODEL.NUM_JOINTS {settings.MODEL.NUM_JOINTS} differs from the {skeleton.num_joints} joints of {skeleton.name}"
        )
    return problems


def _size_problems(settings: Settings) -> list[str]:
    image, heatmap = settings.MODEL.IMAGE_SIZE, settings.MODEL.HEATMAP_SIZE
    if [STRIDE * side for side in heatmap] != list(image):
        return [f"MODEL.HEATMAP_SIZE {list(heatmap)} must be IMAGE_SIZE {list(image)} / {STRIDE}"]
    return []


def _get(settings: Settings, key: str) -> Any:
    node: Any = settings
    for name in key.split("."):
        node = getattr(node, name)
    return node


def _missing(settings: Settings, key: str, also: tuple[str, ...] = ()) -> list[str]:
    """A problem if the key names a file that does not exist."""
    value = str(_get(settings, key))
    if not value or value in also or find_weights(value).is_file():
        return []
    return [f"{key} {value} does not exist; models/README.md and data/README.md say where files come from"]


def _raise(problems: list[str]) -> None:
    if problems:
        raise ConfigError("; ".join(problems))
