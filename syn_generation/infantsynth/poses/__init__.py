"""Poses: authored postures with noise, poses from fits, orientations of the whole body."""

from infantsynth.poses.authored import PoseSample, legacy_rotation, sample_pose, uniform_rotation
from infantsynth.poses.fits import FitPool, from_fits, jitter, mirror
from infantsynth.poses.library import POSTURES

__all__ = [
    "POSTURES",
    "FitPool",
    "PoseSample",
    "from_fits",
    "jitter",
    "legacy_rotation",
    "mirror",
    "sample_pose",
    "uniform_rotation",
]
