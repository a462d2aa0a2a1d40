"""Data for training and testing, from settings: records, crops in loaders, ground truth."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader

from fidip.build import build_codec, image_size
from fidip.config import Settings
from fidip.data.appearance import AppearancePolicy
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
from fidip.data.sampler import EpochBatches
from fidip.errors import DataError, require
from fidip.evaluation import CocoEvaluator
from fidip.evaluation.groundtruth import AreaMode
from fidip.files import fingerprint
from fidip.geometry import BOX_PADDING, extend_to_aspect
from fidip.skeleton import find_skeleton
from fidip.stopping import ignore_in_worker

logger = logging.getLogger("fidip")

CLASSIFIED = ("grl", "cdan")  # methods of adaptation with a domain classifier
_DRAW = 0x5EA1  # tells the stream of drawn images from all others of a seed


def build_records(
    settings: Settings,
    entries: Sequence[str],
    domain: str = "all",
    need_joints: bool = True,
    real_count: int = 0,
) -> list[Record]:
    """Persons of one or several splits, joined; pictures are checked. ``domain``: all, real or synthetic.

    real_count: see ``draw_real``.
    """
    records: list[Record] = []
    for entry in entries:
        split = find_split(entry, Path(settings.DATASET.ROOT))
        content = read_content(settings, split)
        joints = find_skeleton(settings.DATASET.SKELETON)
        part = load_records(split, content, joints, settings.DATASET.SKIP_BAD, need_joints)
        if entry in settings.DATASET.SECOND_DOMAIN:
            part = [replace(record, synthetic=True) for record in part]
        second = sum(record.synthetic for record in part)
        logger.info("%s: %d persons, %d of them of the second domain", entry, len(part), second)
        records += part
    if domain != "all":
        records = [record for record in records if record.synthetic == (domain == "synthetic")]
        if not records:
            raise DataError(f"DATASET.DOMAIN {domain}: no such person in {', '.join(entries)}")
    records = draw_real(records, real_count, settings.SEED)
    return check_pictures(records, settings.DATASET.EXIF, settings.DATASET.SKIP_BAD)


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


def build_gap_records(settings: Settings) -> list[Record]:
    """Persons whose features are compared with those of the test set; empty where TEST.DOMAIN_GAP is.

    Raises ConfigError without scikit-learn, which the comparison needs.
    """
    if not settings.TEST.DOMAIN_GAP:
        return []
    require("sklearn", "analysis")
    return build_records(settings, [settings.TEST.DOMAIN_GAP], need_joints=False)


def split_to_test(settings: Settings) -> Split:
    """The split that is tested."""
    return find_split(settings.DATASET.TEST_SET, Path(settings.DATASET.ROOT))


def read_content(settings: Settings, split: Split) -> dict[str, Any]:
    """The checked annotations of a split."""
    return read_split(split, find_skeleton(settings.DATASET.SKELETON), settings.DATASET.SKIP_BAD)


def build_test_loader(
    settings: Settings, split: Split, content: dict[str, Any]
) -> tuple[list[Record], DataLoader, dict[str, Any]]:
    """Build the loader of a test from annotated or detected boxes.

    Returns:
        The records, their crops in the same order, and the content without what DATASET.SKIP_BAD left out: the persons
        that are predicted are those that are scored.
    """
    joints = find_skeleton(settings.DATASET.SKELETON)
    if settings.TEST.USE_GT_BBOX:
        records = load_records(split, content, joints, settings.DATASET.SKIP_BAD)
    else:
        file = Path(settings.TEST.COCO_BBOX_FILE)
        records = load_detections(
            split, content, file, joints, settings.TEST.IMAGE_THRE, settings.TEST.NMS_THRE
        )
    sound = check_pictures(records, settings.DATASET.EXIF, settings.DATASET.SKIP_BAD)
    content = _without_unread(content, records, sound)
    if settings.TEST.USE_GT_BBOX:
        content = _of_persons(content, sound)
    return sound, plain_loader(settings, sound), content


def _without_unread(
    content: dict[str, Any], records: Sequence[Record], sound: Sequence[Record]
) -> dict[str, Any]:
    """The content without the images of records that are not ``sound``."""
    gone = {record.image_id for record in records} - {record.image_id for record in sound}
    return {
        **content,
        "images": [image for image in content["images"] if image["id"] not in gone],
        "annotations": [one for one in content["annotations"] if one["image_id"] not in gone],
    }


def _of_persons(content: dict[str, Any], records: Sequence[Record]) -> dict[str, Any]:
    """The content without persons that have no record, such as those with a box outside their image."""
    known = {record.annotation_id for record in records}
    kept = [
        one
        for one in content["annotations"]
        if one["iscrowd"] or not one["num_keypoints"] or one["id"] in known
    ]
    return {**content, "annotations": kept}


def plain_loader(settings: Settings, records: Sequence[Record], part: slice = slice(None)) -> DataLoader:
    """Crops without augmentation, in order. ``part``: of the records; samples keep their number among all."""
    policy = CropPolicy(image_size(settings), find_skeleton(settings.DATASET.SKELETON))
    dataset = PoseDataset(records, policy, build_codec(settings), exif=settings.DATASET.EXIF)
    chosen = range(len(records))[part]
    return DataLoader(
        dataset,
        batch_size=settings.TEST.BATCH_SIZE_PER_GPU,
        sampler=chosen,
        num_workers=min(settings.WORKERS, len(chosen)),
        pin_memory=settings.PIN_MEMORY and torch.cuda.is_available(),
        generator=torch.Generator(),  # its own: a validation must not move the global state
    )


def train_loader(
    settings: Settings, records: Sequence[Record], batch_size: int, number: int, accelerator: Accelerator
) -> tuple[DataLoader, EpochBatches]:
    """Build the loader of a training stage, and its batches.

    Args:
        settings: augmentation, sampler and workers.
        records: persons of the stage.
        batch_size: of each process.
        number: of the stage: each has another order and other crops.
        accelerator: which part of the batches is this process's.
    """
    seed = settings.SEED * 100 + number
    dataset = PoseDataset(
        records, _policy(settings), build_codec(settings), seed, settings.DATASET.EXIF, _appearance(settings)
    )
    batches = EpochBatches(
        [record.synthetic for record in records],
        batch_size,
        seed,
        balanced=settings.DATASET.SAMPLER == "balanced",
        shuffle=settings.TRAIN.SHUFFLE,
        rank=accelerator.process_index,
        world=accelerator.num_processes,
    )
    loader: DataLoader = DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=settings.WORKERS,
        worker_init_fn=ignore_in_worker,
        persistent_workers=settings.WORKERS > 0,
        pin_memory=settings.PIN_MEMORY and accelerator.device.type == "cuda",
        generator=torch.Generator(),  # its own, or each epoch would draw from the global state
    )
    return loader, batches


def _appearance(settings: Settings) -> AppearancePolicy | None:
    """The changes of appearance that the config asks for; None where it asks for none."""
    keys = settings.AUGMENT
    if not any((keys.BRIGHTNESS, keys.CONTRAST, keys.SATURATION, keys.HUE, keys.GREY, keys.BLUR, keys.NOISE,
                keys.JPEG, keys.ERASE)):  # fmt: skip
        return None
    return AppearancePolicy(
        probability=keys.PROB,
        brightness=keys.BRIGHTNESS,
        contrast=keys.CONTRAST,
        saturation=keys.SATURATION,
        hue=keys.HUE,
        grey=keys.GREY,
        blur=keys.BLUR,
        noise=keys.NOISE,
        jpeg=keys.JPEG,
        erase=keys.ERASE,
        erase_count=keys.ERASE_COUNT,
        erase_size=keys.ERASE_SIZE,
    )


def _policy(settings: Settings) -> CropPolicy:
    data = settings.DATASET
    return CropPolicy(
        size=image_size(settings),
        skeleton=find_skeleton(data.SKELETON),
        scale_factor=data.SCALE_FACTOR,
        rotation=data.ROT_FACTOR,
        rotation_mode=data.ROT_MODE,
        rotation_probability=data.ROT_PROB,
        flip_probability=0.5 if data.FLIP else 0.0,
        half_body_probability=data.PROB_HALF_BODY,
        half_body_joints=data.NUM_JOINTS_HALF_BODY,
    )


def build_training_records(settings: Settings) -> tuple[list[Record], list[Record]]:
    """Persons for pose training, and those for the classifier alone (empty without pre-training).

    Raises DataError when adaptation finds one domain only, or there are fewer real pictures than asked for.
    """
    count = settings.DATASET.REAL_COUNT
    records = build_records(settings, settings.DATASET.TRAIN_SET, settings.DATASET.DOMAIN, real_count=count)
    before: list[Record] = []
    if settings.ADAPT.METHOD != "none":
        _require_two_domains(records, settings.DATASET.TRAIN_SET, "DATASET.TRAIN_SET")
        if settings.TRAIN.PRE_EPOCH and settings.ADAPT.METHOD in CLASSIFIED:
            before = build_records(
                settings, settings.DATASET.TRAIN_PRE_SET, need_joints=False, real_count=count
            )
            _require_two_domains(before, settings.DATASET.TRAIN_PRE_SET, "DATASET.TRAIN_PRE_SET")
    return records, before


def _require_two_domains(records: Sequence[Record], entries: Sequence[str], key: str) -> None:
    synthetic = sum(record.synthetic for record in records)
    if synthetic in (0, len(records)):
        kind = "synthetic" if synthetic else "real"
        raise DataError(
            f"{key} {', '.join(entries)} holds {kind} persons only: adaptation needs both domains; add a split "
            "of the other one, or set ADAPT.METHOD none"
        )


def data_key(records: Sequence[Record]) -> str:
    """Fingerprint of the persons a training sees and of their images, so that it is not resumed on other data."""
    sizes = {path: path.stat().st_size for path in {record.image for record in records}}
    return fingerprint(
        [
            [
                r.image.name,
                sizes[r.image],
                r.annotation_id,
                r.synthetic,
                r.box.round(3).tolist(),
                r.keypoints.round(3).tolist(),
            ]
            for r in records
        ]
    )


def independent_sets(
    settings: Settings, records: Sequence[Record], validation: "Validation | None"
) -> dict[str, Sequence[Record]]:
    """The sets that should share no source, by their key in the config."""
    sets: dict[str, Sequence[Record]] = {"DATASET.TRAIN_SET": records}
    if validation is not None:
        sets["DATASET.VAL_SET"] = validation.records
    if settings.DATASET.TEST_SET:
        sets["DATASET.TEST_SET"] = build_records(settings, [settings.DATASET.TEST_SET])
    if gap := build_gap_records(settings):  # read here so that a wrong name is found before the training
        sets["TEST.DOMAIN_GAP"] = gap
    return sets


def build_evaluator(settings: Settings, split: Split, content: dict[str, Any]) -> CocoEvaluator:
    """Ground truth (checked annotations of a split) with the scoring options of the config."""
    return CocoEvaluator(
        content,
        area=cast(AreaMode, settings.TEST.AREA),
        skeleton=find_skeleton(settings.DATASET.SKELETON),
        in_vis_thre=settings.TEST.IN_VIS_THRE,
        oks_thre=settings.TEST.OKS_THRE,
        soft_nms=settings.TEST.SOFT_NMS,
        source=f"annotation file {split.annotation_file}",
    )


def crop_areas(settings: Settings, records: Sequence[Record]) -> list[float]:
    """Area in px^2 that each crop covers; the published OKS suppression is relative to it."""
    size = image_size(settings)
    return [float((extend_to_aspect(r.box[2:], size) * BOX_PADDING).prod()) for r in records]


@dataclass(frozen=True)
class Validation:
    """A split that chooses the best model. loader: this process's part; areas: px^2 of each record's crop."""

    records: list[Record]
    areas: list[float]
    loader: DataLoader
    evaluator: CocoEvaluator


def build_validation(settings: Settings, accelerator: Accelerator) -> Validation | None:
    """The validation split, from annotated boxes, if there is one; each process gets every n-th record."""
    if not settings.DATASET.VAL_SET:
        return None
    split = find_split(settings.DATASET.VAL_SET, Path(settings.DATASET.ROOT))
    content = read_content(settings, split)
    records = load_records(
        split, content, find_skeleton(settings.DATASET.SKELETON), settings.DATASET.SKIP_BAD
    )
    sound = check_pictures(records, settings.DATASET.EXIF, settings.DATASET.SKIP_BAD)
    content = _of_persons(_without_unread(content, records, sound), sound)
    part = slice(accelerator.process_index, None, accelerator.num_processes)
    loader = plain_loader(settings, sound, part)
    loader.worker_init_fn = ignore_in_worker  # a stop waits for the end of the validation
    return Validation(sound, crop_areas(settings, sound), loader, build_evaluator(settings, split, content))
