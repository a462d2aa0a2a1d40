"""How much the poses of a split differ: joints relative to the torso."""

from dataclasses import dataclass

import numpy as np

from fidip.audit.splits import AuditSplit
from fidip.audit.torso import Array, measure_torsos
from fidip.skeleton import Skeleton

SHORTEST = (
    0.15  # torso length : diagonal around the labelled joints; shorter ones are seen end-on and blow up
)


@dataclass(frozen=True)
class Diversity:
    """Spread of the joints of one split, in torso lengths.

    persons: used; left_out: without a labelled torso, or with it seen end-on. spread: per joint the root mean
    square distance (K,) from its mean position, NaN where fewer than two persons have it; mean (K, 2) and
    covariance (K, 2, 2) of the position: x to the right, y along the spine to the hips, origin in its middle.
    """

    persons: int
    left_out: int
    spread: Array
    mean: Array
    covariance: Array

    @property
    def overall(self) -> float | None:
        """Mean of ``spread`` over the joints, None without any."""
        known = self.spread[np.isfinite(self.spread)]
        return float(known.mean()) if known.size else None


def align(keypoints: Array, skeleton: Skeleton) -> tuple[Array, Array]:
    """Move, turn and scale persons (N, K, 3), image px, so that their torsos fall onto each other.

    Returns positions (M, K, 2) of the persons with a usable torso in torso lengths, NaN where not labelled, and
    which persons these are, (N,) bool.
    """
    torsos = measure_torsos(keypoints, skeleton)
    xy = np.where(keypoints[..., 2:] > 0, keypoints[..., :2], np.nan)
    usable = torsos.labelled & (torsos.length > 0)
    extent = np.nanmax(xy[usable], axis=1) - np.nanmin(xy[usable], axis=1)
    usable[usable] = torsos.length[usable] >= SHORTEST * np.linalg.norm(extent, axis=1)
    length = torsos.length[usable]
    down = torsos.axis[usable] / length[:, None]
    across = np.stack([down[:, 1], -down[:, 0]], axis=1)
    offset = (xy[usable] - torsos.center[usable, None]) / length[:, None, None]
    return np.stack([(offset * across[:, None]).sum(2), (offset * down[:, None]).sum(2)], axis=2), usable


def pose_diversity(split: AuditSplit) -> Diversity:
    """Spread of the torso-aligned joints of a split."""
    joints = split.skeleton.num_joints
    keypoints = np.array([person.keypoints for person in split.persons]).reshape(-1, joints, 3)
    aligned, usable = align(keypoints, split.skeleton)
    mean, covariance = np.full((joints, 2), np.nan), np.full((joints, 2, 2), np.nan)
    for joint in range(joints):
        known = aligned[np.isfinite(aligned[:, joint, 0]), joint]
        if len(known) >= 2:
            mean[joint] = known.mean(axis=0)
            covariance[joint] = np.cov(known.T, bias=True)
    spread = np.sqrt(np.trace(covariance, axis1=1, axis2=2))
    return Diversity(int(usable.sum()), int((~usable).sum()), spread, mean, covariance)
