"""The file of poses: one line of JSON a frame, written while frames come, read one by one or as a whole."""

import json
import time
from array import array
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from fidip.errors import DataError
from fidip.predict.poses import Poses
from fidip.skeleton import SKELETONS, Skeleton, side_pairs

SUFFIX = ".poses.jsonl"
FORMAT = "fidip-poses-1"
FLUSH_EVERY = 1.0  # s
TAIL = 100  # frames from which identities are taken up again
HOLE = 3.0  # frames whose distance is more than so many times the usual one have a hole between them


@dataclass(frozen=True)
class Header:
    """First line of the file.

    Attributes:
        source: file name of what was read.
        joints: K names.
        size: (width, height) px as shown (after rotation), (0, 0) for a folder of images.
        rate: mean frames/s, 0 for images.
        model: <network>-<options>, hashes of config and weights, and of what else decides on the poses.
        format: of the file.
    """

    source: str
    joints: tuple[str, ...]
    size: tuple[int, int]
    rate: float
    model: str
    format: str = FORMAT

    @property
    def skeleton(self) -> Skeleton:
        """The known skeleton with these joints, or one without limbs whose pairs are told by their names."""
        for skeleton in SKELETONS.values():
            if skeleton.names == self.joints:
                return skeleton
        return Skeleton("unknown", self.joints, side_pairs(self.joints), (0.1,) * len(self.joints), (), ())


def header_line(header: Header) -> str:
    """Write the header as one line of JSON."""
    return json.dumps(asdict(header)) + "\n"


def frame_line(frame: Poses) -> str:
    """Write a frame as one line of JSON; px to 0.01, scores to 0.0001."""
    persons = [
        {
            "track": int(frame.track[i]),
            "box": np.round(frame.boxes[i], 2).tolist(),
            "box_from": frame.box_from[i],
            "xy": np.round(frame.keypoints[i], 2).tolist(),
            "score": np.round(frame.scores[i], 4).tolist(),
            "filled": np.flatnonzero(frame.filled[i]).tolist(),
            **({"turn": float(frame.turn[i])} if frame.turn[i] else {}),
        }
        for i in range(len(frame))
    ]
    record = {"index": frame.index, "time": round(frame.time, 6), "name": frame.name, "persons": persons}
    return json.dumps(record) + "\n"


def stream_path(out: Path, name: str) -> Path:
    """Return where the poses of the source ``name`` are written."""
    return out / f"{name}{SUFFIX}"


class PoseFile:
    """A file of poses: ``header`` at once, frames one by one, so that an hour of video needs no memory.

    A last line that was cut off by a stop is left out. Raises DataError for anything that is no such file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._open() as stream:
            record = self._parse(stream.readline(), 1)
        if record.get("format") != FORMAT:
            raise DataError(f"{path}: not a file of poses ({FORMAT}); make one with `fidip predict`")
        sizes = (int(record["size"][0]), int(record["size"][1]))
        self.header = replace(Header(**record), joints=tuple(record["joints"]), size=sizes)

    @cached_property
    def skeleton(self) -> Skeleton:
        """Skeleton of the keypoints."""
        return self.header.skeleton

    @property
    def stem(self) -> str:
        """The file's name without its ending: what exports are named by."""
        name = self.path.name
        return name.removesuffix(SUFFIX) if name.endswith(SUFFIX) else self.path.stem

    def of_images(self) -> bool:
        """Tell whether the frames are image files, not those of a video file."""
        first = next(iter(self), None)
        return first is not None and bool(first.name)

    def __iter__(self) -> Iterator[Poses]:
        with self._open() as stream:
            stream.readline()
            for number, line in enumerate(stream, start=2):
                if line.endswith("\n"):
                    yield _frame(self._parse(line, number), self.skeleton)

    def complete_bytes(self) -> int:
        """Return the length up to the last whole line: where a run that goes on appends."""
        with self.path.open("rb") as stream:
            return sum(len(line) for line in stream if line.endswith(b"\n"))

    def rows_by_track(self, frame: Poses) -> dict[int, int]:
        """Return the row of each track in a frame. Raises DataError where two persons share one."""
        rows = {track: row for row, track in enumerate(frame.track.tolist())}
        if len(rows) < len(frame):
            raise DataError(
                f"{self.path}, frame {frame.index}: two persons have the same track; predict with tracking on"
            )
        return rows

    def _open(self) -> IO[str]:
        try:
            return self.path.open(encoding="utf-8")
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read ({error.strerror})") from error

    def _parse(self, line: str, number: int) -> dict:
        try:
            record = json.loads(line)
        except ValueError as error:
            raise DataError(f"{self.path}, line {number}: not JSON ({error}); predict anew") from error
        if not isinstance(record, dict):
            raise DataError(f"{self.path}, line {number}: not a record; predict anew")
        return record


