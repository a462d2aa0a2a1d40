"""One loop for all training: it runs a list of stages and never knows which task it has."""

import copy
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader

from fidip.checkpoint import Checkpoint, CheckpointFile, Position, random_state, set_random_state
from fidip.data.sampler import EpochBatches
from fidip.engine.observe import Monitor, save_bad_batch
from fidip.engine.schedule import LearningRate, warming_average
from fidip.errors import FidipError, Interrupted
from fidip.stopping import StopRequest

logger = logging.getLogger("fidip")

Validate = Callable[[nn.Module], dict[str, Any]]
Draw = Callable[[nn.Module, Mapping[str, Tensor], int], None]


@dataclass(frozen=True)
class Stage:
    """A part of a training. task: makes the task when the stage begins. optimizer: makes its optimiser.

    selects: validate at the end of epochs and keep the best model. steps: optimiser steps after which the last
    epoch ends; 0: it ends with its batches.
    """

    name: str
    task: Callable[[], nn.Module]
    optimizer: Callable[[nn.Module], Optimizer]
    loader: DataLoader
    batches: EpochBatches
    epochs: int
    rate: LearningRate
    selects: bool = False
    steps: int = 0

    def batches_in(self, epoch: int, accumulate: int) -> int:
        """Batches of an epoch, counted from 0; the last one may be cut short."""
        whole = self.batches.batches_per_epoch
        if not self.steps:
            return whole
        before = epoch * -(-whole // accumulate)
        return min(whole, (self.steps - before) * accumulate)

    def batches_after(self, epoch: int, accumulate: int) -> int:
        """Batches of all later epochs."""
        return sum(self.batches_in(later, accumulate) for later in range(epoch + 1, self.epochs))

    def steps_in_all(self, accumulate: int) -> int:
        """Optimiser steps of the stage."""
        return self.steps or -(-self.batches.batches_per_epoch // accumulate) * self.epochs


@dataclass(frozen=True)
class TrainerOptions:
    """accumulate: batches per optimiser step. clip: largest gradient norm, 0 off. ema: decay per step, 0 off.

    validate_every: epochs. checkpoint_every: optimiser steps, 0: at the end of epochs only. blend: share of the
    start weights in what is validated and kept (Wortsman et al., CVPR 2022).
    """

    accumulate: int = 1
    clip: float = 0.0
    ema: float = 0.0
    validate_every: int = 1
    checkpoint_every: int = 0
    blend: float = 0.0


class Trainer:
    """Runs stages to their end, from wherever the run folder's checkpoint says.

    model and companion (domain classifier or teacher, if any) outlive the stages; tasks wrap them. key: fingerprint of config and data.
    validate: scores a pose net, on all processes. keep: writes a pose net as a model file under a name.
    draw: shows a batch as a picture now and then.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        model: nn.Module,
        companion: nn.Module | None,
        accelerator: Accelerator,
        folder: Path,
        key: str,
        monitor: Monitor,
        keep: Callable[[nn.Module, str], None],
        validate: Validate | None = None,
        draw: Draw | None = None,
        options: TrainerOptions | None = None,
    ) -> None:
        self.stages, self.model, self.companion = stages, model.to(accelerator.device), companion
        self.accelerator, self.folder, self.key, self.monitor = accelerator, folder, key, monitor
        self.keep, self.validate, self.draw = keep, validate, draw
        self.options = options or TrainerOptions()
        self.file = CheckpointFile(folder)
        self.position = Position()
        self._since = time.monotonic()
        self.ema: AveragedModel | None = None
        if self.options.ema:
            self.ema = AveragedModel(model, multi_avg_fn=warming_average(self.options.ema), use_buffers=True)

        self._start = copy.deepcopy(self.model) if self.options.blend else None

    @property
    def trained(self) -> nn.Module:
        """The pose net as trained: the running mean of the weights, if there is one."""
        return self.model if self.ema is None else self.ema.module

    def result(self) -> nn.Module:
        """The pose net to validate and keep: the trained one, blended with the start if the options ask for it."""
        if self._start is None:
            return self.trained
        blended = copy.deepcopy(self.trained)
        with torch.no_grad():
            for own, start in zip(blended.parameters(), self._start.parameters(), strict=True):
                own.lerp_(start, self.options.blend)
        return blended

    def fit(self, resume: bool = True) -> Position:
        """Train to the end of the last stage; returns the final position.

        Raises Interrupted after SIGTERM or SIGINT, with the state saved; FidipError on a loss that is not finite.
        """
        self._since = time.monotonic()
        if self.accelerator.is_main_process:
            self.file.clean()
        saved = self.file.load(self.key) if resume else None
        if saved is not None:
            self._restore(saved)
        with StopRequest() as stop:
            while self.position.stage < len(self.stages):
                stage = self.stages[self.position.stage]
                try:
                    self._run_stage(stage, saved, stop)
                finally:
                    stage.loader._iterator = None  # the reading processes leave now, not at some later time
                saved = None
        return self.position

    def _restore(self, saved: Checkpoint) -> None:
        self.position = saved.position
        self.model.load_state_dict(saved.states["model"])
        if self.companion is not None:
            self.companion.load_state_dict(saved.states["companion"])
        if self.ema is not None:
            self.ema.load_state_dict(saved.states["ema"])
        logger.info("going on from %s: stage %d, epoch %d, batch %d", self.file.path, saved.position.stage + 1,
                    saved.position.epoch + 1, saved.position.batch)  # fmt: skip

    def _run_stage(self, stage: Stage, saved: Checkpoint | None, stop: StopRequest) -> None:
        task = stage.task().to(self.accelerator.device)
        optimizer = stage.optimizer(task)
        if saved is not None and saved.states["optimizer"] is not None:
            optimizer.load_state_dict(saved.states["optimizer"])
        wrapped, optimizer = self.accelerator.prepare(task, optimizer)
        if saved is not None:
            if self.accelerator.scaler is not None:
                self.accelerator.scaler.load_state_dict(saved.states["scaler"])
            set_random_state(saved.rng[self.accelerator.process_index])
        here, finished = self.position, False
        while not finished:
            self._run_epoch(stage, wrapped, optimizer, stop)
            here.epoch, here.batch = here.epoch + 1, 0
            finished = here.epoch == stage.epochs
            if stage.selects:
                self._select(finished)
            if finished:
                here.stage, here.epoch, here.step = here.stage + 1, 0, 0
            self.save(None if finished else optimizer)
            self._leave_if(self._stop_wanted(stop))  # asked during a validation
        self.accelerator.free_memory()

    def _run_epoch(self, stage: Stage, task: nn.Module, optimizer: Optimizer, stop: StopRequest) -> None:
        here, options = self.position, self.options
        stage.batches.epoch, stage.batches.start_batch = here.epoch, here.batch
        total = stage.batches_in(here.epoch, options.accumulate)
        steps = stage.steps_in_all(options.accumulate)
        name = f"{stage.name} epoch {here.epoch + 1}/{stage.epochs}"
        self.monitor.begin_epoch(name, total, here.batch, stage.batches_after(here.epoch, options.accumulate))
        task.train()
        for batch in stage.loader:
            here.batch += 1
            first = (here.batch - 1) // options.accumulate * options.accumulate
            in_group = min(options.accumulate, total - first)
            complete = here.batch - first == in_group
            factor = stage.rate(here.epoch, here.step, steps)
            for group in optimizer.param_groups:
                group["lr"] = group["base_lr"] * factor
            figures = self._learn(task, optimizer, batch, here.step / steps, 1 / in_group, complete)
            here.step += complete
            here.total_step += complete
            self.monitor.step(figures, self._images(batch), optimizer.param_groups[0]["lr"], here.total_step)
            if not complete:
                continue
            if self.draw is not None:
                self.draw(self.trained, batch, here.total_step)
            stopped = self._stop_wanted(stop)
            due = options.checkpoint_every and here.total_step % options.checkpoint_every == 0
            if stopped or (due and here.batch < total):
                self.save(optimizer)
            self._leave_if(stopped)
            if here.batch == total:
                break
        self.monitor.end_epoch()

    def _learn(
        self,
        task: nn.Module,
        optimizer: Optimizer,
        batch: dict[str, Any],
        progress: float,
        share: float,
        complete: bool,
    ) -> dict[str, Tensor | float]:
        """Learn from one batch: forward, backward, and a step of the optimiser when its group is complete.

        Args:
            task: wrapped; (batch, progress) -> ``Step``.
            optimizer: of the task.
            batch: tensors by name.
            progress: share of the stage that is done, 0..1.
            share: factor on the losses: 1 / batches of the group.
            complete: whether this is the last batch of its group.

        Returns:
            Losses and figures.
        """
        batch = {name: self._on_device(name, value) for name, value in batch.items()}
        # the forward pass decides whether the backward pass exchanges gradients
        with nullcontext() if complete else self.accelerator.no_sync(task):
            with self.accelerator.autocast():
                losses, shown = task(batch, progress)
            total = torch.stack([*losses.values()]).sum()
            if not torch.isfinite(total):
                self._not_finite(batch, losses)
            self.accelerator.backward(total * share)
        if complete:
            if self.options.clip:
                self.accelerator.clip_grad_norm_(task.parameters(), self.options.clip)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            if self.ema is not None:
                self.ema.update_parameters(self.model)
        return {**losses, **shown}

    def _on_device(self, name: str, value: Any) -> Any:
        # the crop matrices are float64, which mps lacks, and no task needs them
        movable = isinstance(value, Tensor) and name != "matrix"
        return value.to(self.accelerator.device, non_blocking=True) if movable else value

    def _images(self, batch: Mapping[str, Any]) -> int:
        return len(batch["image"]) * self.accelerator.num_processes

    def _not_finite(self, batch: Mapping[str, Any], losses: Mapping[str, Tensor]) -> None:
        path = self.folder / f"bad_batch_{self.accelerator.process_index}.pt"
        tensors = {name: value.cpu() for name, value in batch.items() if isinstance(value, Tensor)}
        save_bad_batch(path, tensors, losses)
        named = ", ".join(f"{name} {value.item():.4g}" for name, value in losses.items())
        raise FidipError(
            f"a loss is not finite at step {self.position.total_step + 1} ({named}); the batch is in {path}: "
            "lower TRAIN.LR, set TRAIN.CLIP_GRAD, or look at the batch"
        )

    def _leave_if(self, stopped: int) -> None:
        """Leave, when ``stopped`` is the number of a signal and not 0; the state must be saved already."""
        if stopped:
            self.monitor.close()
            raise Interrupted(stopped)

    def _stop_wanted(self, stop: StopRequest) -> int:
        """Signal number, when any process was asked to stop; all processes agree."""
        if self.accelerator.num_processes == 1:
            return stop.received
        received = torch.tensor(stop.received, device=self.accelerator.device)
        return int(self.accelerator.gather(received).max())

    def _select(self, finished: bool) -> None:
        """Keep the last model, and the best one where there is a validation."""
        here, result = self.position, self.result()
        if self.validate is not None and (finished or here.epoch % self.options.validate_every == 0):
            metrics = self.validate(result)
            score = metrics["AP"] or 0.0
            self.monitor.scalars("val", metrics, here.total_step)
            logger.info("epoch %d: validation AP %.4f (best %.4f)", here.epoch, score, max(here.best, score))
            if score > here.best:
                here.best, here.best_epoch = score, here.epoch
                self._keep(result, "best")
        self._keep(result, "last")

    def _keep(self, result: nn.Module, name: str) -> None:
        if self.accelerator.is_main_process:
            self.keep(result, name)

    def save(self, optimizer: Optimizer | None) -> None:
        """Write a checkpoint; all processes take part with their random states."""
        rng = gather_object([random_state()])
        now = time.monotonic()
        self.position.seconds += now - self._since
        self._since = now
        if not self.accelerator.is_main_process:
            return
        states = {
            "model": self.model.state_dict(),
            "companion": None if self.companion is None else self.companion.state_dict(),
            "ema": None if self.ema is None else self.ema.state_dict(),
            "optimizer": None if optimizer is None else optimizer.state_dict(),
            "scaler": None if self.accelerator.scaler is None else self.accelerator.scaler.state_dict(),
        }
        self.file.save(Checkpoint(self.key, copy.copy(self.position), states, rng))
