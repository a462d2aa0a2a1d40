"""How the unknowns of a person stand in a row: where the root is seen and how far, orientation, pose, betas."""

from dataclasses import dataclass

import torch
from torch import Tensor

from infantsynth.fit.rig import PointRig


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
        """betas (B, K), pose (B, J, 3) rad with the root first, transl (B, 3) m."""
        distance = theta[:, 2:3].exp()
        transl = torch.cat([theta[:, :2] * distance, distance], dim=1)
        pose = theta[:, 3 : 3 + 3 * self.joints].unflatten(1, (self.joints, 3))
        return theta[:, self.shape], pose, transl

    def points(self, rig: PointRig, theta: Tensor) -> Tensor:
        """Points (B, P, 3) m in camera axes."""
        return rig.points(*self.split(theta))

    def jacobian(self, rig: PointRig, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Points (B, P, 3) m in camera axes and their derivatives by theta, (B, P, 3, size)."""
        betas, pose, transl = self.split(theta)
        points, by_pose, by_betas = rig.with_jacobian(betas, pose, transl)
        by_place = theta.new_zeros(len(theta), 3, 3)
        by_place[:, 0, 0] = by_place[:, 1, 1] = transl[:, 2]
        by_place[:, :, 2] = transl
        shared = by_place[:, None].expand(-1, points.shape[1], -1, -1)
        return points, torch.cat([shared, by_pose.flatten(3), by_betas], dim=-1)
