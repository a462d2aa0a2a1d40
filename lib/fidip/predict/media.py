"""Image and video files: refused by their header before a byte of pixels is decoded, read upright; PyAV decodes."""

import contextlib
import logging
import queue
import threading
import warnings
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import av
import numpy as np
from PIL import Image

from fidip.errors import DataError
from fidip.pixels import read_rgb

T = TypeVar("T")

logger = logging.getLogger("fidip")

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
MAX_PIXELS = 89_478_485  # Pillow's own limit: 256 MiB of RGB; a header that claims more is refused

SHORTFALL = 0.5  # s that may be missing at the end before a video counts as cut short
LEAST_STEP = 1e-3  # s between frames whose file gives them the same time
COVER = 0x400  # disposition of a cover picture, which is no video

VideoFrame = tuple[int, float, np.ndarray]  # index, time in s, RGB uint8 (H, W, 3)
DEPTH = 4  # decoded images that wait to be used

_ORIENTATION = 0x0112  # EXIF tag; 5 to 8 swap width and height


def is_image(path: Path) -> bool:
    """Whether the file's name is that of an image."""
    return path.suffix.lower() in SUFFIXES


def images_in(folder: Path) -> list[Path]:
    """The images directly in a folder, by name."""
    return sorted(path for path in folder.iterdir() if is_image(path) and path.is_file())


