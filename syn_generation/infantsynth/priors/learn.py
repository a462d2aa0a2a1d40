"""Learn a prior from poses: one Gaussian or a mixture, held by the hand-set deviations where poses are few."""

from dataclasses import dataclass

import numpy as np
import torch

from fidip.environment import logger
from fidip.errors import DataError
from infantsynth.body import BodyModel
from infantsynth.priors.limits import anatomy_of, family
from infantsynth.priors.prior import PosePrior, ShapePrior
from infantsynth.priors.stored import StoredPrior

Array = np.ndarray

LEFT_OUT = ("finger", "hand", "foot", "jaw")  # what no 2D keypoint tells anything about
STILL = 1e-6  # rad; a joint that moves less in all poses was never fitted
MOST_STEPS, GAIN = 200, 1e-5  # of the mixture's fit; gain of log likelihood per pose that ends it
ROUNDS = 30  # of k-means
SHAPE_HOLD = 10.0  # fits that the standard shape prior counts as


@dataclass(frozen=True)
class Lesson:
    """How a prior is learned.

    components: Gaussians of the mixture. hold: poses that the hand-set deviations count as, per component; None takes
    the number of angles. mirror: add the mirror image of each pose. seed: of the first guess.
    """

    components: int = 1
    hold: float | None = None
    mirror: bool = True
    seed: int = 0


def learn(body: BodyModel, poses: Array, betas: Array | None, lesson: Lesson, source: str) -> StoredPrior:
    """Return a prior from poses (N, J, 3) rad of a body, and a shape prior from betas (N, K) if given.

    Covariances are the modes under an inverse Wishart prior around the hand-set deviations (Gelman et al. 2013,
    section 3.6); mixtures by expectation maximisation (Bishop 2006, section 9.2).
    Raises DataError when there are too few poses, or none in which a joint moves.
    """
    if len(poses) < 2 * lesson.components or lesson.components < 1:
        raise DataError(
            f"{len(poses)} poses are too few for {lesson.components} components; fit more infants or ask for fewer"
        )
    if lesson.mirror:
        poses = np.concatenate([poses, np.asarray(body.mirror_pose(torch.as_tensor(poses)))])
    joints = _moving(body, poses)
    anatomy = anatomy_of(body)
    angles = anatomy.angles(poses)[:, joints].reshape(len(poses), -1)
    spread = anatomy.sd[joints].ravel()
    weights, means, covariances = mixture(angles, spread, lesson)
    names = tuple(body.joint_names[joint] for joint in joints)
    shape = None if betas is None else learn_shape(betas, source)
    return StoredPrior(names, weights, means, covariances, source, shape, body.name if shape else "")


def learn_shape(betas: Array, source: str) -> ShapePrior:
    """Return the mean and covariance of betas (N, K), drawn to the standard normal where fits are few."""
    count, size = betas.shape
    mean = betas.sum(axis=0) / (count + SHAPE_HOLD)
    apart = betas - mean
    covariance = (apart.T @ apart + SHAPE_HOLD * np.eye(size)) / (count + SHAPE_HOLD)
    return ShapePrior(mean, covariance, source)


def held_out(body: BodyModel, poses: Array, lesson: Lesson) -> float:
    """Return the mean log density per pose of a fifth of the poses under a prior learned from the others; higher is better."""
    order = np.random.default_rng(lesson.seed).permutation(len(poses))
    cut = max(len(poses) // 5, 1)
    prior = learn(body, poses[order[cut:]], None, lesson, "held-out check").for_body(body)
    return float(prior.log_prob(poses[order[:cut]]).mean())


def mixture(angles: Array, spread: Array, lesson: Lesson) -> tuple[Array, Array, Array]:
    """Return weights (M,), means (M, D), covariances (M, D, D) of angles (N, D) rad; spread: (D,) hand-set deviations."""
    hold = float(angles.shape[1]) if lesson.hold is None else lesson.hold
    share = _first_shares(angles / spread, lesson)
    last = -np.inf
    for _ in range(MOST_STEPS):
        weights, means, covariances = _maximise(angles, share, spread, hold)
        logs = _log_densities(angles, weights, means, covariances)
        top = logs.max(axis=1, keepdims=True)
        total = top[:, 0] + np.log(np.exp(logs - top).sum(axis=1))
        share = np.exp(logs - total[:, None])
        if lesson.components == 1 or total.mean() - last < GAIN:
            break
        last = total.mean()
    else:
        logger.warning("the mixture was still improving after %d steps", MOST_STEPS)
    kept = weights * len(angles) >= 1  # the others explain no pose
    return weights[kept] / weights[kept].sum(), means[kept], covariances[kept]


def _moving(body: BodyModel, poses: Array) -> list[int]:
    turned = np.ptp(poses, axis=0).max(axis=1) > STILL
    joints = [
        joint
        for joint, name in enumerate(body.joint_names)
        if joint > 0 and family(name) not in LEFT_OUT and turned[joint]
    ]
    if not joints:
        raise DataError("no joint moves in these poses; give different fits")
    return joints


def _first_shares(scaled: Array, lesson: Lesson) -> Array:
    """Return whole shares (N, M) by k-means from poses that are far from each other (Arthur, Vassilvitskii 2007)."""
    rng = np.random.default_rng(lesson.seed)
    centres = scaled[[rng.integers(len(scaled))]]
    for _ in range(1, lesson.components):
        nearest = _distances(scaled, centres).min(axis=1)
        chance = nearest / nearest.sum() if nearest.sum() > 0 else None
        centres = np.concatenate([centres, scaled[[rng.choice(len(scaled), p=chance)]]])
    for _ in range(ROUNDS):
        share = np.eye(lesson.components)[_distances(scaled, centres).argmin(axis=1)]
        mass = share.sum(axis=0)[:, None]
        centres = np.where(mass > 0, share.T @ scaled / np.maximum(mass, 1), centres)
    return share


def _distances(points: Array, centres: Array) -> Array:
    """Return squared distances (N, M)."""
    squares = (points**2).sum(axis=1)[:, None] - 2 * points @ centres.T + (centres**2).sum(axis=1)
    return np.maximum(squares, 0)


def _maximise(angles: Array, share: Array, spread: Array, hold: float) -> tuple[Array, Array, Array]:
    mass = share.sum(axis=0) + 1e-9
    means = share.T @ angles / mass[:, None]
    covariances = np.empty((len(mass), angles.shape[1], angles.shape[1]))
    for k, own in enumerate(share.T):
        apart = angles - means[k]
        scatter = (own[:, None] * apart).T @ apart
        covariances[k] = (scatter + hold * np.diag(spread**2)) / (mass[k] + hold)
    return mass / mass.sum(), means, covariances


def _log_densities(angles: Array, weights: Array, means: Array, covariances: Array) -> Array:
    """Return log weight times density, (N, M)."""
    size = angles.shape[1]
    prior = PosePrior(tuple(range(size // 3)), size // 3, weights, means, covariances, "mixture")
    apart = np.einsum("mji,nmj->nmi", prior.factors, angles[:, None] - means)
    logs = np.log(np.diagonal(prior.factors, axis1=1, axis2=2)).sum(axis=1) + np.log(weights)
    return logs - (apart**2).sum(axis=2) / 2 - size / 2 * np.log(2 * np.pi)
