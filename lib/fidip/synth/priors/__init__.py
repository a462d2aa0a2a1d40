"""What an infant's body can do: joint limits, priors of pose and shape, parts that sink into each other, contact."""

from fidip.synth.priors.anatomy import Anatomy, Mobility, describe, family
from fidip.synth.priors.capsules import Capsules, capsules_of, sinking
from fidip.synth.priors.contact import FloorContact, floor_contact, self_penetration
from fidip.synth.priors.files import StoredPrior, read_prior, write_prior
from fidip.synth.priors.limits import JointLimits, anatomy_of, rest_joints
from fidip.synth.priors.packaged import default_prior, packaged_prior
from fidip.synth.priors.prior import PosePrior, gaussian, hand_set_prior
from fidip.synth.priors.shape import ShapePrior

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
