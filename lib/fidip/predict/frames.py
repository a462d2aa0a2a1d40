"""What is found in the frames of one source, and the file it streams to: one line of JSON a frame."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO

import numpy as np

from fidip.errors import DataError

SUFFIX = ".poses.jsonl"
FORMAT = "fidip-poses-1"


@dataclass(frozen=True)
class Person:
    """One person in one frame.

    xy (K, 2): image px, integer at pixel centres. score (K,): 0..1. box (4,): x, y, w, h in image px, the
    one the crop was made from. box_from: "given", "detector", "track", "previous" or "frame". track: identity, 0 and
    up. filled (K,): True where a joint was put in by gap filling, not seen. turn: degrees by which the crop was turned.
    """

    xy: np.ndarray
    score: np.ndarray
    box: np.ndarray
    box_from: str
    track: int = 0
    filled: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))
    turn: float = 0.0

    def __post_init__(self) -> None:
        if len(self.filled) != len(self.xy):
            object.__setattr__(self, "filled", np.zeros(len(self.xy), dtype=bool))


@dataclass(frozen=True)
class Frame:
    """A frame: index from 0, time in s (of its presentation, not index / rate), file name for pictures, persons."""

    index: int
    time: float
    persons: tuple[Person, ...]
    name: str = ""


@dataclass(frozen=True)
class Header:
    """First line of the file.

    source: file name of what was read. joints: K names. size: (width, height) px as shown (after rotation), (0, 0)
    for a folder of pictures. rate: mean frames/s, 0 for pictures. model: <network>-<options>, hashes of config and
    weights, and of what else decides on the poses.
    """

    source: str
    joints: tuple[str, ...]
    size: tuple[int, int]
    rate: float
    model: str
    format: str = FORMAT


def header_line(header: Header) -> str:
    """The header as one line of JSON."""
    return json.dumps(asdict(header)) + "\n"


def frame_line(frame: Frame) -> str:
    """A frame as one line of JSON; px to 0.01, scores to 0.0001."""
    persons = [
        {
            "track": person.track,
            "box": np.round(person.box, 2).tolist(),
            "box_from": person.box_from,
            "xy": np.round(person.xy, 2).tolist(),
            "score": np.round(person.score, 4).tolist(),
            "filled": np.flatnonzero(person.filled).tolist(),
            **({"turn": person.turn} if person.turn else {}),
        }
        for person in frame.persons
    ]
    record = {"index": frame.index, "time": round(frame.time, 6), "name": frame.name, "persons": persons}
    return json.dumps(record) + "\n"


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

    def __iter__(self) -> Iterator[Frame]:
        with self._open() as stream:
            stream.readline()
            for number, line in enumerate(stream, start=2):
                if line.endswith("\n"):
                    yield _frame(self._parse(line, number))

    def complete_bytes(self) -> int:
        """Length up to the last whole line: where a run that goes on appends."""
        with self.path.open("rb") as stream:
            return sum(len(line) for line in stream if line.endswith(b"\n"))

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


def _frame(record: dict) -> Frame:
    persons = []
    for one in record["persons"]:
        filled = np.zeros(len(one["xy"]), dtype=bool)
        filled[one["filled"]] = True
        persons.append(
            Person(
                np.array(one["xy"], dtype=float).reshape(-1, 2),
                np.array(one["score"], dtype=float),
                np.array(one["box"], dtype=float),
                one["box_from"],
                one["track"],
                filled,
                float(one.get("turn", 0.0)),
            )
        )
    return Frame(record["index"], record["time"], tuple(persons), record["name"])
