"""Define priors of pose (a mixture of Gaussians) and of shape (one Gaussian)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from fidip.errors import DataError
from infantsynth.body import BodyModel
from infantsynth.priors.limits import anatomy_of

Array = np.ndarray


@dataclass(frozen=True)
class PosePrior:
    """A mixture of M Gaussians over D = 3 x (number of joints) rotation-vector components, rad.

    joints: their indices in a pose of ``num_joints`` joints. weights (M,) sum to 1; means (M, D);
    covariances (M, D, D). source: where it is from, for reports.
    """

    joints: tuple[int, ...]
    num_joints: int
    weights: Array
    means: Array
    covariances: Array
    source: str = ""

    def __post_init__(self) -> None:
        components, size = len(self.weights), 3 * len(self.joints)
        shapes = self.means.shape, self.covariances.shape
        if shapes != ((components, size), (components, size, size)):
            raise DataError(
                f"pose prior {self.source}: means and covariances of shapes {shapes} do not fit {components} "
                f"components over {len(self.joints)} joints"
            )
        if not all(np.isfinite(part).all() for part in (self.weights, self.means, self.covariances)):
            raise DataError(f"pose prior {self.source} holds numbers that are not finite")

    @cached_property
    def factors(self) -> Array:
        """Lower Cholesky factors of the precisions, (M, D, D). Raises DataError for a degenerate covariance."""
        try:
            return np.linalg.cholesky(np.linalg.inv(self.covariances))
        except np.linalg.LinAlgError as error:
            raise DataError(
                f"pose prior {self.source} has a covariance that is not positive definite; learn it from more fits"
            ) from error

    @cached_property
    def penalties(self) -> Array:
        """What choosing a component costs, (M,) >= 0, -log of weight over volume (Bogo et al. 2016), best one 0."""
        logs = np.log(np.maximum(self.weights, 1e-300)) + self._log_det_factors
        return logs.max() - logs

    @cached_property
    def _log_det_factors(self) -> Array:
        return np.log(np.diagonal(self.factors, axis1=1, axis2=2)).sum(axis=1)

    def marginal(self, joints: Sequence[int]) -> "PosePrior":
        """Return the prior of some of its joints, whatever the others do. Raises DataError for joints it does not know."""
        unknown = set(joints) - set(self.joints)
        if unknown:
            raise DataError(
                f"pose prior {self.source} says nothing of joints {sorted(unknown)}; learn one for this body"
            )
        own = [3 * self.joints.index(joint) + axis for joint in joints for axis in range(3)]
        covariances = self.covariances[:, own][:, :, own]
        return replace(self, joints=tuple(joints), means=self.means[:, own], covariances=covariances)

    def log_prob(self, pose: Array) -> Array:
        """Return the log density (...) of poses (..., J, 3) rad under the whole mixture."""
        values = pose[..., self.joints, :].reshape(*pose.shape[:-2], 1, -1)
        distances = np.einsum("mji,...mj->...mi", self.factors, values - self.means)
        energies = (distances**2).sum(axis=-1) / 2 + self.penalties
        top = np.log(np.maximum(self.weights, 1e-300)) + self._log_det_factors
        least = energies.min(axis=-1, keepdims=True)
        total = np.log(np.exp(least - energies).sum(axis=-1)) - least[..., 0]
        return total + top.max() - self.means.shape[1] / 2 * np.log(2 * np.pi)


def gaussian(
    joints: Sequence[int], num_joints: int, mean: Array, covariance: Array, source: str
) -> PosePrior:
    """Return a prior of one Gaussian: mean (D,) rad, covariance (D, D) rad^2."""
    return PosePrior(tuple(joints), num_joints, np.ones(1), mean[None], covariance[None], source)


def hand_set_prior(body: BodyModel) -> PosePrior:
    """Return independent Gaussians about each joint's anatomical axes, set by hand: broad, whatever the posture."""
    anatomy = anatomy_of(body)
    count = len(body.joint_names)
    mean = np.einsum("jac,ja->jc", anatomy.axes, anatomy.mean)
    blocks = np.einsum("jac,ja,jad->jcd", anatomy.axes, anatomy.sd**2, anatomy.axes)
    covariance = np.zeros((count - 1, 3, count - 1, 3))
    own = np.arange(count - 1)
    covariance[own, :, own, :] = blocks[1:]
    size = 3 * (count - 1)
    return gaussian(range(1, count), count, mean[1:].ravel(), covariance.reshape(size, size), "hand-set")


@dataclass(frozen=True)
class ShapePrior:
    """One Gaussian over betas: mean (K,), covariance (K, K). source: where it is from, for reports."""

    mean: Array
    covariance: Array
    source: str = ""

    def __post_init__(self) -> None:
        size = len(self.mean)
        if self.mean.shape != (size,) or self.covariance.shape != (size, size):
            raise DataError(
                f"shape prior {self.source}: {self.mean.shape} and {self.covariance.shape} do not fit"
            )
        if not (np.isfinite(self.mean).all() and np.isfinite(self.covariance).all()):
            raise DataError(f"shape prior {self.source} holds numbers that are not finite")

    @classmethod
    def standard(cls, body: BodyModel) -> "ShapePrior":
        """Return betas in standard deviations around the mean shape, as the models define them."""
        return cls(np.zeros(body.num_betas), np.eye(body.num_betas), "standard")

    @cached_property
    def precision(self) -> Array:
        """Inverse of the covariance, (K, K). Raises DataError for a degenerate covariance."""
        try:
            np.linalg.cholesky(self.covariance)
        except np.linalg.LinAlgError as error:
            raise DataError(
                f"shape prior {self.source} has a covariance that is not positive definite"
            ) from error
        return np.linalg.inv(self.covariance)
