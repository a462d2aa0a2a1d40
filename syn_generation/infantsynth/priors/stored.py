"""Read and write priors: own files, the packaged one, the published ones."""

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np

from fidip.errors import DataError
from fidip.files import atomic_path, read_arrays
from infantsynth.body import BodyModel
from infantsynth.body.smpl import JOINT_NAMES, UPRIGHT, load_pickle, numbers
from infantsynth.priors.limits import anatomy_of
from infantsynth.priors.prior import PosePrior, ShapePrior

Array = np.ndarray

VERSION = 1
FILE = "infant_poses.npz"
SMPL_JOINTS = JOINT_NAMES[1:]  # below the root
SIZE = 3 * len(SMPL_JOINTS)
SMALLEST = 1e-9  # of the largest variance: the files' singular covariances become regular


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
        """Return a body's prior in anatomical angles."""
        own = list(prior.joints)
        anatomy = anatomy_of(body)
        turn, offset = _turn(anatomy.axes[own]), anatomy.offset[own].ravel()
        means = prior.means @ turn.T + offset
        covariances = turn @ prior.covariances @ turn.T
        names = tuple(body.joint_names[joint] for joint in own)
        return cls(names, prior.weights, means, covariances, prior.source, shape, body.name if shape else "")

    def for_body(self, body: BodyModel) -> PosePrior:
        """Return the prior over rotation vectors of a body's joints; joints that the body lacks are left out.

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
        """Return the shape prior, if there is one for this body, else the standard one."""
        if self.shape is not None and self.shape_body == body.name and len(self.shape.mean) == body.num_betas:
            return self.shape
        return ShapePrior.standard(body)


def _turn(axes: Array) -> Array:
    """Return blocks (N, 3, 3) along the diagonal of a matrix (3 N, 3 N)."""
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
        return _stored(read_arrays(path, "pose prior"), str(path))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
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


@lru_cache(maxsize=1)
def packaged_prior() -> StoredPrior:
    """Return the packaged mixture over the postures of infants."""
    with as_file(files("infantsynth.priors") / "data" / FILE) as path:
        return read_prior(path)


def default_prior(body: BodyModel) -> PosePrior:
    """Return the packaged prior over the joints of a body."""
    return packaged_prior().for_body(body)


def load_published_prior(path: Path, body: BodyModel) -> PosePrior:
    """Return a prior of SMPL's 23 joints below the root, for a SMIL or SMPL body; nothing in the file is executed.

    Raises DataError for a file that is missing, refused or of another structure, and for a body with other joints:
    rotation vectors of another rest pose mean other poses.
    """
    lacking = [name for name in SMPL_JOINTS if name not in body.joint_names]
    if lacking:
        raise DataError(
            f"prior {path} is for SMIL and SMPL bodies; body {body.name!r} has no {lacking[0]}: "
            "use body_prior_type packaged, or a prior of your own fits (syn_generation/learn_prior.py)"
        )
    content = load_pickle(path)
    if _content_part(content, "covars") is not None:
        weights, means, covariances = _mixture(content, path)
    elif _content_part(content, "prec") is not None:
        weights, means, covariances = _mahalanobis(content, path)
    else:
        raise DataError(f"prior {path} holds neither a mixture (means, covars, weights) nor a mean with prec")
    turn = np.kron(np.eye(len(SMPL_JOINTS)), UPRIGHT)
    joints = tuple(body.joint(name) for name in SMPL_JOINTS)
    means, covariances = means @ turn.T, turn @ covariances @ turn.T
    return PosePrior(joints, len(body.joint_names), weights, means, _regular(covariances), str(path))


def _mixture(content: Any, path: Path) -> tuple[Array, Array, Array]:
    weights, means, covariances = (
        _published_numbers(content, part, path) for part in ("weights", "means", "covars")
    )
    count = weights.size
    if means.shape != (count, SIZE) or covariances.shape != (count, SIZE, SIZE):
        raise DataError(
            f"prior {path}: means {means.shape} and covars {covariances.shape} are not of 23 SMPL joints"
        )
    return weights.ravel() / weights.sum(), means, covariances


def _mahalanobis(content: Any, path: Path) -> tuple[Array, Array, Array]:
    """Read a Mahalanobis prior; its residuals are (pose - mean) times prec: a factor of the precision, not the precision."""
    mean, factor = (_published_numbers(content, part, path) for part in ("mean", "prec"))
    prefix = _content_part(content, "prefix")
    mean = mean.ravel()
    if mean.size == SIZE + 3 and prefix == 0:
        mean, factor = mean[3:], factor[3:, 3:]
    if mean.shape != (SIZE,) or factor.shape != (SIZE, SIZE):
        raise DataError(f"prior {path}: mean {mean.shape} and prec {factor.shape} are not of 23 SMPL joints")
    try:
        covariance = np.linalg.inv(factor @ factor.T)
    except np.linalg.LinAlgError as error:
        raise DataError(f"prior {path} has a singular prec; fetch the file again") from error
    return np.ones(1), mean[None], covariance[None]


def _regular(covariances: Array) -> Array:
    """Make covariances symmetric, with no variance that is zero or less."""
    symmetric = (covariances + covariances.transpose(0, 2, 1)) / 2
    values, vectors = np.linalg.eigh(symmetric)
    values = np.maximum(values, SMALLEST * values.max(axis=1, keepdims=True))
    return (vectors * values[:, None]) @ vectors.transpose(0, 2, 1)


def _content_part(content: Any, name: str) -> Any:
    return content.get(name) if isinstance(content, dict) else getattr(content, name, None)


def _published_numbers(content: Any, name: str, path: Path) -> Array:
    try:
        return numbers(_content_part(content, name)).astype(np.float64)
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise DataError(f"prior {path} has no numbers in {name!r} ({error}); fetch the file again") from error
