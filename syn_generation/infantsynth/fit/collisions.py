"""The term of a fit that keeps body parts out of each other."""

from dataclasses import dataclass

from torch import Tensor

from infantsynth.fit.config import Stage
from infantsynth.fit.rig import PointRig
from infantsynth.fit.unknowns import Unknowns
from infantsynth.priors.capsules import Capsules, sinking

CM = 100.0


@dataclass(frozen=True)
class Collisions:
    """Capsules that sink into each other; a stage's ``collision`` counts per cm beyond ``slack`` m, 0 leaves it out.

    rig: of the capsules' ends, all first ones, then all second ones.
    """

    unknowns: Unknowns
    rig: PointRig
    capsules: Capsules
    slack: float

    def rows(self, which: Tensor) -> "Collisions":
        """The same: nothing here belongs to one person."""
        return self

    def cost(self, theta: Tensor, stage: Stage) -> Tensor:
        """Cost (B,)."""
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
