"""Pictures with the poses drawn on them."""

from pathlib import Path

import cv2

from fidip.errors import ConfigError
from fidip.files import atomic_path
from fidip.predict.export.naming import skeleton_of, stem
from fidip.predict.export.shown import shown_frames
from fidip.predict.face import FaceBlur
from fidip.predict.frames import Frame, PoseFile
from fidip.predict.overlay import Overlay
from fidip.predict.tracks import MIN_SCORE
from fidip.skeleton import Skeleton

FORMATS = ("jpg", "png")


def write_pictures(
    poses: PoseFile,
    source: Path | None,
    out: Path,
    skeleton: Skeleton | None = None,
    min_score: float = MIN_SCORE,
    blur_faces: bool = False,
    kind: str = "jpg",
    every: int = 1,
) -> list[Path]:
    """Write a picture of each frame, or each ``every``-th, into the folder NAME.overlay.

    kind: "jpg" or "png". Pictures keep their names, frames of a video are numbered. blur_faces: see ``FaceBlur``.
    Raises ConfigError for another kind, DataError for a source that is missing, unreadable or another one.
    """
    if kind not in FORMATS or every < 1:
        raise ConfigError(
            f"overlay pictures: kind {kind!r}, every {every}; choose from {', '.join(FORMATS)}, 1 and up"
        )
    folder, paths = out / f"{stem(poses)}.overlay", []
    draw = Overlay(skeleton or skeleton_of(poses.header), min_score)
    blurred, unrelated = FaceBlur(poses.header.joints), not poses.header.rate
    for frame, image in shown_frames(poses, source):
        # asked for every frame: it remembers where faces were
        hidden = blurred(image, frame) if blur_faces else image
        if unrelated:  # then pictures tell nothing about each other
            blurred = FaceBlur(poses.header.joints)
        if frame.index % every:
            continue
        path = folder / _name(frame, kind)
        encoded = cv2.imencode(f".{kind}", cv2.cvtColor(draw(hidden, frame), cv2.COLOR_RGB2BGR))[1]
        with atomic_path(path) as temporary:
            temporary.write_bytes(encoded.tobytes())
        paths.append(path)
    return paths


def _name(frame: Frame, kind: str) -> Path:
    if not frame.name:
        return Path(f"{frame.index:06d}.{kind}")
    path = Path(frame.name)
    if path.is_absolute() or ".." in path.parts:
        path = Path(path.name)  # a file of poses must not choose where pictures go
    return path.with_suffix(f".{kind}")
