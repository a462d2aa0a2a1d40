"""A video with the poses drawn on it."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fidip.errors import DataError
from fidip.files import atomic_path
from fidip.predict.export.naming import require, skeleton_of, stem
from fidip.predict.export.shown import Shown, shown_frames
from fidip.predict.face import FaceBlur
from fidip.predict.frames import PoseFile
from fidip.predict.overlay import Overlay
from fidip.predict.tracks import MIN_SCORE
from fidip.progress import progress
from fidip.skeleton import Skeleton

CLOCK = 90_000  # ticks/s of time stamps: whole for 24, 25, 30, 50, 60 and 30000/1001 frames/s
QUALITY = {"crf": "20", "preset": "veryfast"}  # of libx264: hardly visible loss


def write_video(
    poses: PoseFile,
    source: Path | None,
    out: Path,
    skeleton: Skeleton | None = None,
    min_score: float = MIN_SCORE,
    blur_faces: bool = False,
) -> list[Path]:
    """Write NAME.overlay.mp4: H.264, yuv420p, the source's own times, upright, without sound.

    An odd width or height is made even by repeating the last column or row. blur_faces: see ``FaceBlur``.
    Raises ConfigError without PyAV, DataError for a source that is missing, unreadable or another one, and for
    unrelated pictures.
    """
    if not poses.header.rate:
        raise DataError(f"{poses.path}: unrelated pictures make no video; export pictures instead")
    path = out / f"{stem(poses)}.overlay.mp4"
    draw = Overlay(skeleton or skeleton_of(poses.header), min_score)
    blurred = FaceBlur(poses.header.joints) if blur_faces else None
    frames = progress(shown_frames(poses, source), sum(1 for _ in poses), path.name, "frame")
    encode(path, _drawn(frames, draw, blurred), poses.header.rate)
    return [path]


def _drawn(
    frames: Iterator[Shown], draw: Overlay, blurred: FaceBlur | None
) -> Iterator[tuple[float, np.ndarray]]:
    for frame, image in frames:
        yield frame.time, draw(blurred(image, frame) if blurred else image, frame)


def encode(path: Path, frames: Iterable[tuple[float, np.ndarray]], rate: float) -> None:
    """Write times in s and RGB uint8 (H, W, 3) as H.264 in an MP4, whole or not at all. rate: frames/s, nominal.

    Raises ConfigError without PyAV, DataError when there is no frame.
    """
    av, stream = require("av"), None
    with atomic_path(path) as temporary, _opened(av, temporary) as container:
        for time, image in frames:
            image = _even(image)
            if stream is None:
                stream = _stream(container, image.shape, rate)
            picture = av.VideoFrame.from_ndarray(image, format="rgb24")
            picture = picture.reformat(format="yuv420p", dst_colorspace="ITU709")
            picture.pts, picture.time_base = round(time * CLOCK), Fraction(1, CLOCK)
            container.mux(stream.encode(picture))
        if stream is None:
            raise DataError(f"{path}: there is no frame to write")
        container.mux(stream.encode())


def _opened(av: Any, path: Path) -> Any:
    return av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})


def _stream(container: Any, shape: tuple[int, ...], rate: float) -> Any:
    stream = container.add_stream("libx264", rate=Fraction(rate).limit_denominator(1001))
    stream.height, stream.width = shape[:2]
    stream.pix_fmt, stream.options = "yuv420p", QUALITY
    context = stream.codec_context
    stream.time_base = context.time_base = Fraction(1, CLOCK)
    # said aloud, as players guess it by the size: BT.709, 16..235
    context.colorspace = context.color_primaries = context.color_trc = 1
    context.color_range = 1
    return stream


def _even(image: np.ndarray) -> np.ndarray:
    """4:2:0 pictures have even sides."""
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        return cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return image