def check_image(path: Path) -> tuple[tuple[int, int], tuple[int, int]]:
    """Read an image's header: its size (width, height) px as stored, and as shown after its EXIF turn.

    Raises DataError for a file that is missing, is no image, or claims more than ``MAX_PIXELS``.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                width, height = image.size
                # the method of PNG files would decode the pixels to look behind them
                turned = Image.Image.getexif(image).get(_ORIENTATION, 1) in (5, 6, 7, 8)
                if turned and image.format == "TIFF":  # whose size is given as shown
                    width, height = height, width
    except Image.DecompressionBombError as error:
        raise DataError(_too_large(path, str(error).split(" exceeds")[0])) from error
    except FileNotFoundError as error:
        raise DataError(f"picture {path} does not exist; check the path") from error
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow's readers raise for damaged headers
        raise DataError(
            f"picture {path} is not a readable picture, whatever its name says; replace or remove it"
        ) from error
    if width * height > MAX_PIXELS:
        raise DataError(_too_large(path, f"{width} x {height} px"))
    return (width, height), ((height, width) if turned else (width, height))


def _too_large(path: Path, what: str) -> str:
    return f"picture {path} claims {what}, more than {MAX_PIXELS} px: a decompression bomb, or scale it down"


def check_images(paths: Iterable[Path], skip_bad: bool = False) -> tuple[list[Path], list[str]]:
    """The images with a sound header, and what is wrong with the others.

    Raises one DataError that names the first few, unless ``skip_bad``.
    """
    sound, faults = [], []
    for path in paths:
        try:
            check_image(path)
        except DataError as error:
            faults.append(str(error))
        else:
            sound.append(path)
    if faults and not (skip_bad and sound):
        more = f"; and {len(faults) - 3} more: --skip-bad leaves them out" if len(faults) > 3 else ""
        raise DataError("; ".join(faults[:3]) + more)
    return sound, faults


def read_image(path: Path, exif: bool = True) -> np.ndarray:
    """Read RGB uint8 (H, W, 3), turned by its EXIF orientation if ``exif``; its header is checked first."""
    check_image(path)
    return read_rgb(path, exif)


@dataclass(frozen=True)
class VideoFacts:
    """size: (width, height) px as shown. rate: mean frames/s. count: frames expected. seconds; 0: unknown."""

    size: tuple[int, int]
    rate: float
    count: int
    seconds: float


def video_facts(path: Path) -> VideoFacts:
    """Open a video and decode its first frame.

    Raises DataError for a file that is missing, is no video, has no frame, or frames above ``MAX_PIXELS``.
    """
    decoder = _Decoder(path)
    first = next(iter(decoder), None)
    if first is None:
        raise DataError(f"video {path} has no frame that can be decoded; record or copy it again")
    image = first[1]
    width, height = image.width, image.height
    if abs(image.rotation) % 180 == 90:
        width, height = height, width
    with decoder.open() as container:
        stream = decoder.stream(container)
        rate = float(stream.average_rate or stream.guessed_rate or 0)
        seconds = container.duration / 1e6 if container.duration else 0.0
        if stream.duration and stream.time_base:
            seconds = float(stream.duration * stream.time_base)
        return VideoFacts((width, height), rate, stream.frames or round(seconds * rate), seconds)


def read_video(path: Path, start: int = 0) -> Iterator[VideoFrame]:
    """Yield the frames from number ``start`` on, turned as the file says.

    Times are those of presentation, from the beginning of the video, and always increase. Damaged parts are
    passed over; a warning says so, and where a video ends that is cut short.
    """
    facts = video_facts(path)
    decoder, time, turn = _Decoder(path), 0.0, _Turn()
    for index, (time, image) in enumerate(decoder):
        if index >= start:
            yield index, time, upright(image.to_ndarray(format="rgb24"), turn.of(image))
    if decoder.damaged:
        logger.warning("%s: %d damaged parts could not be decoded", path, decoder.damaged)
    end = time + (1 / facts.rate if facts.rate else 0.0)
    if facts.seconds - end > SHORTFALL:
        logger.warning(
            "%s: its pictures end at %.2f s of %.2f s, it is cut short; what there is was used",
            path, end, facts.seconds,
        )  # fmt: skip


class _Decoder:
    """Iterates over (time in s, frame) of the first video stream. damaged: packets that could not be decoded."""

    def __init__(self, path: Path) -> None:
        self.path, self.damaged = path, 0

    def open(self) -> Any:
        if not self.path.is_file():
            raise DataError(f"video {self.path} does not exist; check the path")
        try:
            # a playlist could name other files and addresses: none but this file is opened
            return av.open(f"file:{self.path}", options={"protocol_whitelist": "file"})
        except (av.FFmpegError, OSError, ValueError) as error:
            raise DataError(
                f"{self.path} is not a readable picture or video ({_reason(error)}); convert or copy it again"
            ) from error

    def stream(self, container: Any) -> Any:
        """The first video stream. Raises DataError when there is none."""
        found = [s for s in container.streams.video if not int(s.disposition) & COVER]
        if not found:
            raise DataError(
                f"{self.path} holds no video frames; it may be cut short or sound only: copy it again"
            )
        context = found[0].codec_context
        if context.width * context.height > MAX_PIXELS:
            raise DataError(
                f"video {self.path} claims {context.width} x {context.height} px, more than {MAX_PIXELS} px"
            )
        found[0].thread_type = "AUTO"
        return found[0]

    def __iter__(self) -> Iterator[tuple[float, Any]]:
        with self.open() as container:
            stream = self.stream(container)
            begin = container.start_time / 1e6 if container.start_time else 0.0
            step = 1 / float(stream.average_rate or stream.guessed_rate or 25)
            last = -np.inf
            for frame in self._frames(container, stream):
                time = frame.time - begin if frame.pts is not None else max(last, -step) + step
                last = max(time, last + LEAST_STEP, 0.0)
                yield last, frame

    def _frames(self, container: Any, stream: Any) -> Iterator[Any]:
        packets = container.demux(stream)
        while True:
            try:
                frames = next(packets).decode()
            except (StopIteration, av.error.EOFError):
                return
            except av.FFmpegError:
                self.damaged += 1
                if self.damaged > 1000:  # a source that only gives errors must not hold us for ever
                    return
                continue
            yield from frames


def upright(image: np.ndarray, matrix: np.ndarray | None) -> np.ndarray:
    """Turn and mirror (H, W, C) as a display matrix (a, b, u, c, d, v, ...) says: x' = a x + c y, y' = b x + d y."""
    if matrix is None:
        return image
    a, b, c, d = (int(matrix[place]) for place in (0, 1, 3, 4))
    if abs(a) < abs(b):  # a quarter turn
        image, a, d = image.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


class _Turn:
    """The display matrix, read anew only when the turn changes: reading it keeps the whole frame in memory a while."""

    def __init__(self) -> None:
        self._matrix: np.ndarray | None = None
        self._rotation: int | None = None

    def of(self, frame: Any) -> np.ndarray | None:
        """The matrix (9,) of a frame, or None."""
        if frame.rotation != self._rotation:
            data = frame.side_data.get("DISPLAYMATRIX")
            self._matrix = np.frombuffer(bytes(data), dtype=np.int32) if data is not None else None
            self._rotation = frame.rotation
        return self._matrix


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__


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
