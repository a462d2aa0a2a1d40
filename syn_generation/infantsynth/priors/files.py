"""Pose priors on disk: plain arrays in anatomical angles, so that one file suits every body that has the joints."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fidip.errors import DataError
from fidip.runtime import atomic_path
from infantsynth.body import BodyModel
from infantsynth.priors.limits import anatomy_of
from infantsynth.priors.prior import PosePrior
from infantsynth.priors.shape import ShapePrior

Array = np.ndarray

VERSION = 1


@dataclass(frozen=True)
class StoredPrior:
    """A mixture of M Gaussians over the angles of named joints, rad from the anatomical position.

    names: D/3 joints. weights (M,), means (M, D), covariances (M, D, D). shape: of the body called shape_body, or None.
    """

    names: tuple[str, ...]
    weights: Array
    means: Array
    covariances: Array
    source: str
    shape: ShapePrior | None = None
    shape_body: str = ""

    @classmethod
    def of(cls, prior: PosePrior, body: BodyModel, shape: ShapePrior | None = None) -> "StoredPrior":
        """A body's prior in anatomical angles."""
        own = list(prior.joints)
        anatomy = anatomy_of(body)
        turn, offset = _turn(anatomy.axes[own]), anatomy.offset[own].ravel()
        means = prior.means @ turn.T + offset
        covariances = turn @ prior.covariances @ turn.T
        names = tuple(body.joint_names[joint] for joint in own)
        return cls(names, prior.weights, means, covariances, prior.source, shape, body.name if shape else "")

    def for_body(self, body: BodyModel) -> PosePrior:
        """The prior over rotation vectors of a body's joints; joints that the body lacks are left out.

        Raises DataError for a body that has none of them.
        """
        known = [name for name in self.names if name in body.joint_names]
        if not known:
            raise DataError(
                f"pose prior {self.source} knows no joint of body {body.name!r}; learn one for it"
            )
        picked = np.concatenate([3 * self.names.index(name) + np.arange(3) for name in known])
        own = [body.joint(name) for name in known]
        anatomy = anatomy_of(body)
        turn, offset = _turn(anatomy.axes[own]), anatomy.offset[own].ravel()
        means = (self.means[:, picked] - offset) @ turn
        covariances = turn.T @ self.covariances[:, picked][:, :, picked] @ turn
        return PosePrior(tuple(own), len(body.joint_names), self.weights, means, covariances, self.source)

    def shape_for(self, body: BodyModel) -> ShapePrior:
        """The shape prior, if there is one for this body, else the standard one."""
        if self.shape is not None and self.shape_body == body.name and len(self.shape.mean) == body.num_betas:
            return self.shape
        return ShapePrior.standard(body)


def _turn(axes: Array) -> Array:
    """Blocks (N, 3, 3) along the diagonal of a matrix (3 N, 3 N)."""
    count = len(axes)
    matrix = np.zeros((count, 3, count, 3))
    own = np.arange(count)
    matrix[own, :, own, :] = axes
    return matrix.reshape(3 * count, 3 * count)


def write_prior(path: Path, prior: StoredPrior) -> None:
    """Write an npz of plain arrays, whole or not at all."""
    arrays = {
        "version": np.array(VERSION),
        "names": np.array(prior.names),
        "weights": prior.weights,
        "means": prior.means,
        "covariances": prior.covariances,
        "source": np.array(prior.source),
    }
    if prior.shape is not None:
        arrays |= {
            "shape_mean": prior.shape.mean,
            "shape_covariance": prior.shape.covariance,
            "shape_body": np.array(prior.shape_body),
        }
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def read_prior(path: Path) -> StoredPrior:
    """Read what ``write_prior`` wrote. Raises DataError for anything else."""
    try:
        with np.load(path, allow_pickle=False) as content:
            arrays = {name: content[name] for name in content.files}
        return _stored(arrays, str(path))
    except FileNotFoundError as error:
        raise DataError(
            f"pose prior {path} does not exist; learn one with syn_generation/learn_prior.py"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError) as error:
        raise DataError(
            f"pose prior {path} cannot be read ({error}); learn it anew with syn_generation/learn_prior.py"
        ) from error


def _stored(arrays: dict[str, Array], origin: str) -> StoredPrior:
    if int(arrays["version"]) != VERSION:
        raise ValueError(f"version {int(arrays['version'])} is not {VERSION}")
    source = str(arrays["source"]) or origin
    shape = None
    if "shape_mean" in arrays:
        shape = ShapePrior(_numbers(arrays, "shape_mean"), _numbers(arrays, "shape_covariance"), source)
    names = tuple(str(name) for name in arrays["names"])
    weights, means, covariances = (_numbers(arrays, part) for part in ("weights", "means", "covariances"))
    # builds one to check that shapes fit and numbers are finite
    PosePrior(tuple(range(len(names))), len(names), weights, means, covariances, origin)
    return StoredPrior(
        names, weights, means, covariances, source, shape, str(arrays.get("shape_body", np.array("")))
    )


def _numbers(arrays: dict[str, Array], name: str) -> Array:
    return np.asarray(arrays[name], dtype=np.float64)
