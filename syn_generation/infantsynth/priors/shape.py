"""The shape prior: which betas a body has."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fidip.errors import DataError
from infantsynth.body import BodyModel

Array = np.ndarray


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
        """Betas in standard deviations around the mean shape, as the models define them."""
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

    def energy(self, betas: Array) -> Array:
        """Squared Mahalanobis distance (...) of betas (..., K) from the mean."""
        apart = betas - self.mean
        return np.einsum("...i,ij,...j->...", apart, self.precision, apart)

    def sample(self, rng: np.random.Generator, count: int) -> Array:
        """Draw betas (count, K)."""
        return (
            self.mean + rng.standard_normal((count, len(self.mean))) @ np.linalg.cholesky(self.covariance).T
        )
