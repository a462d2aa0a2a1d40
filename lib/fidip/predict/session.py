"""One source from its first picture to its last, stopped and gone on with as often as need be."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from fidip.errors import DataError, Interrupted
from fidip.predict.follow import Follower, OnlineFilter
from fidip.predict.frames import Frame, Header, PoseFile
from fidip.predict.reader import Source, in_background
from fidip.predict.stream import PoseStream
from fidip.progress import progress
from fidip.stopping import StopRequest


def predict_source(
    source: Source,
    follower: Follower,
    path: Path,
    model: str,
    overwrite: bool = False,
    filtered: Path | None = None,
) -> PoseFile:
    """Write the poses of a source to ``path`` while they come, and return the file.

    model: what identifies network and options. filtered: where the same goes through the One-Euro filter.
    A file that the same run left unfinished is gone on with. SIGINT and SIGTERM end a camera, and stop a file:
    raises Interrupted then, with all frames so far written. Raises DataError when ``path`` is another run's.
    """
    if source.live and path.exists() and not overwrite:
        raise DataError(
            f"{path} exists, and a camera cannot be gone on with: give another --out or --overwrite"
        )
    skeleton = follower.predictor.skeleton
    named = source.path.name if source.path is not None else source.name
    header = Header(named, tuple(skeleton.names), source.size, source.rate, model)
    with contextlib.ExitStack() as opened:
        stop = opened.enter_context(StopRequest())
        poses = opened.enter_context(PoseStream(path, header, overwrite))
        copy = None
        if filtered is not None:
            copy = _Copy(filtered, header, PoseFile(path), follower.plan.threshold)
            opened.callback(copy.close)
        follower.restore(poses.tail)
        pictures = opened.enter_context(
            contextlib.closing(in_background(source.read(poses.done), newest=source.live))
        )
        frames: Iterator[Frame] = follower.run(pictures)
        if source.count > poses.done:
            frames = progress(frames, source.count - poses.done, source.name, "frame")
        for frame in frames:
            poses.write(frame)
            if copy is not None:
                copy.write(frame)
            if stop.received:
                break
    if stop.received and not source.live:
        raise Interrupted(stop.received)
    return PoseFile(path)


class _Copy:
    """The filtered poses, written anew from what is there and then along with what comes."""

    def __init__(self, path: Path, header: Header, poses: PoseFile, threshold: float) -> None:
        self._filter = OnlineFilter(len(header.joints), threshold)
        self._stream = PoseStream(path, header, overwrite=True)
        for frame in poses:
            self.write(frame)

    def write(self, frame: Frame) -> None:
        self._stream.write(self._filter.step(frame))

    def close(self) -> None:
        self._stream.__exit__(None, None, None)
