"""Rotation vectors: what a fit needs beyond the body model's own rotation."""

import torch
from torch import Tensor

_SMALL = 1e-4  # rad; below, series replace the fractions


def cross_matrix(vector: Tensor) -> Tensor:
    """Matrices (..., 3, 3) that stand for the cross product with vectors (..., 3) from the left."""
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    rows = (zero, -z, y, z, zero, -x, -y, x, zero)
    return torch.stack(rows, dim=-1).reshape(*vector.shape, 3)


def rotation_and_jacobian(vector: Tensor) -> tuple[Tensor, Tensor]:
    """Rotations exp(v) and left Jacobians of rotation vectors (..., 3) rad, both (..., 3, 3).

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
    """The same rotations with vectors (..., 3) no longer than pi."""
    angle = vector.norm(dim=-1, keepdim=True)
    turns = torch.round(angle / (2 * torch.pi))
    return vector * (1 - turns * 2 * torch.pi / angle.clamp_min(1e-12))
