"""Time one training step of the adaptive task beside the published procedure, in one process, in turns."""

import copy
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from fidip.benchmark.published_step import PublishedStep
from fidip.build import build_classifier, build_codec, build_model, image_size
from fidip.codec import HeatmapCodec
from fidip.config import Config, read_settings
from fidip.engine.loop import Stage
from fidip.environment import provenance, seed_everything
from fidip.errors import ConfigError, FidipError
from fidip.models.pose import ThriftyReLU6, meta_copy, replace_modules
from fidip.pixels import normalise
from fidip.stages import build_accelerator, build_stages

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class BenchmarkOptions:
    """steps, warmup: timed and untimed steps of each side. batch: samples, 0: as in the config.

    classifier_passes: of the published procedure, 2 as released or 3.
    """

    steps: int = 10
    warmup: int = 2
    batch: int = 0
    classifier_passes: int = 2


@dataclass(frozen=True)
class StepTimes:
    """Wall times of the same step, s each, for ``batch`` images."""

    seconds: list[float]
    batch: int

    @property
    def least_ms(self) -> float:
        """The fastest step."""
        return 1e3 * min(self.seconds)

    @property
    def median_ms(self) -> float:
        """The middle one."""
        return 1e3 * statistics.median(self.seconds)

    @property
    def images_per_s(self) -> float:
        """At the median."""
        return 1e3 * self.batch / self.median_ms

    def as_json(self) -> dict[str, Any]:
        """Figures for a file, ms and images/s."""
        return {
            "min_ms": self.least_ms,
            "median_ms": self.median_ms,
            "images_per_s": self.images_per_s,
            "all_ms": [1e3 * value for value in self.seconds],
        }


@dataclass(frozen=True)
class BenchmarkResult:
    """Step times of this project and of the published procedure, and the circumstances."""

    ours: StepTimes
    published: StepTimes
    setting: dict[str, Any]

    @property
    def ratio(self) -> float:
        """How many times faster ours is: the median over pairs of neighbouring steps."""
        pairs = zip(self.published.seconds, self.ours.seconds, strict=True)
        return statistics.median(published / ours for published, ours in pairs)

    @property
    def ratio_of_minima(self) -> float:
        """The same from the fastest step of each side, least disturbed by other programs."""
        return self.published.least_ms / self.ours.least_ms

    def table(self) -> str:
        """The result in words and numbers."""
        setting = self.setting
        lines = [
            f"{setting['config']}: {setting['width']}x{setting['height']} px, batch {setting['batch']}, "
            f"{setting['device']} with {setting['threads']} threads, {len(self.ours.seconds)} steps each in turns",
            f"{'':24}{'min ms':>10}{'median ms':>12}{'images/s':>10}",
        ]
        names = {f"ours, {setting['precision']}": self.ours, "published, fp32": self.published}
        lines += [
            f"{name:24}{times.least_ms:10.1f}{times.median_ms:12.1f}{times.images_per_s:10.2f}"
            for name, times in names.items()
        ]
        lines.append(
            f"ours is {self.ratio:.2f} times faster (median of pairs; {self.ratio_of_minima:.2f} by minima)"
        )
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """Everything, for a file."""
        return {
            **self.setting,
            "ours": self.ours.as_json(),
            "published": self.published.as_json(),
            "ratio": self.ratio,
            "ratio_of_minima": self.ratio_of_minima,
            "provenance": provenance(),
        }


