"""The file that frames are written to while they come, and go on from after a stop."""

import time
from collections import deque
from pathlib import Path
from types import TracebackType

from fidip.errors import DataError
from fidip.predict.frames import SUFFIX, Frame, Header, PoseFile, frame_line, header_line

FLUSH_EVERY = 1.0  # s
TAIL = 100  # frames from which identities are taken up again


class PoseStream:
    """Append frames to ``path``; a file that was begun by the same run is gone on with after its last whole line.

    done: frames that are there already. tail: the last of them. Raises DataError when the file there was made
    from something else or in another way, unless ``overwrite``.
    """

    def __init__(self, path: Path, header: Header, overwrite: bool = False) -> None:
        self.path, self.header = path, header
        self.done, self.tail = 0, deque[Frame](maxlen=TAIL)
        goes_on = not overwrite and path.is_file() and _has_header(path)
        if goes_on:
            self._take_up(PoseFile(path))
        self._stream = path.open("r+" if goes_on else "w", encoding="utf-8", newline="\n")
        if goes_on:
            self._stream.truncate(PoseFile(path).complete_bytes())
            self._stream.seek(0, 2)
        else:
            self._stream.write(header_line(header))
        self._flush()

    def __enter__(self) -> "PoseStream":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def write(self, frame: Frame) -> None:
        """Append a frame; on the disk a second later at the latest that another comes."""
        self._stream.write(frame_line(frame))
        if time.monotonic() - self._flushed >= FLUSH_EVERY:
            self._flush()

    def _flush(self) -> None:
        self._stream.flush()
        self._flushed = time.monotonic()

    def _take_up(self, poses: PoseFile) -> None:
        names = ("source", "joints", "size", "rate", "model")
        differing = [name for name in names if getattr(poses.header, name) != getattr(self.header, name)]
        if differing:
            raise DataError(
                f"{self.path} was made with another {_spell(differing, poses.header, self.header)}; "
                "give another --out, or --overwrite to begin anew"
            )
        for frame in poses:
            self.tail.append(frame)
            self.done = frame.index + 1


def stream_path(out: Path, name: str) -> Path:
    """Where the poses of the source ``name`` are written."""
    return out / f"{name}{SUFFIX}"


def _has_header(path: Path) -> bool:
    """Whether the first line is whole; a run that was stopped before left nothing to go on from."""
    with path.open("rb") as stream:
        return stream.readline().endswith(b"\n")


def _spell(differing: list[str], old: Header, new: Header) -> str:
    """What differs, in words. The model's name is that of the network, a hyphen, that of the options."""
    words = [name for name in differing if name != "model"]
    if "model" in differing:
        parts = zip(old.model.split("-"), new.model.split("-"), ("model", "choice of options"), strict=False)
        words += [word for before, after, word in parts if before != after] or ["model"]
    return " and ".join(words)
