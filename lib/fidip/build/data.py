"""Codec, records and loaders from a config."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader
from yacs.config import CfgNode

from fidip.codec import HeatmapCodec
from fidip.data.augment import CropPolicy
from fidip.data.dataset import PoseDataset
from fidip.data.records import (
    Record,
    Split,
    check_pictures,
    find_split,
    load_detections,
    load_records,
    read_split,
)
from fidip.domain_gap.extras import require
from fidip.errors import DataError
from fidip.skeleton import find_skeleton

logger = logging.getLogger("fidip")

_DRAW = 0x5EA1  # tells the stream of drawn pictures from all others of a seed


def build_codec(cfg: CfgNode) -> HeatmapCodec:
    """Heatmap size, sigma and decoding of the config."""
    size = (cfg.MODEL.HEATMAP_SIZE[0], cfg.MODEL.HEATMAP_SIZE[1])
    return HeatmapCodec(size, cfg.MODEL.SIGMA, cfg.TEST.BLUR_KERNEL if cfg.TEST.POST_PROCESS else 0)


def build_records(
    cfg: CfgNode, entries: Sequence[str], domain: str = "all", need_joints: bool = True, real_count: int = 0
) -> list[Record]:
    """Persons of one or several splits, joined; pictures are checked. ``domain``: all, real or synthetic.

    real_count: see ``draw_real``.
    """
    records: list[Record] = []
    for entry in entries:
        split = find_split(entry, Path(cfg.DATASET.ROOT))
        content = read_content(cfg, split)
        joints = find_skeleton(cfg.DATASET.SKELETON)
        part = load_records(split, content, joints, cfg.DATASET.SKIP_BAD, need_joints)
        if entry in cfg.DATASET.SECOND_DOMAIN:
            part = [replace(record, synthetic=True) for record in part]
        second = sum(record.synthetic for record in part)
        logger.info("%s: %d persons, %d of them of the second domain", entry, len(part), second)
        records += part
    if domain != "all":
        records = [record for record in records if record.synthetic == (domain == "synthetic")]
        if not records:
            raise DataError(f"DATASET.DOMAIN {domain}: no such person in {', '.join(entries)}")
    records = draw_real(records, real_count, cfg.SEED)
    check_pictures(records, cfg.DATASET.EXIF)
    return records


def draw_real(records: Sequence[Record], count: int, seed: int) -> list[Record]:
    """The synthetic persons, and those in ``count`` real pictures drawn at random; all of them with 0.

    A smaller count draws a part of what a larger one does. Raises DataError where there are not as many.
    """
    if not count:
        return list(records)
    pictures = sorted({record.image for record in records if not record.synthetic})
    if len(pictures) < count:
        raise DataError(
            f"DATASET.REAL_COUNT {count}: there are only {len(pictures)} real pictures; lower it, or add a split"
        )
    drawn = np.random.default_rng([seed, _DRAW]).permutation(len(pictures))[:count]
    kept = {pictures[index] for index in drawn}
    logger.info("%d of %d real pictures are used", count, len(pictures))
    return [record for record in records if record.synthetic or record.image in kept]


def build_gap_records(cfg: CfgNode) -> list[Record]:
    """Persons whose features are compared with those of the test set; empty where TEST.DOMAIN_GAP is.

    Raises ConfigError without scikit-learn, which the comparison needs.
    """
    if not cfg.TEST.DOMAIN_GAP:
        return []
    require("sklearn")
    return build_records(cfg, [cfg.TEST.DOMAIN_GAP], need_joints=False)


def split_to_test(cfg: CfgNode) -> Split:
    """The split that is tested."""
    return find_split(cfg.DATASET.TEST_SET, Path(cfg.DATASET.ROOT))


def read_content(cfg: CfgNode, split: Split) -> dict[str, Any]:
    """The checked annotations of a split."""
    return read_split(split, find_skeleton(cfg.DATASET.SKELETON), cfg.DATASET.SKIP_BAD)


def build_test_loader(cfg: CfgNode, split: Split, content: dict[str, Any]) -> tuple[list[Record], DataLoader]:
    """Crops of a split in the order of its records, from annotated or detected boxes."""
    joints = find_skeleton(cfg.DATASET.SKELETON)
    if cfg.TEST.USE_GT_BBOX:
        records = load_records(split, content, joints, cfg.DATASET.SKIP_BAD)
    else:
        file = Path(cfg.TEST.COCO_BBOX_FILE)
        records = load_detections(split, content, file, joints, cfg.TEST.IMAGE_THRE, cfg.TEST.NMS_THRE)
    check_pictures(records, cfg.DATASET.EXIF)
    return records, plain_loader(cfg, records)


def plain_loader(cfg: CfgNode, records: Sequence[Record], part: slice = slice(None)) -> DataLoader:
    """Crops without augmentation, in order. ``part``: of the records; samples keep their number among all."""
    policy = CropPolicy(
        (cfg.MODEL.IMAGE_SIZE[0], cfg.MODEL.IMAGE_SIZE[1]), find_skeleton(cfg.DATASET.SKELETON)
    )
    dataset = PoseDataset(records, policy, build_codec(cfg), exif=cfg.DATASET.EXIF)
    chosen = range(len(records))[part]
    return DataLoader(
        dataset,
        batch_size=cfg.TEST.BATCH_SIZE_PER_GPU,
        sampler=chosen,
        num_workers=min(cfg.WORKERS, len(chosen)),
        pin_memory=cfg.PIN_MEMORY and torch.cuda.is_available(),
        generator=torch.Generator(),  # its own: a validation must not move the global state
    )
