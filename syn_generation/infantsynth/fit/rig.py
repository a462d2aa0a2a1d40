"""Points of a body as a function of its parameters, with exact derivatives, and without ever posing its vertices.

A point that is a fixed combination of skinned vertices moves with each joint like one weighted mass, so sums over the
vertices are taken once: x_k = sum_j G_j n_kj(betas, pose) + s_kj p_j, G_j and p_j the joint's rotation and place.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from infantsynth.fit.rotations import cross_matrix, rotation_and_jacobian


@dataclass(frozen=True)
class PointRig:
    """Of P points and the J joints that move (the root first), for K betas.

    parents: of each joint among the moving ones, -1 for the root. joints, joint_dirs: rest places (J, 3) m and their
    change per beta (J, 3, K). moments, moment_dirs: each point's share of the rest body on each joint, (P, J, 3) and
    (P, J, 3, K). shares: (P, J), rows sum to 1. pose_dirs: change of the moments per entry of the rotations less
    identity, (P, J, 3, J - 1, 9), or None for bodies without pose blend shapes.
    """

    parents: tuple[int, ...]
    joints: Tensor
    joint_dirs: Tensor
    moments: Tensor
    moment_dirs: Tensor
    shares: Tensor
    pose_dirs: Tensor | None = None

    def points(self, betas: Tensor, pose: Tensor, transl: Tensor) -> Tensor:
        """Points (B, P, 3) m for betas (B, K), pose (B, J, 3) rad of the moving joints, transl (B, 3) m."""
        rotations, _ = rotation_and_jacobian(pose)
        rest, turned, place = self._chain(betas, rotations, transl)
        return self._weighted(self._arms(betas, rotations, rest), turned, place).sum(dim=2)

    def with_jacobian(self, betas: Tensor, pose: Tensor, transl: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Points (B, P, 3) m, their derivatives by pose (B, P, 3, J, 3) and by betas (B, P, 3, K)."""
        rotations, left = rotation_and_jacobian(pose)
        rest, turned, place = self._chain(betas, rotations, transl)
        weighted = self._weighted(self._arms(betas, rotations, rest), turned, place)
        below = self._below
        # what hangs on joint l turns about it: lever = (sum over its subtree) - (share of the subtree) * its place
        lever = torch.einsum("lj,bkjc->bklc", below, weighted)
        lever = lever - torch.einsum("lj,kj->kl", below, self.shares)[None, ..., None] * place[:, None]
        before = torch.stack(
            [
                turned[:, a] if a >= 0 else torch.eye(3).to(turned).expand(len(turned), 3, 3)
                for a in self.parents
            ],
            dim=1,
        )
        turn = before @ left  # world rotation per change of the rotation vector
        by_pose = torch.einsum("bklcd,blde->bkcle", -cross_matrix(lever), turn)
        if self.pose_dirs is not None:
            by_pose = by_pose + _by_blend(self.pose_dirs, rotations, left, turned)
        return weighted.sum(dim=2), by_pose, self._by_betas(turned)

    @property
    def _below(self) -> Tensor:
        """(J, J): 1 where the column's joint is the row's or hangs on it."""
        below = torch.eye(len(self.parents), dtype=self.joints.dtype, device=self.joints.device)
        for joint in range(len(self.parents) - 1, 0, -1):
            below[self.parents[joint]] += below[joint]
        return below

    def _chain(self, betas: Tensor, rotations: Tensor, transl: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rest places (B, J, 3), rotations in the world (B, J, 3, 3), places (B, J, 3)."""
        rest = self.joints + torch.einsum("jck,bk->bjc", self.joint_dirs, betas)
        turned, place = [rotations[:, 0]], [transl]
        for joint, parent in enumerate(self.parents[1:], start=1):
            bone = rest[:, joint] - rest[:, parent]
            place.append(place[parent] + (turned[parent] @ bone[..., None])[..., 0])
            turned.append(turned[parent] @ rotations[:, joint])
        return rest, torch.stack(turned, dim=1), torch.stack(place, dim=1)

    def _arms(self, betas: Tensor, rotations: Tensor, rest: Tensor) -> Tensor:
        """n_kj: moments about each joint's own place, (B, P, J, 3)."""
        moments = self.moments + torch.einsum("pjck,bk->bpjc", self.moment_dirs, betas)
        if self.pose_dirs is not None:
            bent = (rotations[:, 1:] - torch.eye(3).to(rotations)).flatten(2)
            moments = moments + torch.einsum("pjcln,bln->bpjc", self.pose_dirs, bent)
        return moments - self.shares[None, ..., None] * rest[:, None]

    def _weighted(self, arms: Tensor, turned: Tensor, place: Tensor) -> Tensor:
        """What each joint contributes to each point, (B, P, J, 3)."""
        return torch.einsum("bjcd,bpjd->bpjc", turned, arms) + self.shares[None, ..., None] * place[:, None]

    def _by_betas(self, turned: Tensor) -> Tensor:
        own = self.moment_dirs - self.shares[..., None, None] * self.joint_dirs
        moved = [torch.zeros_like(self.joint_dirs[0]).expand(len(turned), -1, -1)]
        for joint, parent in enumerate(self.parents[1:], start=1):
            bone = self.joint_dirs[joint] - self.joint_dirs[parent]
            moved.append(moved[parent] + turned[:, parent] @ bone)
        by_turn = torch.einsum("bjcd,pjdk->bpck", turned, own)
        return by_turn + torch.einsum("pj,bjck->bpck", self.shares, torch.stack(moved, dim=1))


def fold(parents: Sequence[int], moving: Sequence[int]) -> tuple[int, ...]:
    """For each joint of a body, the moving joint (index into ``moving``) that carries it: itself or an ancestor."""
    place = {joint: index for index, joint in enumerate(moving)}
    carrier: list[int] = []
    for joint, parent in enumerate(parents):
        carrier.append(place[joint] if joint in place else carrier[parent])
    return tuple(carrier)


def _by_blend(pose_dirs: Tensor, rotations: Tensor, left: Tensor, turned: Tensor) -> Tensor:
    """The pose blend shapes' part of the derivative by pose, (B, P, 3, J, 3)."""
    generators = cross_matrix(torch.eye(3).to(left))  # (3, 3, 3): d R / d v_e = [left e]x R
    spun = torch.einsum("bjae,amn,bjnc->bjemc", left[:, 1:], generators, rotations[:, 1:]).flatten(3)
    by_entry = torch.einsum("bjcd,pjdln->bpcln", turned, pose_dirs)
    change = torch.einsum("bpcln,blen->bpcle", by_entry, spun)
    return torch.cat([torch.zeros_like(change[:, :, :, :1]), change], dim=3)
