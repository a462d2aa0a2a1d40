"""Compute bodies: shape and pose to surface, joints and keypoints; packaged ones, and SMIL and SMPL files."""

from infantsynth.body.model import PART_NAMES, BodyData, BodyModel, BodyOutput, UvMap
from infantsynth.body.packaged import PACKAGED, PackagedBody, load_body

__all__ = [
    "PACKAGED",
    "PART_NAMES",
    "BodyData",
    "BodyModel",
    "BodyOutput",
    "PackagedBody",
    "UvMap",
    "load_body",
]
