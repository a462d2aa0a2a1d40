"""The training loop and what surrounds it."""

from fidip.engine.loop import Stage, Trainer
from fidip.engine.observe import Monitor
from fidip.engine.schedule import LearningRate, make_optimizer

__all__ = ["LearningRate", "Monitor", "Stage", "Trainer", "make_optimizer"]
