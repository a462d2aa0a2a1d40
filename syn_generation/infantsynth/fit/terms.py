"""Define what a fit minimises: each term knows its cost and its Gauss-Newton model."""

from dataclasses import dataclass, fields, replace
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from infantsynth.fit.point_rig import PointRig, Unknowns
from infantsynth.fit.settings import PER_UNIT, Stage
from infantsynth.priors.capsules import Capsules, sinking

T = TypeVar("T")

NEAREST = 0.05  # m; a body with a keypoint nearer to the camera's plane than this is no solution
CM = 100.0


class Term(Protocol):
    """A non-negative part of the cost."""

    def rows(self, which: Tensor) -> "Term":
        """Return the same for some of the persons."""
        ...

    def cost(self, theta: Tensor, stage: Stage) -> Tensor:
        """Return the cost (B,) of unknowns (B, P)."""
        ...

    def add_normal(self, theta: Tensor, stage: Stage, gradient: Tensor, hessian: Tensor) -> None:
        """Add half the gradient to (B, P) and half the Gauss-Newton Hessian to (B, P, P), in place."""
        ...


class Shared:
    """A term that is the same for all persons."""

    def rows(self: T, which: Tensor) -> T:
        """Return the same: nothing here belongs to one person."""
        return self


@dataclass(frozen=True)
class Observed:
    """What was seen, one row per person (B, ...): keypoints (B, 17, 2) px, weights (B, 17), focal (B,) px,
    centre (B, 2) px, reference length (B,) px, and the first guess of the distance (B,) m."""

    keypoints: Tensor
    weights: Tensor
    focal: Tensor
    centre: Tensor
    reference: Tensor
    distance: Tensor

    def rows(self, which: Tensor) -> "Observed":
        """Pick some of the persons."""
        return Observed(*(getattr(self, part.name)[which] for part in fields(self)))

    def image(self, points: Tensor) -> Tensor:
        """Find where points (B, N, 3) m in camera axes are seen, (B, N, 2) px."""
        depth = points[..., 2:].clamp_min(1e-6)
        return self.focal[:, None, None] * points[..., :2] / depth + self.centre[:, None]


@dataclass(frozen=True)
class Reprojection:
    """Distances between projected and seen keypoints, in thousandths of the reference length.

    Geman-McClure with constant ``rho`` (in those units), squared weights as published (Bogo et al. 2016, eq. 2).
    Infinite for a body that is not in front of the camera.
    """

    unknowns: Unknowns
    rig: PointRig
    observed: Observed
    rho: float

    def rows(self, which: Tensor) -> "Reprojection":
        """Return the same for some of the persons."""
        return replace(self, observed=self.observed.rows(which))

    def cost(self, theta: Tensor, stage: Stage) -> Tensor:
        """Return the cost (B,)."""
        points = self.unknowns.points(self.rig, theta)
        square = (self._apart(points) ** 2).sum(dim=-1)
        share = self.rho**2 / (square + self.rho**2)
        total = (self._weight(stage) * square * share).sum(dim=1)
        return torch.where((points[..., 2] > NEAREST).all(dim=1), total, torch.inf)

    def add_normal(self, theta: Tensor, stage: Stage, gradient: Tensor, hessian: Tensor) -> None:
        """Add the model."""
        points, by_theta = self.unknowns.jacobian(self.rig, theta)
        depth = points[..., 2:].clamp_min(1e-6)
        ratio = points[..., :2] / depth
        scale = (self.observed.focal / self.observed.reference * PER_UNIT)[:, None, None] / depth
        by_image = (by_theta[:, :, :2] - ratio[..., None] * by_theta[:, :, 2:]) * scale[..., None]
        apart = self._apart(points)
        share = self.rho**2 / ((apart**2).sum(dim=-1) + self.rho**2)
        weighted = (
            (by_image * (self._weight(stage) * share**2)[..., None, None]).flatten(1, 2).transpose(1, 2)
        )
        gradient += (weighted @ apart.flatten(1)[..., None])[..., 0]
        hessian += weighted @ by_image.flatten(1, 2)

    def _apart(self, points: Tensor) -> Tensor:
        apart = self.observed.image(points) - self.observed.keypoints
        return apart * (PER_UNIT / self.observed.reference)[:, None, None]

    def _weight(self, stage: Stage) -> Tensor:
        return (self.observed.weights * stage.data) ** 2


@dataclass(frozen=True)
class Distance:
    """How far the root has left its first guess along the camera's axis; ``factor`` per m."""

    observed: Observed
    factor: float

    def rows(self, which: Tensor) -> "Distance":
        """Return the same for some of the persons."""
        return replace(self, observed=self.observed.rows(which))

    def cost(self, theta: Tensor, stage: Stage) -> Tensor:
        """Return the cost (B,)."""
        return (self.factor * (theta[:, 2].exp() - self.observed.distance)) ** 2

    def add_normal(self, theta: Tensor, stage: Stage, gradient: Tensor, hessian: Tensor) -> None:
        """Add the model."""
        distance = theta[:, 2].exp()
        gradient[:, 2] += self.factor**2 * distance * (distance - self.observed.distance)
        hessian[:, 2, 2] += (self.factor * distance) ** 2


