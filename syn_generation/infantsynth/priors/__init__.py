"""Describe what an infant's body can do: joint limits, priors of pose and shape, parts that sink into each other."""

from infantsynth.priors.capsules import capsules_of, self_penetration
from infantsynth.priors.limits import JointLimits, anatomy_of
from infantsynth.priors.prior import PosePrior, ShapePrior, gaussian, hand_set_prior
from infantsynth.priors.stored import StoredPrior, default_prior, packaged_prior, read_prior, write_prior

__all__ = [
    "JointLimits",
    "PosePrior",
    "ShapePrior",
    "StoredPrior",
    "anatomy_of",
    "capsules_of",
    "default_prior",
    "gaussian",
    "hand_set_prior",
    "packaged_prior",
    "read_prior",
    "self_penetration",
    "write_prior",
]
