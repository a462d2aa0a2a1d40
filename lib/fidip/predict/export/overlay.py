"""Overlays in the form that suits the source."""

from pathlib import Path

from fidip.predict.export.naming import named
from fidip.predict.export.pictures import write_pictures
from fidip.predict.export.video import write_video
from fidip.predict.frames import PoseFile
from fidip.predict.tracks import MIN_SCORE
from fidip.skeleton import Skeleton


def write_overlay(
    poses: PoseFile,
    source: Path | None,
    out: Path,
    skeleton: Skeleton | None = None,
    min_score: float = MIN_SCORE,
    blur_faces: bool = False,
) -> list[Path]:
    """Write the overlay video of a video, or the overlay image of every image; nothing for a camera.

    Raises DataError for a source that is missing, unreadable or another one.
    """
    if source is None:  # a camera's images are gone
        return []
    write = write_pictures if named(poses) else write_video
    return write(poses, source, out, skeleton=skeleton, min_score=min_score, blur_faces=blur_faces)
