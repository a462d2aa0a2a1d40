"""Tasks: a batch in, named losses and figures out. The loop never knows which one it has."""

from fidip.tasks.adversarial import (
    AdaptivePoseTask,
    DomainWarmupTask,
    domain_accuracy,
    features_alone,
    features_at_joints,
)
from fidip.tasks.distill import DistillTask
from fidip.tasks.matching import MatchedPoseTask, coral, mmd
from fidip.tasks.pose import DomainWeights, PoseLoss, PoseTask, Step, Strength, Task, frozen_names
from fidip.tasks.teacher import MeanTeacherTask, perturbed

__all__ = [
    "AdaptivePoseTask",
    "DistillTask",
    "DomainWarmupTask",
    "DomainWeights",
    "MatchedPoseTask",
    "MeanTeacherTask",
    "PoseLoss",
    "PoseTask",
    "Step",
    "Strength",
    "Task",
    "coral",
    "domain_accuracy",
    "features_alone",
    "features_at_joints",
    "frozen_names",
    "mmd",
    "perturbed",
]
