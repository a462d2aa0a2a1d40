"""Linear blend skinning: a tree of joints carries a surface (Loper et al. 2015, SMPL, equations 2 to 4)."""

from collections.abc import Sequence

import torch
from torch import Tensor


def rodrigues(turns: Tensor) -> Tensor:
    """Axis-angle vectors (..., 3) in rad to rotation matrices (..., 3, 3); smooth at zero."""
    squared = (turns * turns).sum(dim=-1, keepdim=True)
    small = squared < 1e-8
    safe = torch.where(
        small, torch.ones_like(squared), squared
    )  # keeps gradients finite in the unused branch
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
    """Where each joint takes the surface that it carries.

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
