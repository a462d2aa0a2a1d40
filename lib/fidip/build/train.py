"""What a training needs from a config: stages, their tasks, data and optimisers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn
from torch.utils.data import DataLoader
from yacs.config import CfgNode

from fidip.build.adapt import classified_view, has_classifier, is_adaptive, pose_task
from fidip.build.data import build_codec, build_gap_records, build_records, plain_loader, read_content
from fidip.build.run import build_evaluator, crop_areas, image_size, train_folder
from fidip.config import result_keys, run_name
from fidip.data.appearance import AppearancePolicy
from fidip.data.augment import CropPolicy
from fidip.data.dataset import PoseDataset
from fidip.data.records import Record, check_pictures, find_split, load_records
from fidip.data.sampler import EpochBatches
from fidip.engine.grid import BatchGrid
from fidip.engine.loop import Stage, TrainerOptions
from fidip.engine.schedule import LearningRate, OptimizerOptions, make_optimizer
from fidip.engine.signals import ignore_in_worker
from fidip.errors import ConfigError, DataError
from fidip.evaluation import CocoEvaluator
from fidip.losses import hard_joints_mse, joints_cross_entropy, joints_mse
from fidip.runtime import fingerprint
from fidip.skeleton import find_skeleton
from fidip.tasks import DomainWarmupTask, DomainWeights, PoseLoss


@dataclass(frozen=True)
class TrainPlan:
    """Where a training runs and how it begins. tests: whether there is a test set to end with."""

    folder: Path
    seed: int
    resume: bool
    tests: bool


def plan_training(cfg: CfgNode, config_file: Path) -> TrainPlan:
    """The plain facts of a training that its command needs."""
    return TrainPlan(train_folder(cfg, config_file), cfg.SEED, cfg.AUTO_RESUME, bool(cfg.DATASET.TEST_SET))


def require_kind(cfg: CfgNode, net: str, adaptive: bool) -> None:
    """Raise ConfigError unless the config is for a ``net`` kind of net, adapted if ``adaptive``."""
    if net and net not in cfg.MODEL.NAME:
        raise ConfigError(f"MODEL.NAME is {cfg.MODEL.NAME}, this script trains {net} nets; use `fidip train`")
    if adaptive and not is_adaptive(cfg):
        raise ConfigError("ADAPT.METHOD is none; use `fidip train` for that, or set ADAPT.METHOD grl")


def build_accelerator(cfg: CfgNode) -> Accelerator:
    """Device, processes and arithmetic: DEVICE cpu keeps a GPU idle; everything else comes from the launcher.

    Raises ConfigError for an arithmetic that the device does not have.
    """
    if cfg.DEVICE.startswith("cuda:"):
        torch.cuda.set_device(cfg.DEVICE)
    try:
        accelerator = Accelerator(
            mixed_precision={"fp32": "no"}.get(cfg.PRECISION, cfg.PRECISION), cpu=cfg.DEVICE == "cpu"
        )
    except ValueError as error:
        raise ConfigError(f"PRECISION {cfg.PRECISION} does not work here: {error}") from error
    torch.backends.cudnn.enabled = cfg.CUDNN.ENABLED
    torch.backends.cudnn.benchmark = cfg.CUDNN.BENCHMARK
    torch.use_deterministic_algorithms(cfg.CUDNN.DETERMINISTIC)
    return accelerator


def independent_sets(
    cfg: CfgNode, records: Sequence[Record], validation: "Validation | None"
) -> dict[str, Sequence[Record]]:
    """The sets that should share no source, by their key in the config."""
    sets: dict[str, Sequence[Record]] = {"DATASET.TRAIN_SET": records}
    if validation is not None:
        sets["DATASET.VAL_SET"] = validation.records
    if cfg.DATASET.TEST_SET:
        sets["DATASET.TEST_SET"] = build_records(cfg, [cfg.DATASET.TEST_SET])
    if gap := build_gap_records(cfg):  # read here so that a wrong name is found before the training
        sets["TEST.DOMAIN_GAP"] = gap
    return sets


def build_training_records(cfg: CfgNode) -> tuple[list[Record], list[Record]]:
    """Persons for pose training, and those for the classifier alone (empty without pre-training).

    Raises DataError when adaptation finds one domain only, or there are fewer real pictures than asked for.
    """
    count = cfg.DATASET.REAL_COUNT
    records = build_records(cfg, cfg.DATASET.TRAIN_SET, cfg.DATASET.DOMAIN, real_count=count)
    before: list[Record] = []
    if is_adaptive(cfg):
        _require_two_domains(records, cfg.DATASET.TRAIN_SET, "DATASET.TRAIN_SET")
        if cfg.TRAIN.PRE_EPOCH and has_classifier(cfg):
            before = build_records(cfg, cfg.DATASET.TRAIN_PRE_SET, need_joints=False, real_count=count)
            _require_two_domains(before, cfg.DATASET.TRAIN_PRE_SET, "DATASET.TRAIN_PRE_SET")
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
    """Fingerprint of the persons a training sees, so that it is not resumed on other data."""
    return fingerprint(
        [[r.image.name, r.annotation_id, r.synthetic, r.keypoints.round(3).tolist()] for r in records]
    )


def training_key(cfg: CfgNode, records: Sequence[Record], before: Sequence[Record], world: int) -> str:
    """Fingerprint of all that changes the result of a training."""
    return fingerprint([result_keys(cfg), data_key(records), data_key(before), world])


def build_stages(
    cfg: CfgNode,
    model: nn.Module,
    companion: nn.Module | None,
    records: Sequence[Record],
    before: Sequence[Record],
    accelerator: Accelerator,
) -> list[Stage]:
    """The stages of a training: the classifier alone, if asked for, and then the pose net."""
    train = cfg.TRAIN
    optimizer = partial(make_optimizer, options=_optimizer_options(cfg))
    rate = LearningRate(train.SCHEDULE, train.LR_STEP, train.LR_FACTOR, train.WARMUP_STEPS)
    stages = []
    if companion is not None and before:
        loader, batches = _loader(cfg, before, train.PRE_BATCH_SIZE_PER_GPU, 0, accelerator)
        warmup = partial(DomainWarmupTask, model, companion, cfg.DATASET.COLOR_RGB, classified_view(cfg))
        stages.append(
            Stage("classifier", warmup, optimizer, loader, batches, train.PRE_EPOCH, LearningRate())
        )
    loader, batches = _loader(cfg, records, train.BATCH_SIZE_PER_GPU, 1, accelerator)
    task = pose_task(cfg, model, companion, _pose_options(cfg, model))
    epochs, steps = _length(cfg, batches)
    stages.append(Stage("pose", task, optimizer, loader, batches, epochs, rate, selects=True, steps=steps))
    return stages


def _length(cfg: CfgNode, batches: EpochBatches) -> tuple[int, int]:
    """Epochs of the pose stage, and the steps after which the last of them ends, 0 for a whole one."""
    train = cfg.TRAIN
    if not train.END_STEP:
        return train.END_EPOCH, 0
    steps_per_epoch = -(-batches.batches_per_epoch // train.ACCUMULATE)
    return -(-train.END_STEP // steps_per_epoch), train.END_STEP


def _pose_options(cfg: CfgNode, model: nn.Module) -> dict[str, Any]:
    weights = cfg.LOSS.JOINTS_WEIGHT if cfg.LOSS.USE_DIFFERENT_JOINTS_WEIGHT else ()
    return {
        "pose_loss": _pose_loss(cfg, model),
        "frozen": cfg.TRAIN.FREEZE,
        "joint_weights": list(weights),
        "domain_weights": DomainWeights(cfg.LOSS.REAL_WEIGHT, cfg.LOSS.SYNTHETIC_WEIGHT),
        "rgb": cfg.DATASET.COLOR_RGB,
    }


def _pose_loss(cfg: CfgNode, model: nn.Module) -> PoseLoss:
    if cfg.LOSS.KIND == "cross_entropy" and not getattr(model, "maps_sum_to_one", False):
        raise ConfigError(
            f"LOSS.KIND cross_entropy needs a network whose heatmaps sum to 1; those of {cfg.MODEL.NAME} do not: "
            "set LOSS.KIND mse"
        )
    loss: PoseLoss = {"mse": joints_mse, "cross_entropy": joints_cross_entropy}[cfg.LOSS.KIND]
    if cfg.LOSS.USE_OHKM:
        loss = partial(_ohkm, topk=cfg.LOSS.TOPK)
    return loss if cfg.LOSS.USE_TARGET_WEIGHT else partial(_unweighted, loss=loss)


def _ohkm(pred: torch.Tensor, target: torch.Tensor, weight: torch.Tensor, sample_weight: torch.Tensor | None,
          topk: int) -> torch.Tensor:  # fmt: skip
    return hard_joints_mse(pred, target, weight, topk, sample_weight)


def _unweighted(pred: torch.Tensor, target: torch.Tensor, weight: torch.Tensor, sample_weight: torch.Tensor | None,
                loss: PoseLoss) -> torch.Tensor:  # fmt: skip
    return loss(pred, target, torch.ones_like(weight), sample_weight)


def _optimizer_options(cfg: CfgNode) -> OptimizerOptions:
    train = cfg.TRAIN
    return OptimizerOptions(
        train.OPTIMIZER, train.LR, train.CLASSIFIER_LR, train.WD, train.MOMENTUM, train.NESTEROV
    )


def _loader(
    cfg: CfgNode, records: Sequence[Record], batch_size: int, number: int, accelerator: Accelerator
) -> tuple[DataLoader, EpochBatches]:
    seed = cfg.SEED * 100 + number  # another order and other crops in each stage
    dataset = PoseDataset(records, _policy(cfg), build_codec(cfg), seed, cfg.DATASET.EXIF, _appearance(cfg))
    batches = EpochBatches(
        [record.synthetic for record in records],
        batch_size,
        seed,
        balanced=cfg.DATASET.SAMPLER == "balanced",
        shuffle=cfg.TRAIN.SHUFFLE,
        rank=accelerator.process_index,
        world=accelerator.num_processes,
    )
    loader: DataLoader = DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=cfg.WORKERS,
        worker_init_fn=ignore_in_worker,
        persistent_workers=cfg.WORKERS > 0,
        pin_memory=cfg.PIN_MEMORY and accelerator.device.type == "cuda",
        generator=torch.Generator(),  # its own, or each epoch would draw from the global state
    )
    return loader, batches


def _appearance(cfg: CfgNode) -> AppearancePolicy | None:
    """The changes of appearance that the config asks for; None where it asks for none."""
    keys = cfg.AUGMENT
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


def _policy(cfg: CfgNode) -> CropPolicy:
    data = cfg.DATASET
    return CropPolicy(
        size=image_size(cfg),
        skeleton=find_skeleton(data.SKELETON),
        scale_factor=data.SCALE_FACTOR,
        rotation=data.ROT_FACTOR,
        rotation_mode=data.ROT_MODE,
        rotation_probability=data.ROT_PROB,
        flip_probability=0.5 if data.FLIP else 0.0,
        half_body_probability=data.PROB_HALF_BODY,
        half_body_joints=data.NUM_JOINTS_HALF_BODY,
    )


def trainer_options(cfg: CfgNode) -> TrainerOptions:
    """How the loop runs."""
    train = cfg.TRAIN
    return TrainerOptions(
        train.ACCUMULATE, train.CLIP_GRAD, train.EMA, train.VAL_EVERY, train.CHECKPOINT_EVERY, train.BLEND
    )


def build_grid(cfg: CfgNode, folder: Path) -> BatchGrid | None:
    """Pictures of training batches, if DEBUG.DEBUG asks for them."""
    if not cfg.DEBUG.DEBUG:
        return None
    return BatchGrid(
        folder,
        cfg.DEBUG.EVERY,
        build_codec(cfg),
        image_size(cfg),
        find_skeleton(cfg.DATASET.SKELETON),
        rgb=cfg.DATASET.COLOR_RGB,
        truth=cfg.DEBUG.SAVE_BATCH_IMAGES_GT,
        prediction=cfg.DEBUG.SAVE_BATCH_IMAGES_PRED,
        target_maps=cfg.DEBUG.SAVE_HEATMAPS_GT,
        predicted_maps=cfg.DEBUG.SAVE_HEATMAPS_PRED,
    )


@dataclass(frozen=True)
class Validation:
    """A split that chooses the best model. loader: this process's part; areas: px^2 of each record's crop."""

    records: list[Record]
    areas: list[float]
    loader: DataLoader
    evaluator: CocoEvaluator


def build_validation(cfg: CfgNode, accelerator: Accelerator) -> Validation | None:
    """The validation split, from annotated boxes, if there is one; each process gets every n-th record."""
    if not cfg.DATASET.VAL_SET:
        return None
    split = find_split(cfg.DATASET.VAL_SET, Path(cfg.DATASET.ROOT))
    content = read_content(cfg, split)
    records = load_records(split, content, find_skeleton(cfg.DATASET.SKELETON), cfg.DATASET.SKIP_BAD)
    check_pictures(records, cfg.DATASET.EXIF)
    part = slice(accelerator.process_index, None, accelerator.num_processes)
    loader = plain_loader(cfg, records, part)
    loader.worker_init_fn = ignore_in_worker  # a stop waits for the end of the validation
    return Validation(records, crop_areas(cfg, records), loader, build_evaluator(cfg, split, content))


def monitor_options(cfg: CfgNode, config_file: Path) -> tuple[Path, int]:
    """Folder of the tensorboard files, and steps between shown figures."""
    return Path(cfg.LOG_DIR) / run_name(config_file, cfg), cfg.PRINT_FREQ
