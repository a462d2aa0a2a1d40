"""The published prior files, read through the restricted reader: a mixture (gmm_08.pkl), SMIL's Mahalanobis prior."""

from pathlib import Path
from typing import Any

import numpy as np

from fidip.errors import DataError
from infantsynth.body import BodyModel
from infantsynth.body.smpl_pickle import load_pickle, numbers
from infantsynth.priors.prior import PosePrior

Array = np.ndarray

SMPL_JOINTS = (
    "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle", "spine3",
    "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hand", "right_hand",
)  # fmt: skip
# SMPL stands along y and faces z; bodies here stand along z and face -y
UPRIGHT = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
SIZE = 3 * len(SMPL_JOINTS)
SMALLEST = 1e-9  # of the largest variance: the files' singular covariances become regular


def load_published_prior(path: Path, body: BodyModel) -> PosePrior:
    """A prior of SMPL's 23 joints below the root, for a SMIL or SMPL body; nothing in the file is executed.

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
    if _part(content, "covars") is not None:
        weights, means, covariances = _mixture(content, path)
    elif _part(content, "prec") is not None:
        weights, means, covariances = _mahalanobis(content, path)
    else:
        raise DataError(f"prior {path} holds neither a mixture (means, covars, weights) nor a mean with prec")
    turn = np.kron(np.eye(len(SMPL_JOINTS)), UPRIGHT)
    joints = tuple(body.joint(name) for name in SMPL_JOINTS)
    means, covariances = means @ turn.T, turn @ covariances @ turn.T
    return PosePrior(joints, len(body.joint_names), weights, means, _regular(covariances), str(path))


def _mixture(content: Any, path: Path) -> tuple[Array, Array, Array]:
    weights, means, covariances = (_numbers(content, part, path) for part in ("weights", "means", "covars"))
    count = weights.size
    if means.shape != (count, SIZE) or covariances.shape != (count, SIZE, SIZE):
        raise DataError(
            f"prior {path}: means {means.shape} and covars {covariances.shape} are not of 23 SMPL joints"
        )
    return weights.ravel() / weights.sum(), means, covariances


def _mahalanobis(content: Any, path: Path) -> tuple[Array, Array, Array]:
    """Its residuals are (pose - mean) times prec: a factor of the precision, not the precision."""
    mean, factor = (_numbers(content, part, path) for part in ("mean", "prec"))
    prefix = _part(content, "prefix")
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
    """Symmetric, with no variance that is zero or less."""
    symmetric = (covariances + covariances.transpose(0, 2, 1)) / 2
    values, vectors = np.linalg.eigh(symmetric)
    values = np.maximum(values, SMALLEST * values.max(axis=1, keepdims=True))
    return (vectors * values[:, None]) @ vectors.transpose(0, 2, 1)


def _part(content: Any, name: str) -> Any:
    return content.get(name) if isinstance(content, dict) else getattr(content, name, None)


def _numbers(content: Any, name: str, path: Path) -> Array:
    try:
        return numbers(_part(content, name)).astype(np.float64)
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise DataError(f"prior {path} has no numbers in {name!r} ({error}); fetch the file again") from error
