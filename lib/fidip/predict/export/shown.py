"""The pictures that poses were found in, frame by frame, to be drawn on."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from fidip.errors import DataError
from fidip.predict.export.naming import named
from fidip.predict.frames import Frame, PoseFile
from fidip.predict.images import read_picture
from fidip.predict.reader import in_background
from fidip.predict.video import read_video

APART = 0.01  # s between the times of a frame in the poses and in the video, above which it is another video

Shown = tuple[Frame, np.ndarray]


def shown_frames(poses: PoseFile, source: Path | None) -> Iterator[Shown]:
    """Yield every frame with its picture, RGB uint8 (H, W, 3) as shown; of videos also frames without poses.

    source: the video, the picture, or the folder that picture names are relative to. Raises DataError without
    a source, for pictures of another size or times than the poses', and for what cannot be read.
    """
    if source is None or not source.exists():
        where = "give the video or pictures" if source is None else f"{source} does not exist; give them"
        raise DataError(f"{poses.path}: overlays are drawn on what the poses were found in: {where}")
    frames = _pictures(poses, source) if named(poses) else _video(poses, source)
    for frame, image in frames:
        size = (image.shape[1], image.shape[0])
        if poses.header.size not in ((0, 0), size):
            raise DataError(
                f"{source} shows {size[0]} x {size[1]} px, the poses are of {poses.header.size[0]} x "
                f"{poses.header.size[1]} px; give what they were found in"
            )
        yield frame, image


def _pictures(poses: PoseFile, source: Path) -> Iterator[Shown]:
    folder = source if source.is_dir() else source.parent
    for frame in poses:
        image = read_picture(folder / frame.name)
        if poses.header.size not in ((0, 0), image.shape[1::-1]):
            image = read_picture(folder / frame.name, exif=False)  # labelled as stored
        yield frame, image


def _video(poses: PoseFile, source: Path) -> Iterator[Shown]:
    found = iter(poses)
    frame = next(found, None)
    with closing(in_background(read_video(source))) as pictures:
        for index, time, image in pictures:
            while frame is not None and frame.index < index:
                frame = next(found, None)
            if frame is None or frame.index > index:
                yield Frame(index, time, ()), image
            elif abs(frame.time - time) > APART:
                raise DataError(
                    f"{poses.path}: frame {index} is at {frame.time:g} s, in {source} at {time:g} s; "
                    "give the video that they were found in"
                )
            else:
                yield frame, image
