"""Images and videos with the poses drawn on them, faces blurred on request."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from fidip.errors import ConfigError, DataError
from fidip.files import atomic_path
from fidip.predict.export.face import FaceBlur
from fidip.predict.media import in_background, read_image, read_video
from fidip.predict.pose_file import PoseFile
from fidip.predict.poses import MIN_SCORE, Poses
from fidip.progress import progress
from fidip.skeleton import Skeleton

FORMATS = ("jpg", "png")
APART = 0.01  # s between the times of a frame in the poses and in the video, above which it is another video
CLOCK = 90_000  # ticks/s of time stamps: whole for 24, 25, 30, 50, 60 and 30000/1001 frames/s
QUALITY = {"crf": "20", "preset": "veryfast"}  # of libx264: hardly visible loss

Shown = tuple[Poses, np.ndarray]


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
    write = write_images if poses.of_images() else write_video
    return write(poses, source, out, skeleton=skeleton, min_score=min_score, blur_faces=blur_faces)


def write_images(
    poses: PoseFile,
    source: Path | None,
    out: Path,
    skeleton: Skeleton | None = None,
    min_score: float = MIN_SCORE,
    blur_faces: bool = False,
    kind: str = "jpg",
    every: int = 1,
) -> list[Path]:
    """Write an image of each frame, or each ``every``-th, into the folder NAME.overlay.

    kind: "jpg" or "png". Images keep their names, frames of a video are numbered. blur_faces: see ``FaceBlur``.
    Raises ConfigError for another kind, DataError for a source that is missing, unreadable or another one.
    """
    if kind not in FORMATS or every < 1:
        raise ConfigError(
            f"overlay pictures: kind {kind!r}, every {every}; choose from {', '.join(FORMATS)}, 1 and up"
        )
    folder, paths = out / f"{poses.stem}.overlay", []
    blurred, unrelated = FaceBlur(poses.header.joints), not poses.header.rate
    for frame, image in shown_frames(poses, source):
        # asked for every frame: it remembers where faces were
        hidden = blurred(image, frame) if blur_faces else image
        if unrelated:  # then images tell nothing about each other
            blurred = FaceBlur(poses.header.joints)
        if frame.index % every:
            continue
        path = folder / _name(frame, kind)
        encoded = cv2.imencode(
            f".{kind}", cv2.cvtColor(_drawn(frame, hidden, skeleton, min_score), cv2.COLOR_RGB2BGR)
        )[1]
        with atomic_path(path) as temporary:
            temporary.write_bytes(encoded.tobytes())
        paths.append(path)
    return paths


def _drawn(frame: Poses, image: np.ndarray, skeleton: Skeleton | None, min_score: float) -> np.ndarray:
    return replace(frame, skeleton=skeleton or frame.skeleton).draw(image, boxes=True, min_score=min_score)


def _name(frame: Poses, kind: str) -> Path:
    if not frame.name:
        return Path(f"{frame.index:06d}.{kind}")
    path = Path(frame.name)
    if path.is_absolute() or ".." in path.parts:
        path = Path(path.name)  # a file of poses must not choose where images go
    return path.with_suffix(f".{kind}")


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
    Raises DataError for a source that is missing, unreadable or another one, and for
    unrelated images.
    """
    if not poses.header.rate:
        raise DataError(f"{poses.path}: unrelated pictures make no video; export pictures instead")
    path = out / f"{poses.stem}.overlay.mp4"
    blurred = FaceBlur(poses.header.joints) if blur_faces else None
    frames = progress(shown_frames(poses, source), sum(1 for _ in poses), path.name, "frame")
    drawn = (
        (frame.time, _drawn(frame, blurred(image, frame) if blurred else image, skeleton, min_score))
        for frame, image in frames
    )
    encode(path, drawn, poses.header.rate)
    return [path]


def encode(path: Path, frames: Iterable[tuple[float, np.ndarray]], rate: float) -> None:
    """Write times in s and RGB uint8 (H, W, 3) as H.264 in an MP4, whole or not at all. rate: frames/s, nominal.

    Raises DataError when there is no frame.
    """
    stream = None
    with atomic_path(path) as temporary, _opened(temporary) as container:
        for time, image in frames:
            image = _even(image)
            if stream is None:
                stream = _stream(container, image.shape, rate)
            shown = av.VideoFrame.from_ndarray(image, format="rgb24")
            shown = shown.reformat(format="yuv420p", dst_colorspace="ITU709")
            shown.pts, shown.time_base = round(time * CLOCK), Fraction(1, CLOCK)
            container.mux(stream.encode(shown))
        if stream is None:
            raise DataError(f"{path}: there is no frame to write")
        container.mux(stream.encode())


def _opened(path: Path) -> Any:
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
    """4:2:0 images have even sides."""
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        return cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return image


def shown_frames(poses: PoseFile, source: Path | None) -> Iterator[Shown]:
    """Yield every frame with its image, RGB uint8 (H, W, 3) as shown; of videos also frames without poses.

    source: the video, the image, or the folder that image names are relative to. Raises DataError without
    a source, for images of another size or times than the poses', and for what cannot be read.
    """
    if source is None or not source.exists():
        where = "give the video or pictures" if source is None else f"{source} does not exist; give them"
        raise DataError(f"{poses.path}: overlays are drawn on what the poses were found in: {where}")
    frames = _images(poses, source) if poses.of_images() else _video(poses, source)
    for frame, image in frames:
        size = (image.shape[1], image.shape[0])
        if poses.header.size not in ((0, 0), size):
            raise DataError(
                f"{source} shows {size[0]} x {size[1]} px, the poses are of {poses.header.size[0]} x "
                f"{poses.header.size[1]} px; give what they were found in"
            )
        yield frame, image


def _images(poses: PoseFile, source: Path) -> Iterator[Shown]:
    folder = source if source.is_dir() else source.parent
    for frame in poses:
        image = read_image(folder / frame.name)
        if poses.header.size not in ((0, 0), image.shape[1::-1]):
            image = read_image(folder / frame.name, exif=False)  # labelled as stored
        yield frame, image


def _video(poses: PoseFile, source: Path) -> Iterator[Shown]:
    found = iter(poses)
    frame = next(found, None)
    with closing(in_background(read_video(source))) as images:
        for index, time, image in images:
            while frame is not None and frame.index < index:
                frame = next(found, None)
            if frame is None or frame.index > index:
                yield Poses.nobody(poses.skeleton, index=index, time=time), image
            elif abs(frame.time - time) > APART:
                raise DataError(
                    f"{poses.path}: frame {index} is at {frame.time:g} s, in {source} at {time:g} s; "
                    "give the video that they were found in"
                )
            else:
                yield frame, image
