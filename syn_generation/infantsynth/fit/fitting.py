"""Fit a body to 2D keypoints of many infants at once."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from fidip.errors import DataError
from infantsynth.body import BodyModel
from infantsynth.fit.point_rig import BodyRig, Unknowns, rig_of, shortest
from infantsynth.fit.settings import FitConfig, Stage
from infantsynth.fit.terms import Collisions, Distance, Limits, Observed, Pose, Reprojection, Shape, Term
from infantsynth.priors.limits import JointLimits
from infantsynth.priors.prior import PosePrior, ShapePrior
from infantsynth.priors.stored import default_prior

Array = np.ndarray

# body (x left, -y front, z up) upright and facing the camera (x right, y down, z forward)
FACING = Rotation.from_matrix([[1, 0, 0], [0, 0, -1], [0, 1, 0]])
UPPER, LOWER = (5, 6), (11, 12)  # shoulders, hips: COCO-17
UPPER_INSTEAD, LOWER_INSTEAD = (0, 1, 2, 3, 4), (13, 14, 15, 16)
BONES = np.array(
    [
        (5, 11),
        (6, 12),
        (5, 12),
        (6, 11),
        (5, 6),
        (11, 12),
        (5, 7),
        (6, 8),
        (7, 9),
        (8, 10),
        (11, 13),
        (12, 14),
        (13, 15),
        (14, 16),
    ]
)
CLEAREST = 0.8  # quantile of the bones' scales: most are foreshortened, few look too long
DAMPING = 1e-3  # of the first step, relative to the Hessian's diagonal
EASE, TIGHTEN = 0.2, 6.0  # of the damping after a good and after a bad step
MOST_DAMPING = 1e8
FLOOR = 1e-6  # added to the diagonal: an unknown that nothing depends on stays where it is
FEWEST = 6  # joints; with fewer the unknowns are anyone's guess
SMALLEST, LARGEST = 1.0, 1e6  # px, the larger side of the keypoints' box
ALIKE = 1e-6  # of the cost: a smaller difference between two starts is rounding
SLACK = 0.01  # m that capsules may overlap before the collision term counts: flesh gives way


def orientations(keypoints: Array, count: int) -> Array:
    """Return rotation vectors (N, count, 3) rad: the body's axis as in the image, turned about itself in equal steps.

    keypoints: (N, 17, 3) px and weights.
    """
    axis = _middle(keypoints, UPPER, UPPER_INSTEAD) - _middle(keypoints, LOWER, LOWER_INSTEAD)
    axis = np.where(np.isfinite(axis).all(axis=1, keepdims=True), axis, (0.0, -1.0))
    lean = np.arctan2(axis[:, 0], -axis[:, 1])
    leaned = Rotation.from_rotvec(lean[:, None] * (0.0, 0.0, 1.0)) * FACING
    turns = Rotation.from_rotvec(np.arange(count)[:, None] * (0.0, 0.0, 2 * np.pi / count))
    return np.stack([(leaned * turn).as_rotvec() for turn in turns], axis=1)


def distances(keypoints: Array, rest: Array, focal: Array) -> Array:
    """Return the distance (N,) m at which bones of the body at rest, (17, 3) m, look as long as seen; focal: (N,) px."""
    start, end = BONES.T
    seen = np.linalg.norm(keypoints[:, start, :2] - keypoints[:, end, :2], axis=2)
    scale = seen / np.linalg.norm(rest[start] - rest[end], axis=1)  # px per m
    scale[(keypoints[:, start, 2] == 0) | (keypoints[:, end, 2] == 0)] = np.nan
    known = np.isfinite(scale).any(axis=1)
    chosen = extents(keypoints).max(axis=1) / np.ptp(rest, axis=0).max()
    chosen[known] = np.nanquantile(scale[known], CLEAREST, axis=1)
    return focal / np.maximum(chosen, 1e-3)


def extents(keypoints: Array) -> Array:
    """Return the width and height (N, 2) px of the box around the seen keypoints of (N, 17, 3); 0 without any."""
    shown = (keypoints[..., 2] > 0)[..., None]
    high = np.where(shown, keypoints[..., :2], -np.inf).max(axis=1)
    low = np.where(shown, keypoints[..., :2], np.inf).min(axis=1)
    return np.where(shown.any(axis=1), high - low, 0.0)


def places(keypoints: Array, focal: Array, centre: Array) -> Array:
    """Find where the pelvis is seen, (N, 2) as x/z and y/z."""
    hips = _middle(keypoints, LOWER, UPPER)
    shown = keypoints[..., 2] > 0
    mean = (keypoints[..., :2] * shown[..., None]).sum(axis=1) / np.maximum(shown.sum(axis=1), 1)[:, None]
    return (np.where(np.isfinite(hips), hips, mean) - centre) / focal[:, None]


def _middle(keypoints: Array, joints: tuple[int, ...], instead: tuple[int, ...]) -> Array:
    """Return the mean place (N, 2) px of the seen ones of ``joints``, else of ``instead``, else NaN."""
    middle = np.full((len(keypoints), 2), np.nan)
    for group in (instead, joints):
        shown = keypoints[:, group, 2] > 0
        some = shown.any(axis=1)
        total = (keypoints[:, group, :2] * shown[..., None]).sum(axis=1)
        middle[some] = total[some] / shown[some].sum(axis=1)[:, None]
    return middle


def total_cost(terms: Sequence[Term], theta: Tensor, stage: Stage) -> Tensor:
    """Return the cost (B,) of unknowns (B, P); infinite where it is no number."""
    total = torch.stack([term.cost(theta, stage) for term in terms]).sum(dim=0)
    return torch.where(total.isfinite(), total, torch.inf)


def normal_equations(terms: Sequence[Term], theta: Tensor, stage: Stage) -> tuple[Tensor, Tensor]:
    """Return half the gradient (B, P) and half the Gauss-Newton Hessian (B, P, P) of the cost."""
    gradient = torch.zeros_like(theta)
    hessian = theta.new_zeros(*theta.shape, theta.shape[1])
    for term in terms:
        term.add_normal(theta, stage, gradient, hessian)
    return gradient, hessian


def minimise(
    terms: Sequence[Term], theta: Tensor, stage: Stage, iterations: int, tolerance: float, free: slice
) -> tuple[Tensor, Tensor, Tensor]:
    """Improve unknowns (B, P) by at most ``iterations`` steps each; only those in ``free`` change.

    A row has converged when a step that was taken gained less than ``tolerance`` of its cost, or no damping gives
    one. Returns the unknowns, their cost (B,), infinite where none was found, and which have converged (B,).
    """
    theta, cost = theta.clone(), total_cost(terms, theta, stage)
    damping = torch.full_like(cost, DAMPING)
    converged = torch.zeros_like(cost, dtype=torch.bool)
    for _ in range(iterations):
        active = (~converged & cost.isfinite()).nonzero()[:, 0]
        if not len(active):
            break
        own = terms if len(active) == len(theta) else [term.rows(active) for term in terms]
        proposed = _step(own, theta[active], stage, damping[active], free)
        new = total_cost(own, proposed, stage)
        better = new < cost[active]
        small = better & (cost[active] - new <= tolerance * cost[active])
        theta[active[better]] = proposed[better]
        cost[active[better]] = new[better]
        damping[active] *= torch.where(better, EASE, TIGHTEN)
        converged[active] = small | (damping[active] > MOST_DAMPING)
    return theta, cost, converged


def _step(terms: Sequence[Term], theta: Tensor, stage: Stage, damping: Tensor, free: slice) -> Tensor:
    """Return one damped Gauss-Newton step for each row; rows that cannot be solved stay."""
    gradient, hessian = normal_equations(terms, theta, stage)
    gradient, hessian = gradient[:, free], hessian[:, free, free].clone()
    diagonal = hessian.diagonal(dim1=1, dim2=2)
    diagonal += damping[:, None] * diagonal + FLOOR
    factor, failed = torch.linalg.cholesky_ex(hessian)
    change = torch.cholesky_solve(gradient[..., None], factor)[..., 0]
    usable = (failed == 0) & change.isfinite().all(dim=1)
    proposed = theta.clone()
    proposed[:, free] -= torch.where(usable[:, None], change, 0.0)
    proposed[:, 3:6] = shortest(proposed[:, 3:6])
    return proposed


@dataclass(frozen=True)
class FitResult:
    """Fits of N persons, in camera axes (x right, y down, z forward; the camera looks along z from the origin).

    betas (N, K); pose (N, J, 3) rad, the root's orientation first; transl (N, 3) m, the pelvis; focal (N,) px;
    projected (N, 17, 2) px; error_px (N, 17) between it and the keypoints, NaN where none was seen; cost (N,);
    start (N,) index of the turn that won; converged (N,) bool. Persons with too few joints have NaN and cost inf.
    """

    betas: Array
    pose: Array
    transl: Array
    focal: Array
    projected: Array
    error_px: Array
    cost: Array
    start: Array
    converged: Array


def usable(keypoints: Array, config: FitConfig) -> Array:
    """Find which of keypoints (N, 17, 3) have enough joints that count and a box that can be a body's, (N,) bool."""
    counted = (keypoints[..., 2] > 0) & (np.array(config.joint_weights) > 0)
    side = extents(keypoints).max(axis=1)
    return (counted.sum(axis=1) >= FEWEST) & (side >= SMALLEST) & (side <= LARGEST)


