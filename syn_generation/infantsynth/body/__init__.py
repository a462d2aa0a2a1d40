"""Bodies: shape and pose to surface, joints and keypoints. A packaged infant and adult, and SMIL/SMPL files."""

from pathlib import Path

from fidip.errors import DataError
from infantsynth.body.model import PART_NAMES, BodyData, BodyModel, BodyOutput, UvMap
from infantsynth.body.packaged import PACKAGED, PackagedBody, load_packaged
from infantsynth.body.smpl import load_smpl

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

SUFFIXES = (".pkl", ".npz")  # of bodies that come as files


def load_body(name: str | Path) -> BodyModel:
    """The body "infant" or "adult", which come with the package, or the file of a SMIL or SMPL body. Raises DataError."""
    if name in PACKAGED:
        return load_packaged(str(name))
    if Path(name).suffix not in SUFFIXES:
        raise DataError(f"body {str(name)!r} is neither {' nor '.join(PACKAGED)} nor a file (.pkl, .npz)")
    return load_smpl(Path(name))
