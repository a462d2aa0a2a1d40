"""Compute a body: shape and pose in; surface, joints and COCO-17 keypoints out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from fidip.skeleton import COCO17

Array = np.ndarray

_LIMB_PARTS = ("upper_arm", "forearm", "hand", "thigh", "shank", "foot")
PART_NAMES = ("head", "trunk", *(f"{side}_{part}" for side in ("left", "right") for part in _LIMB_PARTS))
_PART_OF = {
    "pelvis": "trunk",
    "spine": "trunk",
    "collar": "trunk",
    "neck": "head",
    "head": "head",
    "jaw": "head",
    "eye": "head",
    "shoulder": "upper_arm",
    "elbow": "forearm",
    "wrist": "hand",
    "hand": "hand",
    "finger": "hand",
    "hip": "thigh",
    "knee": "shank",
    "ankle": "foot",
    "foot": "foot",
}
# the parts whose skin covers a keypoint; a knee is not seen because the other knee is
_COVER = {
    "nose": ("head",),
    "eye": ("head",),
    "ear": ("head",),
    "shoulder": ("upper_arm", "trunk"),
    "elbow": ("upper_arm", "forearm"),
    "wrist": ("forearm", "hand"),
    "hip": ("thigh", "trunk"),
    "knee": ("thigh", "shank"),
    "ankle": ("shank", "foot"),
}
_REACH = 1.35  # of the distance to the nearest skin
_LEAST = 0.012  # of the body's height: a patch on the face, where the keypoint lies on the skin


def split_side(name: str) -> tuple[str, str]:
    """Return a joint's side ("left", "right" or "") and its name without it."""
    for side in ("left", "right"):
        if name.startswith(f"{side}_"):
            return side, name.removeprefix(f"{side}_")
    return "", name


def part_of_joint(name: str) -> str:
    """Return the part that a joint moves: one of PART_NAMES. Raises KeyError for a joint that no body here has."""
    side, plain = split_side(name)
    family = plain.rstrip("0123456789_")
    part = _PART_OF[family]
    return f"{side}_{part}" if part in _LIMB_PARTS else part


def parts_by_weight(joint_names: Sequence[str], weights: Array) -> Array:
    """Return the part of each vertex (V,) int8, index in PART_NAMES: where most of its skinning weights (V, J) lie."""
    share = np.zeros((len(weights), len(PART_NAMES)), dtype=np.float64)
    for joint, name in enumerate(joint_names):
        share[:, PART_NAMES.index(part_of_joint(name))] += weights[:, joint]
    return share.argmax(axis=1).astype(np.int8)


def mirror_order(joint_names: Sequence[str]) -> Array:
    """Return the permutation (J,) that swaps the joints of left and right."""
    swap = {"left": "right", "right": "left", "": ""}
    place = {name: index for index, name in enumerate(joint_names)}
    order = []
    for name in joint_names:
        side, plain = split_side(name)
        order.append(place[f"{swap[side]}_{plain}" if side else plain])
    return np.array(order)


def skin_near_keypoints(template: Array, regressor: Array, parts: Array) -> tuple[Array, ...]:
    """Find the vertices around each of the 17 keypoints, index arrays.

    template (V, 3) m at rest, regressor (17, V), parts (V,) index in PART_NAMES.
    """
    height = float(np.ptp(template[:, 2]))
    near = []
    for name, point in zip(COCO17.names, regressor @ template, strict=True):
        side, plain = split_side(name)
        cover = [PART_NAMES.index(f"{side}_{p}" if f"{side}_{p}" in PART_NAMES else p) for p in _COVER[plain]]
        distance = np.linalg.norm(template - point, axis=1)
        distance[~np.isin(parts, cover)] = np.inf
        near.append(np.flatnonzero(distance <= max(_REACH * distance.min(), _LEAST * height)))
    return tuple(near)


