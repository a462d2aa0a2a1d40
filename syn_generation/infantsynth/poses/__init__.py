"""Poses: authored postures with noise, poses from fits, orientations of the whole body."""

from infantsynth.poses.fits import FitPool, from_fits, jitter, mirror
from infantsynth.poses.library import POSTURES
from infantsynth.poses.rotation import legacy_rotation, uniform_rotation
from infantsynth.poses.sample import PoseSample, sample_pose

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
