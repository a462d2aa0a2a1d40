"""What to look at: a source of pictures that follow each other, read in the background."""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np

from fidip.errors import DataError
from fidip.predict.images import check_picture, read_picture
from fidip.predict.video import VideoFacts, read_video, video_facts

T = TypeVar("T")

DEPTH = 4  # decoded pictures that wait to be used


@dataclass(frozen=True)
class Picture:
    """One picture of a source. index from 0. time in s. name: file name, "" in videos. rgb: uint8 (H, W, 3)."""

    index: int
    time: float
    name: str
    rgb: np.ndarray


class Pictures:
    """Picture files. rate: frames/s of pictures that are the frames of one video, 0 for unrelated ones.

    turn: whether a picture is turned by its EXIF flag. listed: the COCO JSON that named
    them. Frames bear the file's name relative to ``folder``.
    """

    live = False

    def __init__(
        self,
        name: str,
        path: Path,
        files: Sequence[Path],
        folder: Path,
        rate: float = 0.0,
        turn: Callable[[Path], bool] = lambda path: True,
        listed: Path | None = None,
    ) -> None:
        self.name, self.path, self.files, self.folder = name, path, list(files), folder
        self.rate, self.turn, self.listed, self.count = rate, turn, listed, len(self.files)
        self.moving = rate > 0
        one = rate > 0 or self.count == 1
        self.size = check_picture(self.files[0])[int(turn(self.files[0]))] if one else (0, 0)

    def facts(self) -> dict[str, Any]:
        """What tells this source from another of the same name."""
        return {"files": [self.name_of(file) for file in self.files]}

    def name_of(self, file: Path) -> str:
        """A file's name relative to the folder."""
        return file.relative_to(self.folder).as_posix() if file.is_relative_to(self.folder) else str(file)

    def read(self, start: int = 0) -> Iterator[Picture]:
        """Yield the pictures from number ``start`` on. Raises DataError for one that cannot be decoded."""
        for index in range(start, self.count):
            file = self.files[index]
            rgb = read_picture(file, self.turn(file))
            yield Picture(index, index / self.rate if self.rate else 0.0, self.name_of(file), rgb)


class Video:
    """A video file."""

    live, moving = False, True

    def __init__(self, path: Path) -> None:
        found: VideoFacts = video_facts(path)
        self.name, self.path = path.stem, path
        self.size, self.rate, self.count = found.size, found.rate or 25.0, found.count

    def facts(self) -> dict[str, Any]:
        """What tells this source from another of the same name."""
        return {"bytes": self.path.stat().st_size}

    def read(self, start: int = 0) -> Iterator[Picture]:
        """Yield the frames from number ``start`` on."""
        for index, seconds, rgb in read_video(self.path, start):
            yield Picture(index, seconds, "", rgb)


class Webcam:
    """A camera, by its number; read until the user stops it. Frames that come too fast are left out."""

    live, moving, path, count = True, True, None, 0

    def __init__(self, number: int) -> None:
        self.name, self.number = f"webcam{number}", number
        self._camera = cv2.VideoCapture(number)
        seen, image = self._camera.read() if self._camera.isOpened() else (False, None)
        if not seen or image is None:
            raise DataError(
                f"camera {number} gives no picture; check that it is plugged in and not used elsewhere"
            )
        self.size = (image.shape[1], image.shape[0])
        self.rate = float(self._camera.get(cv2.CAP_PROP_FPS)) or 30.0

    def facts(self) -> dict[str, Any]:
        """What tells this source from another of the same name."""
        return {}

    def read(self, start: int = 0) -> Iterator[Picture]:
        """Yield what the camera sees from now on."""
        begin = time.monotonic()
        index = start
        try:
            while True:
                seen, image = self._camera.read()
                if not seen:
                    return
                rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
                yield Picture(index, time.monotonic() - begin, "", rgb)
                index += 1
        finally:
            self._camera.release()


Source = Pictures | Video | Webcam


def in_background(items: Iterator[T], depth: int = DEPTH, newest: bool = False) -> Generator[T, None, None]:
    """Run ``items`` in a thread and yield from a queue of ``depth``, so that reading and using overlap.

    newest: what waits is thrown away for what is new (cameras). An error of ``items`` is raised here; closing
    this generator ends the thread.
    """
    ready: queue.Queue[tuple[str, Any]] = queue.Queue(1 if newest else depth)
    stop = threading.Event()
    worker = threading.Thread(target=_work, args=(items, ready, stop, newest), daemon=True)
    worker.start()
    try:
        while True:
            kind, value = ready.get()
            if kind == "end":
                return
            if kind == "error":
                raise value
            yield value
    finally:
        stop.set()
        worker.join(timeout=10)  # a camera that hangs must not hold the program


def _work(items: Iterator[T], ready: queue.Queue, stop: threading.Event, newest: bool) -> None:
    def hand_over(kind: str, value: Any) -> None:
        replaces = newest and kind == "item"
        while not stop.is_set():
            try:
                ready.put((kind, value), block=not replaces, timeout=0.1)
                return
            except queue.Full:
                if replaces:
                    _drop_one(ready)

    try:
        for item in items:
            hand_over("item", item)
            if stop.is_set():
                break
        hand_over("end", None)
    except BaseException as error:  # whatever it is, the user of the frames must hear of it
        hand_over("error", error)
    finally:
        if isinstance(items, Generator):
            items.close()


def _drop_one(ready: queue.Queue) -> None:
    with contextlib.suppress(queue.Empty):
        ready.get_nowait()
