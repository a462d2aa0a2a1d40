"""What an infant's body can do: joint limits, priors of pose and shape, parts that sink into each other, contact."""

from infantsynth.priors.anatomy import Anatomy, Mobility, describe, family
from infantsynth.priors.capsules import Capsules, capsules_of, sinking
from infantsynth.priors.contact import FloorContact, floor_contact, self_penetration
from infantsynth.priors.files import StoredPrior, read_prior, write_prior
from infantsynth.priors.limits import JointLimits, anatomy_of, rest_joints
from infantsynth.priors.packaged import default_prior, packaged_prior
from infantsynth.priors.prior import PosePrior, gaussian, hand_set_prior
from infantsynth.priors.shape import ShapePrior

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
