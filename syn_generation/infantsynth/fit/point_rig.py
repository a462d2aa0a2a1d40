"""Compute points of a body and their exact derivatives without posing its vertices.

A point that is a fixed combination of skinned vertices moves with each joint like one weighted mass, so sums over the
vertices are taken once: x_k = sum_j G_j n_kj(betas, pose) + s_kj p_j, G_j and p_j the joint's rotation and place.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from infantsynth.body import BodyModel
from infantsynth.priors.capsules import Capsules, capsules_of
from infantsynth.priors.limits import family

_SMALL = 1e-4  # rad; below, series replace the fractions
# what COCO's keypoints say nothing about stays at rest
STILL = ("finger", "hand", "foot", "wrist", "ankle", "jaw")


def cross_matrix(vector: Tensor) -> Tensor:
    """Return matrices (..., 3, 3) that stand for the cross product with vectors (..., 3) from the left."""
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    rows = (zero, -z, y, z, zero, -x, -y, x, zero)
    return torch.stack(rows, dim=-1).reshape(*vector.shape, 3)


def rotation_and_jacobian(vector: Tensor) -> tuple[Tensor, Tensor]:
    """Return rotations exp(v) and left Jacobians of rotation vectors (..., 3) rad, both (..., 3, 3).

    exp(v + d) = exp(jacobian d) exp(v) to first order in d (Sola et al. 2018, eq. 145).
    """
    square = (vector**2).sum(-1)[..., None, None]
    angle = square.sqrt()
    safe = torch.where(angle < _SMALL, torch.ones_like(angle), angle)
    sine = torch.where(angle < _SMALL, 1 - square / 6, safe.sin() / safe)
    versine = torch.where(angle < _SMALL, 0.5 - square / 24, (1 - safe.cos()) / safe**2)
    rest = torch.where(angle < _SMALL, 1 / 6 - square / 120, (safe - safe.sin()) / safe**3)
    cross = cross_matrix(vector)
    second = cross @ cross
    identity = torch.eye(3, dtype=vector.dtype, device=vector.device)
    return identity + sine * cross + versine * second, identity + versine * cross + rest * second


def shortest(vector: Tensor) -> Tensor:
    """Return the same rotations with vectors (..., 3) no longer than pi."""
    angle = vector.norm(dim=-1, keepdim=True)
    turns = torch.round(angle / (2 * torch.pi))
    return vector * (1 - turns * 2 * torch.pi / angle.clamp_min(1e-12))


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
        """Return points (B, P, 3) m for betas (B, K), pose (B, J, 3) rad of the moving joints, transl (B, 3) m."""
        rotations, _ = rotation_and_jacobian(pose)
        rest, turned, place = self._chain(betas, rotations, transl)
        return self._weighted(self._arms(betas, rotations, rest), turned, place).sum(dim=2)

    def with_jacobian(self, betas: Tensor, pose: Tensor, transl: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return points (B, P, 3) m, their derivatives by pose (B, P, 3, J, 3) and by betas (B, P, 3, K)."""
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
        """Compute rest places (B, J, 3), rotations in the world (B, J, 3, 3), places (B, J, 3)."""
        rest = self.joints + torch.einsum("jck,bk->bjc", self.joint_dirs, betas)
        turned, place = [rotations[:, 0]], [transl]
        for joint, parent in enumerate(self.parents[1:], start=1):
            bone = rest[:, joint] - rest[:, parent]
            place.append(place[parent] + (turned[parent] @ bone[..., None])[..., 0])
            turned.append(turned[parent] @ rotations[:, joint])
        return rest, torch.stack(turned, dim=1), torch.stack(place, dim=1)

    def _arms(self, betas: Tensor, rotations: Tensor, rest: Tensor) -> Tensor:
        """Return n_kj: moments about each joint's own place, (B, P, J, 3)."""
        moments = self.moments + torch.einsum("pjck,bk->bpjc", self.moment_dirs, betas)
        if self.pose_dirs is not None:
            bent = (rotations[:, 1:] - torch.eye(3).to(rotations)).flatten(2)
            moments = moments + torch.einsum("pjcln,bln->bpjc", self.pose_dirs, bent)
        return moments - self.shares[None, ..., None] * rest[:, None]

    def _weighted(self, arms: Tensor, turned: Tensor, place: Tensor) -> Tensor:
        """Return what each joint contributes to each point, (B, P, J, 3)."""
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
    """Find for each joint of a body, the moving joint (index into ``moving``) that carries it: itself or an ancestor."""
    place = {joint: index for index, joint in enumerate(moving)}
    carrier: list[int] = []
    for joint, parent in enumerate(parents):
        carrier.append(place[joint] if joint in place else carrier[parent])
    return tuple(carrier)


def _by_blend(pose_dirs: Tensor, rotations: Tensor, left: Tensor, turned: Tensor) -> Tensor:
    """Return the pose blend shapes' part of the derivative by pose, (B, P, 3, J, 3)."""
    generators = cross_matrix(torch.eye(3).to(left))  # (3, 3, 3): d R / d v_e = [left e]x R
    spun = torch.einsum("bjae,amn,bjnc->bjemc", left[:, 1:], generators, rotations[:, 1:]).flatten(3)
    by_entry = torch.einsum("bjcd,pjdln->bpcln", turned, pose_dirs)
    change = torch.einsum("bpcln,blen->bpcle", by_entry, spun)
    return torch.cat([torch.zeros_like(change[:, :, :, :1]), change], dim=3)


