"""Optimisers and learning rates. A rate is a function of the position, so nothing has to be restored."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from fidip.registry import Registry

OPTIMIZERS = Registry("optimizer")


@dataclass(frozen=True)
class LearningRate:
    """Factor on the base rates.

    schedule: "step" multiplies by ``factor`` at each epoch of ``milestones``; "cosine" falls to 0 over all
    steps. warmup_steps: linear rise over the first optimiser steps.
    """

    schedule: str = "step"
    milestones: Sequence[int] = ()
    factor: float = 0.1
    warmup_steps: int = 0

    def __call__(self, epoch: int, step: int, total_steps: int) -> float:
        """Factor at ``step`` of ``total_steps``, in ``epoch``; all count from 0."""
        rise = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        if self.schedule == "cosine":
            return rise * 0.5 * (1 + math.cos(math.pi * min(step / max(total_steps, 1), 1.0)))
        return rise * self.factor ** sum(epoch >= milestone for milestone in self.milestones)


@dataclass(frozen=True)
class OptimizerOptions:
    """name: adam, adamw or sgd. Rates of the pose net and of the domain classifier; decay and momentum."""

    name: str = "adam"
    lr: float = 1e-3
    classifier_lr: float = 0.0
    weight_decay: float = 0.0
    momentum: float = 0.9
    nesterov: bool = False


def make_optimizer(task: nn.Module, options: OptimizerOptions) -> Optimizer:
    """One optimiser with two groups: the domain classifier's parameters and all others that train.

    A classifier rate of 0 means that of the pose net.
    """
    named = [(name, p) for name, p in task.named_parameters() if p.requires_grad]
    classifier = [p for name, p in named if name.startswith("classifier.")]
    others = [p for name, p in named if not name.startswith("classifier.")]
    rates = (options.lr, options.classifier_lr or options.lr)
    groups = [
        {"params": parameters, "lr": rate, "base_lr": rate}
        for parameters, rate in zip((others, classifier), rates, strict=True)
        if parameters
    ]
    return OPTIMIZERS[options.name](groups, options)


def warming_average(decay: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]:
    """Rule of a running mean of the weights, in place: mean <- d * mean + (1 - d) * weights.

    d grows with the number n of updates as (1 + n) / (10 + n), up to ``decay``: a mean that is young must not
    hold on to the random weights it began with.
    """

    @torch.no_grad()
    def average(means: Sequence[Tensor], weights: Sequence[Tensor], count: Tensor | int) -> None:
        n = float(count)
        share = 1 - min(decay, (1 + n) / (10 + n))
        for mean, value in zip(means, weights, strict=True):
            if mean.is_floating_point():
                mean.lerp_(value.to(mean.dtype), share)
            else:  # counters of BatchNorm
                mean.copy_(value)

    return average


@OPTIMIZERS.register("adam")
def _adam(groups: list[dict], options: OptimizerOptions) -> Optimizer:
    return torch.optim.Adam(groups, weight_decay=options.weight_decay, fused=True)


@OPTIMIZERS.register("adamw")
def _adamw(groups: list[dict], options: OptimizerOptions) -> Optimizer:
    return torch.optim.AdamW(groups, weight_decay=options.weight_decay, fused=True)


@OPTIMIZERS.register("sgd")
def _sgd(groups: list[dict], options: OptimizerOptions) -> Optimizer:
    return torch.optim.SGD(
        groups, momentum=options.momentum, nesterov=options.nesterov, weight_decay=options.weight_decay
    )
