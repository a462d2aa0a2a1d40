"""Joint limits of a body, in its own anatomical axes."""

from dataclasses import dataclass

import numpy as np
import torch

from infantsynth.body import BodyModel
from infantsynth.priors.anatomy import Anatomy, describe

Array = np.ndarray


@dataclass(frozen=True)
class JointLimits:
    """Ranges of rotation vectors along three axes of each joint. axes: (J, 3, 3), rows; lo, hi: (J, 3) rad.

    The root and joints of unknown names are free (infinite limits).
    """

    axes: Array
    lo: Array
    hi: Array

    @classmethod
    def for_body(cls, body: BodyModel) -> "JointLimits":
        """The hand-set ranges, fitted to the body's rest pose."""
        anatomy = anatomy_of(body)
        return cls(anatomy.axes, anatomy.lo, anatomy.hi)

    def angles(self, pose: Array) -> Array:
        """Components (..., J, 3) rad of a pose (..., J, 3) rad along the axes."""
        return np.einsum("jac,...jc->...ja", self.axes, pose)

    def violation(self, pose: Array) -> Array:
        """How far each component of a pose (..., J, 3) rad is outside its range, (..., J, 3) rad, 0 inside."""
        angles = self.angles(pose)
        return np.maximum(np.maximum(angles - self.hi, self.lo - angles), 0.0)

    def clamp(self, pose: Array) -> Array:
        """The pose (..., J, 3) rad with each component brought into its range."""
        inside = np.clip(self.angles(pose), self.lo, self.hi)
        return np.einsum("jac,...ja->...jc", self.axes, inside)


def anatomy_of(body: BodyModel) -> Anatomy:
    """Axes, ranges and usual angles of a body, from its joint names and rest pose."""
    return describe(body.joint_names, rest_joints(body))


def rest_joints(body: BodyModel) -> Array:
    """Joints (J, 3) m of the mean shape at rest."""
    count = len(body.joint_names)
    with torch.no_grad():
        zero = body.template.new_zeros
        output = body(zero(1, body.num_betas), zero(1, count, 3), zero(1, 3))
    return output.joints[0].double().cpu().numpy()
