"""Tasks: a batch in, named losses out. The loop that trains them never knows which one it has."""

from fidip.tasks.adversarial import (
    AdaptivePoseTask,
    DomainWarmupTask,
    domain_accuracy,
    features_alone,
    features_at_joints,
)
from fidip.tasks.distill import DistillTask
from fidip.tasks.matching import MatchedPoseTask, coral, mmd
from fidip.tasks.pose import DomainWeights, PoseLoss, PoseTask, Strength, frozen_names
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
    "Strength",
    "coral",
    "domain_accuracy",
    "features_alone",
    "features_at_joints",
    "frozen_names",
    "mmd",
    "perturbed",
]