def _frame(record: dict[str, Any], skeleton: Skeleton) -> Poses:
    persons, joints = record["persons"], len(skeleton.names)
    if not persons:
        return Poses.nobody(skeleton, index=record["index"], time=record["time"], name=record["name"])
    filled = np.zeros((len(persons), joints), dtype=bool)
    for row, one in zip(filled, persons, strict=True):
        row[one["filled"]] = True
    return Poses(
        np.array([one["xy"] for one in persons], dtype=float).reshape(-1, joints, 2),
        np.array([one["score"] for one in persons], dtype=float),
        np.array([one["box"] for one in persons], dtype=float),
        skeleton,
        record["index"],
        record["time"],
        record["name"],
        track=np.array([one["track"] for one in persons]),
        box_from=tuple(one["box_from"] for one in persons),
        turn=np.array([one.get("turn", 0.0) for one in persons], dtype=float),
        filled=filled,
    )


class PoseStream:
    """Append frames to ``path``; a file that was begun by the same run is gone on with after its last whole line.

    done: frames that are there already. tail: the last of them. Raises DataError when the file there was made
    from something else or in another way, unless ``overwrite``.
    """

    def __init__(self, path: Path, header: Header, overwrite: bool = False) -> None:
        self.path, self.header = path, header
        self.done, self.tail = 0, deque[Poses](maxlen=TAIL)
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

    def write(self, frame: Poses) -> None:
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


@dataclass(frozen=True)
class Track:
    """One identity from its first to its last frame, F rows.

    Attributes:
        identity: number of the track.
        start: place of its first frame in the file.
        poses: F rows, one a frame; keypoints, scores and boxes are 0 where the person is missing.
        present: (F,) False where a frame has no such person.
    """

    identity: int
    start: int
    poses: Poses
    present: np.ndarray

    @property
    def rows(self) -> slice:
        """Places of its frames in the file."""
        return slice(self.start, self.start + len(self.present))


@dataclass(frozen=True)
class Recording:
    """All frames of a file, about 15 KB a second of video and person.

    Attributes:
        header: of the file.
        times: (F,) s, increasing.
        tracks: by identity.
    """

    header: Header
    times: np.ndarray
    tracks: dict[int, Track]

    @property
    def interval(self) -> float:
        """The usual distance of two frames in s: the median."""
        return float(np.median(np.diff(self.times))) if len(self.times) > 1 else 0.0


def read_recording(poses: PoseFile) -> Recording:
    """Read a file of poses whole.

    Raises:
        DataError: for images, which have no time, for times that do not increase, and for a track that two persons of a
            frame share.
    """
    if not poses.header.rate:
        raise DataError(f"{poses.path}: made from pictures, which have no time; give one made from a video")
    times = array("d")
    numbers: dict[int, array] = {}
    places: dict[int, list[int]] = {}
    for place, frame in enumerate(poses):
        if times and frame.time <= times[-1]:
            raise DataError(
                f"{poses.path}, frame {frame.index}: its time {frame.time:g} s is not after the frame before; "
                "predict anew"
            )
        times.append(frame.time)
        for identity, i in poses.rows_by_track(frame).items():
            row = (frame.keypoints[i].ravel(), frame.scores[i], frame.filled[i], frame.boxes[i])
            numbers.setdefault(identity, array("d")).extend(np.concatenate(row))
            places.setdefault(identity, []).append(place)
    tracks = {key: _dense(key, places[key], numbers[key], poses.skeleton) for key in sorted(places)}
    return Recording(poses.header, np.array(times), tracks)


def _dense(identity: int, places: list[int], numbers: array, skeleton: Skeleton) -> Track:
    rows, joints = np.array(places) - places[0], len(skeleton.names)
    table = np.zeros((rows[-1] + 1, 4 * joints + 4))
    table[rows] = np.frombuffer(numbers).reshape(len(rows), -1)
    present = np.zeros(len(table), dtype=bool)
    present[rows] = True
    xy, score, filled, box = np.split(table, [2 * joints, 3 * joints, 4 * joints], axis=1)
    poses = Poses(
        xy.reshape(-1, joints, 2),
        score,
        box,
        skeleton,
        track=np.full(len(table), identity),
        box_from=("track",) * len(table),
        filled=filled > 0,
    )
    return Track(identity, places[0], poses, present)
