"""The parts of a body model that a fit needs."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from infantsynth.body import BodyModel
from infantsynth.fit.rig import PointRig, fold
from infantsynth.priors.anatomy import family
from infantsynth.priors.capsules import Capsules, capsules_of

# what COCO's keypoints say nothing about stays at rest
STILL = ("finger", "hand", "foot", "wrist", "ankle", "jaw")


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
    """Rigs of a body, in ``dtype`` on its device."""
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
    """Points as rows (P, V) of weights over the vertices; float64."""
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
        pose_dirs=_blend(body, rows, mass, moving),
    )


def _blend(body: BodyModel, rows: Tensor, mass: Tensor, moving: tuple[int, ...]) -> Tensor | None:
    """Change (P, J, 3, J - 1, 9) of the moments per entry of the moving joints' rotations less the identity."""
    if body.pose_shapes is None:
        return None
    support = (rows != 0).any(dim=0).nonzero()[:, 0]
    shapes = body.pose_shapes[support].double().unflatten(2, (-1, 9))
    own = torch.tensor(moving[1:], device=rows.device) - 1  # joints that stay at rest change nothing
    return torch.einsum("pjv,vcln->pjcln", mass[:, :, support], shapes[:, :, own])


def _rest(body: BodyModel) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Template (V, 3), its change per beta (V, 3, K), joints (J, 3), their change (J, 3, K), float64."""
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