def rodrigues(turns: Tensor) -> Tensor:
    """Convert axis-angle vectors (..., 3) in rad to rotation matrices (..., 3, 3); smooth at zero."""
    squared = (turns * turns).sum(dim=-1, keepdim=True)
    small = squared < 1e-8
    # keeps gradients finite in the unused branch
    safe = torch.where(small, torch.ones_like(squared), squared)
    angle = safe.sqrt()
    sine = torch.where(small, 1 - squared / 6, angle.sin() / angle)[..., None]
    cosine = torch.where(small, 0.5 - squared / 24, (1 - angle.cos()) / safe)[..., None]
    x, y, z = turns.unbind(dim=-1)
    none = torch.zeros_like(x)
    cross = torch.stack([none, -z, y, z, none, -x, -y, x, none], dim=-1).unflatten(-1, (3, 3))
    return torch.eye(3, dtype=turns.dtype, device=turns.device) + sine * cross + cosine * (cross @ cross)


def joint_transforms(
    joints: Tensor, rotations: Tensor, transl: Tensor, parents: Sequence[int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Find where each joint takes the surface that it carries.

    joints: (B, J, 3) m at rest, parents before children, ``parents[0]`` -1. rotations: (B, J, 3, 3) relative to
    the parent. transl: (B, 3) m, where the root joint goes. Returns turns (B, J, 3, 3) and shifts (B, J, 3) of the
    maps ``x -> turn x + shift`` from rest to posed, and the posed joints (B, J, 3).
    """
    turns, places = [rotations[:, 0]], [transl]
    for joint in range(1, len(parents)):
        parent = parents[joint]
        bone = joints[:, joint] - joints[:, parent]
        places.append(places[parent] + (turns[parent] @ bone[..., None])[..., 0])
        turns.append(turns[parent] @ rotations[:, joint])
    turn, place = torch.stack(turns, dim=1), torch.stack(places, dim=1)
    return turn, place - (turn @ joints[..., None])[..., 0], place


def skin(points: Tensor, weights: Tensor, turns: Tensor, shifts: Tensor) -> Tensor:
    """Carry points (B, P, 3) m with weights (P, J) over the maps (B, J, 3, 3), (B, J, 3): (B, P, 3) m."""
    maps = torch.cat([turns, shifts[..., None]], dim=-1).flatten(start_dim=2)
    blended = (weights @ maps).unflatten(-1, (3, 4))
    return (blended[..., :3] @ points[..., None])[..., 0] + blended[..., 3]


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
        """Sum over the surface once what the keypoints need: kp = sum_j turn_j m_j(shape) + share_j shift_j."""
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
        """Return the keypoints (B, 17, 3) of ``forward`` to rounding error, without the rest of the surface."""
        turns, shifts, _, rotations = self._transforms(betas, pose, transl)
        if self.pose_shapes is not None:
            rest = self._rest(betas, rotations, None, self._support)
            points = skin(rest, self.skinning_weights[self._support], turns, shifts)
            return self.keypoint_regressor[:, self._support] @ points
        moments = self._moments + torch.einsum("bn,kjcn->bkjc", betas, self._moment_shapes)
        return torch.einsum("bjac,bkjc->bka", turns, moments) + self._shares @ shifts

    def joint(self, name: str) -> int:
        """Return the index of a joint. Raises ValueError for a name that this body does not have."""
        return self.joint_names.index(name)

    def mirror_pose(self, pose: Tensor) -> Tensor:
        """Return the pose (..., J, 3) in rad of the mirror image: left and right swapped, sideways turns reversed."""
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
        """Return the chosen part of the surface before skinning, (B, P, 3) m."""
        rest = self.template[chosen] + torch.einsum("bk,vck->bvc", betas, self.shapes[chosen])
        if expression is not None and self.expressions is not None:
            rest = rest + torch.einsum("be,vce->bvc", expression, self.expressions[chosen])
        if self.pose_shapes is not None:
            bent = rotations[:, 1:] - torch.eye(3, dtype=rotations.dtype, device=rotations.device)
            rest = rest + torch.einsum("bp,vcp->bvc", bent.flatten(start_dim=1), self.pose_shapes[chosen])
        return rest
