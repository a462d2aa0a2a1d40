"""Contradictions in a config, found before anything slow starts."""

import logging
from typing import Any

from yacs.config import CfgNode

from fidip.errors import ConfigError
from fidip.packaged import find_weights
from fidip.skeleton import find_skeleton

logger = logging.getLogger("fidip")

STRIDE = 4  # image px per heatmap px, of every net here
CHOICES = {
    "PRECISION": ("fp32", "bf16", "fp16"),
    "DATASET.DOMAIN": ("all", "real", "synthetic"),
    "DATASET.SAMPLER": ("shuffle", "balanced"),
    "DATASET.ROT_MODE": ("normal", "uniform"),
    "ADAPT.METHOD": ("none", "grl", "cdan", "mmd", "coral", "mean_teacher"),
    "ADAPT.LAMBDA_SCHEDULE": ("constant", "warmup"),
    "LOSS.KIND": ("mse", "cross_entropy"),
    "TRAIN.OPTIMIZER": ("adam", "adamw", "sgd"),
    "TRAIN.SCHEDULE": ("step", "cosine"),
    "TEST.AREA": ("annotation", "bbox", "keypoints"),
}
POSITIVE = (
    "MODEL.SIGMA", "TRAIN.LR", "TRAIN.END_EPOCH", "TRAIN.BATCH_SIZE_PER_GPU", "TRAIN.PRE_BATCH_SIZE_PER_GPU",
    "TRAIN.ACCUMULATE", "TRAIN.VAL_EVERY", "TEST.BATCH_SIZE_PER_GPU", "PRINT_FREQ", "LOSS.TOPK",
)  # fmt: skip


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
    for key, value in (("TRAIN.END_STEP", train.END_STEP), ("DATASET.REAL_COUNT", cfg.DATASET.REAL_COUNT)):
        if value < 0:
            problems.append(f"{key} must be 0 or more, got {value}")
    if adaptive and not train.LAMBDA > 0:
        problems.append(
            f"ADAPT.METHOD {cfg.ADAPT.METHOD} with TRAIN.LAMBDA {train.LAMBDA} trains no adaptation: "
            "set TRAIN.LAMBDA (published: 5e-4) or ADAPT.METHOD none"
        )
    if adaptive and cfg.DATASET.DOMAIN != "all":
        problems.append(f"ADAPT.METHOD {cfg.ADAPT.METHOD} needs both domains: set DATASET.DOMAIN all")
    if train.PRE_EPOCH and adaptive and not cfg.DATASET.TRAIN_PRE_SET:
        problems.append("TRAIN.PRE_EPOCH needs DATASET.TRAIN_PRE_SET (tools/make_train_pre.py makes one)")
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
    problems += _augment_problems(cfg.AUGMENT)
    for key in ("TRAIN.EMA", "TRAIN.BLEND", "ADAPT.TEACHER_DECAY"):
        if not 0 <= _get(cfg, key) < 1:
            problems.append(f"{key} must be in [0, 1), got {_get(cfg, key)}")
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


def _augment_problems(augment: CfgNode) -> list[str]:
    """Numbers of AUGMENT that are outside their range."""
    highest = {"HUE": 0.5, "BLUR": 100.0, "NOISE": 255.0, "JPEG": 100, "ERASE_COUNT": 100}
    return [
        f"AUGMENT.{key} must be in 0..{highest.get(key, 1):g}, got {value}"
        for key, value in augment.items()
        if not 0 <= value <= highest.get(key, 1)
    ]


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
    problems = []
    for key, choices in CHOICES.items():
        if _get(cfg, key) not in choices:
            problems.append(f"{key} {_get(cfg, key)!r} is not one of {', '.join(choices)}")
    problems += [
        f"{key} must be positive, got {_get(cfg, key)}" for key in POSITIVE if not _get(cfg, key) > 0
    ]
    problems += _size_problems(cfg)
    skeleton = find_skeleton(cfg.DATASET.SKELETON)
    if skeleton.num_joints != cfg.MODEL.NUM_JOINTS:
        problems.append(
            f"MODEL.NUM_JOINTS {cfg.MODEL.NUM_JOINTS} differs from the {skeleton.num_joints} joints of {skeleton.name}"
        )
    return problems


def _size_problems(cfg: CfgNode) -> list[str]:
    image, heatmap = cfg.MODEL.IMAGE_SIZE, cfg.MODEL.HEATMAP_SIZE
    if len(image) != 2 or len(heatmap) != 2:
        return [f"MODEL.IMAGE_SIZE {image} and HEATMAP_SIZE {heatmap} must be [width, height]"]
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
