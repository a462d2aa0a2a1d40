"""Contradictions in a config, found before anything slow starts."""

import logging
from typing import Any

from yacs.config import CfgNode

from fidip.errors import ConfigError
from fidip.packaged import find_weights
from fidip.skeleton import find_skeleton

logger = logging.getLogger("fidip")

STRIDE = 4  # image px per heatmap px, of every net here


def check_for_testing(cfg: CfgNode) -> None:
    """Raise ConfigError, with every contradiction that would spoil a test."""
    problems = _common_problems(cfg)
    if not cfg.DATASET.TEST_SET:
        problems.append("DATASET.TEST_SET is empty: name the split to test")
    elif cfg.TEST.DOMAIN_GAP == cfg.DATASET.TEST_SET:
        problems.append("TEST.DOMAIN_GAP is the test set: a gap needs a split of another domain")
    if not cfg.TEST.USE_GT_BBOX and not cfg.TEST.COCO_BBOX_FILE:
        problems.append("TEST.USE_GT_BBOX False needs TEST.COCO_BBOX_FILE, a detections JSON")
    if cfg.TEST.POST_PROCESS and cfg.TEST.BLUR_KERNEL % 2 == 0:
        problems.append(f"TEST.BLUR_KERNEL must be odd, got {cfg.TEST.BLUR_KERNEL}")
    problems += _missing(cfg, "TEST.MODEL_FILE")
    if not cfg.TEST.USE_GT_BBOX:
        problems += _missing(cfg, "TEST.COCO_BBOX_FILE")
    _raise(problems)


def check_for_training(cfg: CfgNode) -> None:
    """Raise ConfigError with every contradiction that would spoil a training; warn of the doubtful."""
    problems = _common_problems(cfg)
    train, adaptive = cfg.TRAIN, cfg.ADAPT.METHOD != "none"
    if not cfg.DATASET.TRAIN_SET:
        problems.append("DATASET.TRAIN_SET is empty: name the splits to train on")
    if adaptive and not train.LAMBDA > 0:
        problems.append(
            f"ADAPT.METHOD {cfg.ADAPT.METHOD} with TRAIN.LAMBDA {train.LAMBDA} trains no adaptation: "
            "set TRAIN.LAMBDA (published: 5e-4) or ADAPT.METHOD none"
        )
    if adaptive and cfg.DATASET.DOMAIN != "all":
        problems.append(f"ADAPT.METHOD {cfg.ADAPT.METHOD} needs both domains: set DATASET.DOMAIN all")
    if train.PRE_EPOCH and adaptive and not cfg.DATASET.TRAIN_PRE_SET:
        problems.append("TRAIN.PRE_EPOCH needs DATASET.TRAIN_PRE_SET (`fidip prepare pretraining` makes one)")
    stray = set(cfg.DATASET.SECOND_DOMAIN) - {*cfg.DATASET.TRAIN_SET, *cfg.DATASET.TRAIN_PRE_SET}
    if stray:
        problems.append(f"DATASET.SECOND_DOMAIN names {', '.join(sorted(stray))}, which no training set has")
    if train.FREEZE and not (cfg.MODEL.PRETRAINED or cfg.MODEL.PRETRAINED_TRUNK):
        problems.append("TRAIN.FREEZE would freeze random weights: set MODEL.PRETRAINED, or TRAIN.FREEZE []")
    if cfg.LOSS.KIND == "cross_entropy" and cfg.LOSS.USE_OHKM:
        problems.append("LOSS.KIND cross_entropy has no hard-joint variant: set LOSS.USE_OHKM False")
    if cfg.DISTILL.TEACHER and adaptive:
        problems.append("DISTILL.TEACHER and ADAPT.METHOD exclude each other: set ADAPT.METHOD none")
    if cfg.DISTILL.TEACHER and not (cfg.DISTILL.CONFIG and cfg.DISTILL.FACTOR > 0):
        problems.append(
            "DISTILL.TEACHER needs DISTILL.CONFIG, the teacher's config, and DISTILL.FACTOR above 0"
        )
    problems += _missing(cfg, "DISTILL.TEACHER")
    if cfg.LOSS.USE_DIFFERENT_JOINTS_WEIGHT and len(cfg.LOSS.JOINTS_WEIGHT) != cfg.MODEL.NUM_JOINTS:
        problems.append(
            f"LOSS.JOINTS_WEIGHT has {len(cfg.LOSS.JOINTS_WEIGHT)} values for {cfg.MODEL.NUM_JOINTS} joints"
        )
    if cfg.LOSS.USE_OHKM and cfg.LOSS.TOPK > cfg.MODEL.NUM_JOINTS:
        problems.append(f"LOSS.TOPK {cfg.LOSS.TOPK} is more than the {cfg.MODEL.NUM_JOINTS} joints")
    problems += _missing(cfg, "MODEL.PRETRAINED") + _missing(
        cfg, "MODEL.PRETRAINED_TRUNK", also=("imagenet",)
    )
    _raise(problems)
    _warn_of_doubtful(cfg)


def _warn_of_doubtful(cfg: CfgNode) -> None:
    train = cfg.TRAIN
    late = [step for step in train.LR_STEP if step >= train.END_EPOCH]
    if train.SCHEDULE == "step" and late and not train.END_STEP:
        logger.warning("TRAIN.LR_STEP %s lies at or after END_EPOCH %d: no effect", late, train.END_EPOCH)
    if not (cfg.MODEL.PRETRAINED or cfg.MODEL.PRETRAINED_TRUNK):
        logger.warning("MODEL.PRETRAINED and PRETRAINED_TRUNK are empty: the net starts from random weights")
    elif not cfg.MODEL.PRETRAINED:
        logger.warning("MODEL.PRETRAINED is empty: no pose-trained start, only the trunk is pretrained")
    if not cfg.DATASET.VAL_SET:
        logger.warning("DATASET.VAL_SET is empty: no model is selected, the last one is the result")
    elif cfg.DATASET.VAL_SET == cfg.DATASET.TEST_SET:
        logger.warning("DATASET.VAL_SET is the test set: the best model is chosen on what it is tested on")


def _common_problems(cfg: CfgNode) -> list[str]:
    problems = _size_problems(cfg)
    skeleton = find_skeleton(cfg.DATASET.SKELETON)
    if skeleton.num_joints != cfg.MODEL.NUM_JOINTS:
        problems.append(
            f"MODEL.NUM_JOINTS {cfg.MODEL.NUM_JOINTS} differs from the {skeleton.num_joints} joints of {skeleton.name}"
        )
    return problems


def _size_problems(cfg: CfgNode) -> list[str]:
    image, heatmap = cfg.MODEL.IMAGE_SIZE, cfg.MODEL.HEATMAP_SIZE
    if [STRIDE * side for side in heatmap] != list(image):
        return [f"MODEL.HEATMAP_SIZE {heatmap} must be IMAGE_SIZE {image} / {STRIDE}"]
    return []


def _get(cfg: CfgNode, key: str) -> Any:
    node = cfg
    for name in key.split("."):
        node = node[name]
    return node


def _missing(cfg: CfgNode, key: str, also: tuple[str, ...] = ()) -> list[str]:
    """A problem if the key names a file that does not exist."""
    value = str(_get(cfg, key))
    if not value or value in also or find_weights(value).is_file():
        return []
    return [f"{key} {value} does not exist; models/README.md and data/README.md say where files come from"]


def _raise(problems: list[str]) -> None:
    if problems:
        raise ConfigError("; ".join(problems))
