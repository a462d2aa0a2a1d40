"""What an infant's body can do: joint limits, priors of pose and shape, parts that sink into each other, contact."""

from infantsynth.priors.capsules import (
    Capsules,
    FloorContact,
    capsules_of,
    floor_contact,
    self_penetration,
    sinking,
)
from infantsynth.priors.limits import (
    Anatomy,
    JointLimits,
    Mobility,
    anatomy_of,
    describe,
    family,
    rest_joints,
)
from infantsynth.priors.prior import PosePrior, ShapePrior, gaussian, hand_set_prior
from infantsynth.priors.stored import StoredPrior, default_prior, packaged_prior, read_prior, write_prior

__all__ = [
    "Anatomy",
    "Capsules",
    "FloorContact",
    "JointLimits",
    "Mobility",
    "PosePrior",
    "ShapePrior",
    "StoredPrior",
    "anatomy_of",
    "capsules_of",
    "default_prior",
    "describe",
    "family",
    "floor_contact",
    "gaussian",
    "hand_set_prior",
    "packaged_prior",
    "read_prior",
    "rest_joints",
    "self_penetration",
    "sinking",
    "write_prior",
]
