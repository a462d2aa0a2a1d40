"""Levenberg-Marquardt for many small problems at once; each row is damped, accepted and stopped on its own."""

from collections.abc import Sequence

import torch
from torch import Tensor

from infantsynth.fit.config import Stage
from infantsynth.fit.rotations import shortest
from infantsynth.fit.terms import Term

DAMPING = 1e-3  # of the first step, relative to the Hessian's diagonal
EASE, TIGHTEN = 0.2, 6.0  # of the damping after a good and after a bad step
MOST_DAMPING = 1e8
FLOOR = 1e-6  # added to the diagonal: an unknown that nothing depends on stays where it is


def total_cost(terms: Sequence[Term], theta: Tensor, stage: Stage) -> Tensor:
    """Cost (B,) of unknowns (B, P); infinite where it is no number."""
    total = torch.stack([term.cost(theta, stage) for term in terms]).sum(dim=0)
    return torch.where(total.isfinite(), total, torch.inf)


def normal_equations(terms: Sequence[Term], theta: Tensor, stage: Stage) -> tuple[Tensor, Tensor]:
    """Half the gradient (B, P) and half the Gauss-Newton Hessian (B, P, P) of the cost."""
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
    """One damped Gauss-Newton step for each row; rows that cannot be solved stay."""
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