def fit_bodies(
    body: BodyModel,
    keypoints: Array,
    sizes: Array,
    config: FitConfig | None = None,
    prior: PosePrior | None = None,
    shape_prior: ShapePrior | None = None,
) -> FitResult:
    """Fit shape, pose and place of a body to keypoints (N, 17, 3) px and weights 0..1, in images of sizes (N, 2) px.

    prior: None takes the packaged one; shape_prior: None takes betas as standard deviations. The principal point is
    the image's centre. Each person is a problem of its own: together or alone, the result is the same.
    Raises DataError for keypoints that are no finite numbers.
    """
    config = config or FitConfig()
    keypoints, sizes = np.asarray(keypoints, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    if keypoints.ndim != 3 or keypoints.shape[1:] != (17, 3) or sizes.shape != (len(keypoints), 2):
        raise DataError(
            f"keypoints (N, 17, 3) and sizes (N, 2) are wanted, not {keypoints.shape}, {sizes.shape}"
        )
    if not np.isfinite(keypoints).all() or not (sizes > 0).all():
        raise DataError("keypoints must be finite numbers and sizes positive")
    good = usable(keypoints, config)
    with torch.no_grad():
        pose_prior, betas_prior = prior or default_prior(body), shape_prior or ShapePrior.standard(body)
        fits = _Fit(body, config, pose_prior, betas_prior).run(keypoints[good], sizes[good])
    return _spread_results(fits, good)


def _spread_results(fits: FitResult, good: Array) -> FitResult:
    """Return results of the usable persons among all; the others' are NaN."""
    spread = {}
    for part in fields(fits):
        values = getattr(fits, part.name)
        empty = np.nan if values.dtype.kind == "f" else 0
        spread[part.name] = np.full((len(good), *values.shape[1:]), empty, dtype=values.dtype)
        spread[part.name][good] = values
    spread["cost"][~good] = np.inf
    return FitResult(**spread)


class _Fit:
    """What all persons share: the body's rig and the terms that know no keypoints."""

    def __init__(self, body: BodyModel, config: FitConfig, prior: PosePrior, shape: ShapePrior) -> None:
        self.body, self.config = body, config
        self.dtype = torch.float64 if config.double else torch.float32
        self.rig: BodyRig = rig_of(body, self.dtype)
        self.unknowns = Unknowns(len(self.rig.moving), body.num_betas)
        self.prior = prior.marginal(self.rig.moving[1:])
        self.shape_mean = shape.mean
        limits, below = JointLimits.for_body(body), list(self.rig.moving[1:])
        penalties, factors = self.prior.penalties, self.prior.factors
        precisions = factors @ factors.transpose(0, 2, 1)
        self.shared: list[Term] = [
            Pose(self.unknowns, *(self._tensor(part) for part in (self.prior.means, precisions, penalties))),
            Limits(
                self.unknowns, *(self._tensor(part[below]) for part in (limits.axes, limits.lo, limits.hi))
            ),
            Shape(self.unknowns, self._tensor(shape.mean), self._tensor(shape.precision)),
            Collisions(self.unknowns, self.rig.flesh, self.rig.capsules, SLACK),
        ]

    def _tensor(self, array: Array) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(array)).to(self.rig.rest.device, self.dtype)

    def run(self, keypoints: Array, sizes: Array) -> FitResult:
        """Fit persons that all have enough joints."""
        config, count = self.config, len(keypoints)
        observed, theta = self._first(keypoints, sizes)
        theta = self._camera_stage(observed, theta)
        start = torch.arange(config.starts, device=theta.device).repeat(count)
        free = slice(0, self.unknowns.size if config.shape else self.unknowns.shape.start)
        for number, stage in enumerate(config.stages):
            terms = [Reprojection(self.unknowns, self.rig.keypoints, observed, config.rho), *self.shared]
            theta, cost, converged = minimise(terms, theta, stage, stage.iterations, config.tolerance, free)
            last = number == len(config.stages) - 1
            if number == 0 or last:
                best = self._best(cost, count, 1 if last else config.keep)
                theta, start, cost, converged = theta[best], start[best], cost[best], converged[best]
                observed = observed.rows(best)
        return self._result(keypoints, observed, theta, cost, start, converged)

    def _first(self, keypoints: Array, sizes: Array) -> tuple[Observed, Tensor]:
        """Return what was seen and first unknowns, one row per start, those of a person behind one another."""
        config = self.config
        focal = np.full(len(sizes), config.focal) if config.focal else config.focal_factor * sizes.max(axis=1)
        centre = (sizes - 1) / 2
        reference = extents(keypoints).max(axis=1) if config.unit == "box" else sizes[:, 1]
        weights = keypoints[..., 2] if config.confidences else (keypoints[..., 2] > 0) * 1.0
        counted = np.concatenate([keypoints[..., :2], (weights * config.joint_weights)[..., None]], axis=-1)
        distance = distances(counted, self.rig.rest.cpu().numpy(), focal)
        turns = orientations(counted, config.starts)
        theta = np.zeros((len(keypoints), config.starts, self.unknowns.size))
        theta[..., :2] = places(counted, focal, centre)[:, None]
        theta[..., 2] = np.log(distance)[:, None]
        theta[..., 3:6] = turns
        theta[..., self.unknowns.pose] = self.prior.weights @ self.prior.means
        theta[..., self.unknowns.shape] = self.shape_mean
        parts = keypoints[..., :2], counted[..., 2], focal, centre, reference, distance
        observed = Observed(*(self._tensor(part).repeat_interleave(config.starts, dim=0) for part in parts))
        return observed, self._tensor(theta).flatten(0, 1)

    def _camera_stage(self, observed: Observed, theta: Tensor) -> Tensor:
        """Return place and turn the body as it stands by its trunk; persons without a trunk go on as they are."""
        config = self.config
        trunk = torch.zeros_like(observed.weights)
        trunk[:, config.torso] = observed.weights[:, config.torso]
        terms: list[Term] = [
            Reprojection(self.unknowns, self.rig.keypoints, replace(observed, weights=trunk), config.rho),
            Distance(observed, config.depth),
        ]
        free = self.unknowns.camera
        return minimise(terms, theta, config.stages[0], config.camera_iterations, config.tolerance, free)[0]

    def _best(self, cost: Tensor, count: int, keep: int) -> Tensor:
        """Return rows of the ``keep`` cheapest starts of each person; the first of those that ended in the same place."""
        table = cost.view(count, len(cost) // count if count else keep)
        least = table.min(dim=1, keepdim=True).values.clamp_min(1e-12)
        order = ((table / least - 1) / ALIKE).floor().argsort(dim=1, stable=True)[:, :keep]
        return (order + torch.arange(count)[:, None].to(order) * table.shape[1]).flatten()

    def _result(
        self,
        keypoints: Array,
        observed: Observed,
        theta: Tensor,
        cost: Tensor,
        start: Tensor,
        converged: Tensor,
    ) -> FitResult:
        betas, moving, transl = self.unknowns.split(theta)
        pose = torch.zeros(len(theta), len(self.body.joint_names), 3, dtype=self.dtype)
        pose[:, list(self.rig.moving)] = moving.cpu()
        projected = observed.image(self.unknowns.points(self.rig.keypoints, theta)).cpu().numpy()
        error = np.linalg.norm(projected - keypoints[..., :2], axis=-1)
        error[keypoints[..., 2] <= 0] = np.nan
        return FitResult(
            betas=betas.cpu().numpy(),
            pose=pose.numpy(),
            transl=transl.cpu().numpy(),
            focal=observed.focal.cpu().numpy(),
            projected=projected,
            error_px=error,
            cost=cost.cpu().numpy(),
            start=start.cpu().numpy(),
            converged=converged.cpu().numpy(),
        )
