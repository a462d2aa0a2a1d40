"""A body as a function: shape and pose in, surface, joints and COCO-17 keypoints out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from infantsynth.body.landmarks import skin_near_keypoints
from infantsynth.body.lbs import joint_transforms, rodrigues, skin
from infantsynth.body.parts import mirror_order, parts_by_weight

Array = np.ndarray


@dataclass(frozen=True)
class UvMap:
    """A texture atlas whose seams are split: vertex (N,) int32 into V, coords (N, 2) float32 in [0, 1] with v up,
    faces (F, 3) int32 into N."""

    vertex: Array
    coords: Array
    faces: Array


@dataclass(frozen=True)
class BodyData:
    """What a body is made of; m, world axes (z up, faces -y, its left is +x). K shapes, E expressions.

    template (V, 3); shapes (V, 3, K) per unit of beta; joints (J, 3), joint_shapes (J, 3, K): at rest;
    weights (V, J): skinning, rows sum to 1; regressor (17, V): COCO-17 keypoints, rows sum to 1;
    pose_shapes (V, 3, 9 (J - 1)) per entry of the rotations less the identity, or None;
    expressions (V, 3, E) for expression_names, or None; regions: masks (V,) of named places of the skin.
    """

    name: str
    joint_names: tuple[str, ...]
    parents: tuple[int, ...]
    template: Array
    shapes: Array
    joints: Array
    joint_shapes: Array
    weights: Array
    faces: Array
    regressor: Array
    uv: UvMap | None = None
    pose_shapes: Array | None = None
    expressions: Array | None = None
    expression_names: tuple[str, ...] = ()
    regions: Mapping[str, Array] = field(default_factory=dict)


class BodyOutput(NamedTuple):
    """vertices (B, V, 3), joints (B, J, 3), keypoints (B, 17, 3), all m in world axes."""

    vertices: Tensor
    joints: Tensor
    keypoints: Tensor


class BodyModel(nn.Module):
    """A skinned body with linear shapes (SMPL, Loper et al. 2015), its pelvis joint at the origin at rest.

    skinning_weights (V, J), keypoint_regressor (17, V), template (V, 3): buffers. faces (F, 3) int32. parts (V,)
    int8: index in PART_NAMES. keypoint_vertices: for each keypoint the vertices on the skin near it. regions:
    masks (V,) of the skin by name; which there are depends on the body. expression_names: what ``expression``
    drives, may be empty.
    """

    template: Tensor
    shapes: Tensor
    rest_joints: Tensor
    joint_shapes: Tensor
    skinning_weights: Tensor
    keypoint_regressor: Tensor
    pose_shapes: Tensor | None
    expressions: Tensor | None
    _support: Tensor
    _shares: Tensor
    _moments: Tensor
    _moment_shapes: Tensor

    def __init__(self, data: BodyData, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.name, self.joint_names, self.parents = data.name, data.joint_names, data.parents
        self.num_betas = data.shapes.shape[2]
        self.faces, self.uv = np.asarray(data.faces, dtype=np.int32), data.uv
        self.regions = dict(data.regions)
        self.expression_names = data.expression_names

        def keep(name: str, values: Array | None) -> None:
            tensor = (
                None if values is None else torch.tensor(np.asarray(values, dtype=np.float64), dtype=dtype)
            )
            self.register_buffer(name, tensor)

        # the pelvis stays at the origin whatever the shape: then transl is where it goes
        root, root_shapes = data.joints[0].astype(np.float64), data.joint_shapes[0].astype(np.float64)
        keep("template", data.template - root)
        keep("shapes", data.shapes - root_shapes)
        keep("rest_joints", data.joints - root)
        keep("joint_shapes", data.joint_shapes - root_shapes)
        keep("skinning_weights", data.weights)
        keep("keypoint_regressor", data.regressor)
        keep("pose_shapes", data.pose_shapes)
        keep("expressions", data.expressions)
        self._order = torch.as_tensor(mirror_order(data.joint_names))
        self.parts = parts_by_weight(data.joint_names, data.weights)
        self.keypoint_vertices = skin_near_keypoints(data.template, data.regressor, self.parts)
        self._prepare_keypoints()

    def _prepare_keypoints(self) -> None:
        """Sums over the surface that the keypoints need once: kp = sum_j turn_j m_j(shape) + share_j shift_j."""
        support = (self.keypoint_regressor != 0).any(dim=0).nonzero()[:, 0]
        rows = self.keypoint_regressor[:, support]
        mass = torch.einsum("kv,vj->kjv", rows, self.skinning_weights[support])
        self.register_buffer("_support", support)
        self.register_buffer("_shares", mass.sum(dim=-1))
        self.register_buffer("_moments", mass @ self.template[support])
        self.register_buffer("_moment_shapes", torch.einsum("kjv,vcb->kjcb", mass, self.shapes[support]))

    def forward(
        self, betas: Tensor, pose: Tensor, transl: Tensor, expression: Tensor | None = None
    ) -> BodyOutput:
        """Pose the body.

        betas (B, K); pose (B, J, 3) axis-angle in rad, relative to the parent, [0] the orientation of the whole
        body; transl (B, 3) m, where the pelvis joint goes; expression (B, E) in 0..1, default none.
        """
        turns, shifts, joints, rotations = self._transforms(betas, pose, transl)
        rest = self._rest(betas, rotations, expression, slice(None))
        vertices = skin(rest, self.skinning_weights, turns, shifts)
        keypoints = self.keypoint_regressor[:, self._support] @ vertices[:, self._support]
        return BodyOutput(vertices, joints, keypoints)

    def keypoints(self, betas: Tensor, pose: Tensor, transl: Tensor) -> Tensor:
        """The keypoints (B, 17, 3) of ``forward`` to rounding error, without the rest of the surface."""
        turns, shifts, _, rotations = self._transforms(betas, pose, transl)
        if self.pose_shapes is not None:
            rest = self._rest(betas, rotations, None, self._support)
            points = skin(rest, self.skinning_weights[self._support], turns, shifts)
            return self.keypoint_regressor[:, self._support] @ points
        moments = self._moments + torch.einsum("bn,kjcn->bkjc", betas, self._moment_shapes)
        return torch.einsum("bjac,bkjc->bka", turns, moments) + self._shares @ shifts

    def joint(self, name: str) -> int:
        """Index of a joint. Raises ValueError for a name that this body does not have."""
        return self.joint_names.index(name)

    def mirror_pose(self, pose: Tensor) -> Tensor:
        """The pose (..., J, 3) in rad of the mirror image: left and right swapped, sideways turns reversed."""
        return pose[..., self._order.to(pose.device), :] * pose.new_tensor([1.0, -1.0, -1.0])

    def _transforms(
        self, betas: Tensor, pose: Tensor, transl: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        joints = self.rest_joints + torch.einsum("bk,jck->bjc", betas, self.joint_shapes)
        rotations = rodrigues(pose)
        return (*joint_transforms(joints, rotations, transl, self.parents), rotations)

    def _rest(
        self, betas: Tensor, rotations: Tensor, expression: Tensor | None, chosen: slice | Tensor
    ) -> Tensor:
        """The chosen part of the surface before skinning, (B, P, 3) m."""
        rest = self.template[chosen] + torch.einsum("bk,vck->bvc", betas, self.shapes[chosen])
        if expression is not None and self.expressions is not None:
            rest = rest + torch.einsum("be,vce->bvc", expression, self.expressions[chosen])
        if self.pose_shapes is not None:
            bent = rotations[:, 1:] - torch.eye(3, dtype=rotations.dtype, device=rotations.device)
            rest = rest + torch.einsum("bp,vcp->bvc", bent.flatten(start_dim=1), self.pose_shapes[chosen])
        return rest