def run_benchmark(config: Config, config_file: Path, options: BenchmarkOptions) -> BenchmarkResult:
    """Time the adaptive step of a config on random crops; weights are random, and no data set is needed.

    Both sides start from the same weights and see the same batch. Ours takes uint8 crops and normalises them
    within its time, as in training; the published side gets ready float images, as its loader hands them over.
    Raises ConfigError for a config without adaptation and for options that are not positive.
    """
    settings = read_settings(config)
    if settings.ADAPT.METHOD != "grl":
        raise ConfigError(
            f"{config_file}: the published step adapts by gradient reversal; to time it, set ADAPT.METHOD grl"
        )
    if options.steps < 1 or options.warmup < 0 or options.batch < 0:
        raise ConfigError(
            f"--steps {options.steps}, --warmup {options.warmup} and --batch {options.batch} must be positive"
        )
    rng = seed_everything(settings.SEED)
    accelerator = build_accelerator(settings)
    model = build_model(settings).to(accelerator.device)
    classifier = build_classifier(settings, model)
    stage = build_stages(settings, model, classifier, [], [], accelerator)[-1]
    size = image_size(settings)
    count = options.batch or stage.batches.batch_size
    ours = OwnStep(stage, accelerator)
    heatmaps = meta_copy(model)(torch.empty(2, 3, *size[::-1], device="meta"))[1]
    batch = random_batch(size, build_codec(settings), heatmaps.shape[1], count, rng)
    batch = {name: value.to(accelerator.device) for name, value in batch.items()}
    published = published_step(ours, options.classifier_passes)
    ready = normalise(batch["image"], ours.task.rgb).contiguous()
    seconds = time_in_turns(
        lambda: ours(batch),
        lambda: published(ready, batch["target"], batch["weight"], batch["synthetic"]),
        options,
        accelerator.device,
    )
    setting = {
        "config": config_file.stem,
        "width": size[0],
        "height": size[1],
        "batch": count,
        "steps": options.steps,
        "classifier_passes": options.classifier_passes,
        "precision": {"no": "fp32"}.get(accelerator.mixed_precision, accelerator.mixed_precision),
        "device": str(accelerator.device),
        "threads": torch.get_num_threads(),
    }
    return BenchmarkResult(StepTimes(seconds[0], count), StepTimes(seconds[1], count), setting)


class OwnStep:
    """One step of a stage as the training loop runs it: forward, check of the loss, backward, optimiser."""

    def __init__(self, stage: Stage, accelerator: Accelerator) -> None:
        self.accelerator = accelerator
        self.task: Any = stage.task().to(accelerator.device)
        self.wrapped, self.optimizer = accelerator.prepare(self.task, stage.optimizer(self.task))
        self.wrapped.train()

    def __call__(self, batch: Batch) -> Batch:
        """Learn from one batch on the device; returns the losses. Raises FidipError when one is not finite."""
        with self.accelerator.autocast():
            losses: Batch = self.wrapped(batch, 0.0).losses
        total = torch.stack([*losses.values()]).sum()
        if not torch.isfinite(total):
            raise FidipError("a loss is not finite while timing; lower TRAIN.LR")
        self.accelerator.backward(total)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return losses


def published_step(ours: OwnStep, classifier_passes: int) -> PublishedStep:
    """The published step from copies of the same nets, in torch's default memory layout."""
    task = ours.task
    rates = [group["base_lr"] for group in ours.optimizer.param_groups]
    model = copy.deepcopy(task.model).to(memory_format=torch.contiguous_format)
    replace_modules(model, ThriftyReLU6, partial(nn.ReLU6, inplace=True))  # the released net has torch's own
    return PublishedStep(
        model,
        copy.deepcopy(task.classifier),
        task.strength.value,
        lr=rates[0],
        classifier_lr=rates[-1],
        classifier_passes=classifier_passes,
    )


def random_batch(
    size: tuple[int, int], codec: HeatmapCodec, joints: int, count: int, rng: np.random.Generator
) -> Batch:
    """Noise as crops of ``size`` (W, H) px, joints anywhere in them, every other sample synthetic."""
    image = rng.integers(0, 256, (count, 3, size[1], size[0]), dtype=np.uint8)
    drawn = [codec.encode(rng.uniform(0, codec.size, (joints, 2)), np.ones(joints)) for _ in range(count)]
    return {
        "image": torch.from_numpy(image),
        "target": torch.from_numpy(np.stack([target for target, _ in drawn])),
        "weight": torch.from_numpy(np.stack([weight for _, weight in drawn])),
        "synthetic": (torch.arange(count) % 2).float(),
    }


def time_in_turns(
    first: Callable[[], object], second: Callable[[], object], options: BenchmarkOptions, device: torch.device
) -> tuple[list[float], list[float]]:
    """Wall times in s of two functions called in turns, after some untimed turns."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for turn in range(-options.warmup, options.steps):
        for function, times in zip((first, second), seconds, strict=True):
            start = time.perf_counter()
            function()
            if device.type != "cpu":
                torch.accelerator.synchronize()
            if turn >= 0:
                times.append(time.perf_counter() - start)
    return seconds