@dataclass(frozen=True)
class Unknowns:
    """A row theta of length 6 + 3 (J - 1) + K for J moving joints (the root first) and K betas.

    The root's place is (x/z, y/z, log z) with x, y, z in m along the camera's axes, so that a step means the same at
    every distance; then rotation vectors in rad, the root's in camera axes; then betas.
    """

    joints: int
    betas: int

    @property
    def size(self) -> int:
        """Length of a row."""
        return 3 + 3 * self.joints + self.betas

    @property
    def camera(self) -> slice:
        """Place and orientation of the root: what a camera's movement could do as well."""
        return slice(0, 6)

    @property
    def pose(self) -> slice:
        """Rotation vectors of the joints below the root."""
        return slice(6, 3 + 3 * self.joints)

    @property
    def shape(self) -> slice:
        """Betas."""
        return slice(3 + 3 * self.joints, self.size)

    def split(self, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return betas (B, K), pose (B, J, 3) rad with the root first, transl (B, 3) m."""
        distance = theta[:, 2:3].exp()
        transl = torch.cat([theta[:, :2] * distance, distance], dim=1)
        pose = theta[:, 3 : 3 + 3 * self.joints].unflatten(1, (self.joints, 3))
        return theta[:, self.shape], pose, transl

    def points(self, rig: PointRig, theta: Tensor) -> Tensor:
        """Return points (B, P, 3) m in camera axes."""
        return rig.points(*self.split(theta))

    def jacobian(self, rig: PointRig, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Return points (B, P, 3) m in camera axes and their derivatives by theta, (B, P, 3, size)."""
        betas, pose, transl = self.split(theta)
        points, by_pose, by_betas = rig.with_jacobian(betas, pose, transl)
        by_place = theta.new_zeros(len(theta), 3, 3)
        by_place[:, 0, 0] = by_place[:, 1, 1] = transl[:, 2]
        by_place[:, :, 2] = transl
        shared = by_place[:, None].expand(-1, points.shape[1], -1, -1)
        return points, torch.cat([shared, by_pose.flatten(3), by_betas], dim=-1)


@dataclass(frozen=True)
class BodyRig:
    """moving: joints of the body that a fit turns, the root first. keypoints: rig of the 17; flesh: of capsules' ends.

    rest: keypoints (17, 3) m of the mean shape at rest.
    """

    moving: tuple[int, ...]
    keypoints: PointRig
    flesh: PointRig
    capsules: Capsules
    rest: Tensor


@lru_cache(maxsize=8)
def rig_of(body: BodyModel, dtype: torch.dtype) -> BodyRig:
    """Return rigs of a body, in ``dtype`` on its device."""
    moving = tuple(i for i, name in enumerate(body.joint_names) if family(name) not in STILL)
    capsules = capsules_of(body)
    keypoints = _rig(body, body.keypoint_regressor, moving)
    flesh = _rig(body, capsules.ends, moving)
    zero = torch.zeros(1, body.num_betas, dtype=torch.float64, device=body.template.device)
    still = zero.new_zeros(1, len(moving), 3)
    rest = keypoints.points(zero, still, still[:, 0])[0]
    capsules = replace(capsules, radii=capsules.radii.to(dtype), reach=capsules.reach.to(dtype))
    return BodyRig(moving, _to(keypoints, dtype), _to(flesh, dtype), capsules, rest)


def _rig(body: BodyModel, rows: Tensor, moving: tuple[int, ...]) -> PointRig:
    """Return points as rows (P, V) of weights over the vertices; float64."""
    carrier = torch.tensor(fold(body.parents, moving), device=rows.device)
    count = len(moving)
    template, shapes, joints, joint_shapes = _rest(body)
    weights = body.skinning_weights.double()
    folded = weights.new_zeros(len(weights), count).index_add_(1, carrier, weights)
    mass = torch.einsum("pv,vj->pjv", rows.double(), folded)
    own = torch.tensor(moving, device=rows.device)
    places = {joint: index for index, joint in enumerate(moving)}
    parents = tuple(-1 if body.parents[joint] < 0 else places[body.parents[joint]] for joint in moving)
    return PointRig(
        parents=parents,
        joints=joints[own],
        joint_dirs=joint_shapes[own],
        moments=mass @ template,
        moment_dirs=torch.einsum("pjv,vck->pjck", mass, shapes),
        shares=mass.sum(dim=-1),
        pose_dirs=_pose_blend(body, rows, mass, moving),
    )


def _pose_blend(body: BodyModel, rows: Tensor, mass: Tensor, moving: tuple[int, ...]) -> Tensor | None:
    """Change (P, J, 3, J - 1, 9) of the moments per entry of the moving joints' rotations less the identity."""
    if body.pose_shapes is None:
        return None
    support = (rows != 0).any(dim=0).nonzero()[:, 0]
    shapes = body.pose_shapes[support].double().unflatten(2, (-1, 9))
    own = torch.tensor(moving[1:], device=rows.device) - 1  # joints that stay at rest change nothing
    return torch.einsum("pjv,vcln->pjcln", mass[:, :, support], shapes[:, :, own])


def _rest(body: BodyModel) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return template (V, 3), its change per beta (V, 3, K), joints (J, 3), their change (J, 3, K), float64."""
    count = body.num_betas
    zero = body.template.new_zeros
    with torch.no_grad():
        betas = torch.cat([zero(1, count), torch.eye(count).to(body.template)])
        output = body(betas, zero(count + 1, len(body.joint_names), 3), zero(count + 1, 3))
    parts = []
    for points in (output.vertices.double(), output.joints.double()):
        parts += [points[0], (points[1:] - points[0]).permute(1, 2, 0)]
    return parts[0], parts[1], parts[2], parts[3]


def _to(rig: PointRig, dtype: torch.dtype) -> PointRig:
    tensors: dict[str, Any] = {
        name: value.to(dtype) for name, value in vars(rig).items() if isinstance(value, Tensor)
    }
    return replace(rig, **tensors)