@dataclass(frozen=True)
class Shape(Shared):
    """Betas' squared Mahalanobis distance from a mean (K,), with precision (K, K)."""

    unknowns: Unknowns
    mean: Tensor
    precision: Tensor

    def cost(self, theta: Tensor, stage: Stage) -> Tensor:
        """Return the cost (B,)."""
        apart = theta[:, self.unknowns.shape] - self.mean
        return stage.shape**2 * ((apart @ self.precision) * apart).sum(dim=1)

    def add_normal(self, theta: Tensor, stage: Stage, gradient: Tensor, hessian: Tensor) -> None:
        """Add the model."""
        own = self.unknowns.shape
        gradient[:, own] += stage.shape**2 * (theta[:, own] - self.mean) @ self.precision
        hessian[:, own, own] += stage.shape**2 * self.precision


@dataclass(frozen=True)
class Pose(Shared):
    """A pose prior's energy under the component that explains the pose best.

    means (M, D), precisions (M, D, D), penalties (M,), over the D unknowns of the pose.
    """

    unknowns: Unknowns
    means: Tensor
    precisions: Tensor
    penalties: Tensor

    def cost(self, theta: Tensor, stage: Stage) -> Tensor:
        """Return the cost (B,)."""
        return stage.pose**2 * self._best(theta)[0]

    def add_normal(self, theta: Tensor, stage: Stage, gradient: Tensor, hessian: Tensor) -> None:
        """Add the model."""
        own, factor = self.unknowns.pose, stage.pose**2 / 2
        _, pull, chosen = self._best(theta)
        gradient[:, own] += factor * pull
        hessian[:, own, own] += factor * self.precisions[chosen]

    def _best(self, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the energy (B,), its gradient (B, D), and the component (B,)."""
        apart = theta[:, None, self.unknowns.pose] - self.means
        pull = (self.precisions @ apart[..., None])[..., 0]
        energy, chosen = ((pull * apart).sum(dim=-1) / 2 + self.penalties).min(dim=1)
        return energy, pull[torch.arange(len(theta)), chosen], chosen


@dataclass(frozen=True)
class Limits(Shared):
    """Joint limits: axes (J - 1, 3, 3), lo and hi (J - 1, 3) rad of the joints below the root; per rad outside."""

    unknowns: Unknowns
    axes: Tensor
    lo: Tensor
    hi: Tensor

    def cost(self, theta: Tensor, stage: Stage) -> Tensor:
        """Return the cost (B,)."""
        return stage.limit**2 * (self._beyond(theta) ** 2).sum(dim=(1, 2))

    def add_normal(self, theta: Tensor, stage: Stage, gradient: Tensor, hessian: Tensor) -> None:
        """Add the model."""
        own, square = self.unknowns.pose, stage.limit**2
        beyond = self._beyond(theta)
        gradient[:, own] += square * torch.einsum("jac,bja->bjc", self.axes, beyond).flatten(1)
        blocks = torch.einsum("jac,bja,jad->bjcd", self.axes, square * (beyond != 0).to(theta), self.axes)
        for joint in torch.unique((beyond != 0).any(dim=2).nonzero()[:, 1]).tolist():
            part = slice(own.start + 3 * joint, own.start + 3 * joint + 3)
            hessian[:, part, part] += blocks[:, joint]

    def _beyond(self, theta: Tensor) -> Tensor:
        """Return signed angles (B, J - 1, 3) rad outside the ranges."""
        angles = torch.einsum("jac,bjc->bja", self.axes, theta[:, self.unknowns.pose].unflatten(1, (-1, 3)))
        return (angles - self.hi).clamp_min(0) - (self.lo - angles).clamp_min(0)


@dataclass(frozen=True)
class Collisions(Shared):
    """Capsules that sink into each other; a stage's ``collision`` counts per cm beyond ``slack`` m, 0 leaves it out.

    rig: of the capsules' ends, all first ones, then all second ones.
    """

    unknowns: Unknowns
    rig: PointRig
    capsules: Capsules
    slack: float

    def cost(self, theta: Tensor, stage: Stage) -> Tensor:
        """Return the cost (B,)."""
        if not stage.collision:
            return theta.new_zeros(len(theta))
        depth = sinking(self.unknowns.points(self.rig, theta), self.capsules)[0]
        return (stage.collision * CM) ** 2 * ((depth - self.slack).clamp_min(0) ** 2).sum(dim=1)

    def add_normal(self, theta: Tensor, stage: Stage, gradient: Tensor, hessian: Tensor) -> None:
        """Add the model. The shares along the bones count as fixed: at the nearest points they change nothing."""
        if not stage.collision:
            return
        ends, by_theta = self.unknowns.jacobian(self.rig, theta)
        depth, towards, first, second = sinking(ends, self.capsules)
        over = (depth - self.slack).clamp_min(0)
        person, pair = over.nonzero().unbind(1)  # few pairs sink: only these have a derivative
        if not len(person):
            return
        one, other, count = *self.capsules.pairs[:, pair], len(self.capsules.radii)
        a, b = first[person, pair, None, None], second[person, pair, None, None]
        moved = (1 - a) * by_theta[person, one] + a * by_theta[person, one + count]
        moved = moved - (1 - b) * by_theta[person, other] - b * by_theta[person, other + count]
        row = -(towards[person, pair, None] @ moved)[:, 0]  # (pairs that sink, P)
        square = (stage.collision * CM) ** 2
        gradient.index_add_(0, person, square * over[person, pair, None] * row)
        hessian.index_add_(0, person, square * row[:, :, None] * row[:, None])
