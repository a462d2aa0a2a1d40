"""A whole recording as arrays: one dense block for each track, about 15 KB a second of video and person."""

from array import array
from dataclasses import dataclass

import numpy as np

from fidip.errors import DataError
from fidip.predict.frames import Frame, Header, Person, PoseFile

MIN_SCORE = 0.2  # joints scored lower count as not seen; the evaluation's rescoring draws the line there too
HOLE = 3.0  # frames whose distance is more than so many times the usual one have a hole between them


@dataclass(frozen=True)
class Track:
    """One identity from its first to its last frame, N rows.

    start: place of its first frame in the file. xy (N, K, 2): image px. score, filled (N, K). box (N, 4).
    present (N,): False where a frame has no such person; everything else is 0 there.
    """

    identity: int
    start: int
    xy: np.ndarray
    score: np.ndarray
    filled: np.ndarray
    box: np.ndarray
    present: np.ndarray

    def seen(self, min_score: float = MIN_SCORE) -> np.ndarray:
        """Joints (N, K) that the network saw: scored ``min_score`` at least, and above 0; not filled in."""
        return (self.score >= min_score) & (self.score > 0) & ~self.filled

    @property
    def rows(self) -> slice:
        """Places of its frames in the file."""
        return slice(self.start, self.start + len(self.present))


@dataclass(frozen=True)
class Recording:
    """All frames of a file. times (F,): s, increasing. tracks: by identity."""

    header: Header
    times: np.ndarray
    tracks: dict[int, Track]

    @property
    def interval(self) -> float:
        """The usual distance of two frames in s: the median."""
        return float(np.median(np.diff(self.times))) if len(self.times) > 1 else 0.0


def known(person: Person) -> np.ndarray:
    """Joints (K,) that have a place, seen or filled in; score 0 without a filling means none."""
    return (person.score > 0) | person.filled


def seen(person: Person, min_score: float = MIN_SCORE) -> np.ndarray:
    """Joints (K,) that the network saw, as ``Track.seen``."""
    return (person.score >= min_score) & (person.score > 0) & ~person.filled


def by_track(poses: PoseFile, frame: Frame) -> dict[int, Person]:
    """Persons of a frame by track. Raises DataError where two share one."""
    persons = {person.track: person for person in frame.persons}
    if len(persons) < len(frame.persons):
        raise DataError(
            f"{poses.path}, frame {frame.index}: two persons have the same track; predict with tracking on"
        )
    return persons


def read_recording(poses: PoseFile) -> Recording:
    """Read a file of poses whole.

    Raises DataError for pictures, which have no time, for times that do not increase, and for a track that
    two persons of a frame share.
    """
    if not poses.header.rate:
        raise DataError(f"{poses.path}: made from pictures, which have no time; give one made from a video")
    times, joints = array("d"), len(poses.header.joints)
    numbers: dict[int, array] = {}
    places: dict[int, list[int]] = {}
    for place, frame in enumerate(poses):
        if times and frame.time <= times[-1]:
            raise DataError(
                f"{poses.path}, frame {frame.index}: its time {frame.time:g} s is not after the frame before; "
                "predict anew"
            )
        times.append(frame.time)
        for identity, person in by_track(poses, frame).items():
            row = (person.xy.ravel(), person.score, person.filled, person.box)
            numbers.setdefault(identity, array("d")).extend(np.concatenate(row))
            places.setdefault(identity, []).append(place)
    tracks = {key: _dense(key, places[key], numbers[key], joints) for key in sorted(places)}
    return Recording(poses.header, np.array(times), tracks)


def _dense(identity: int, places: list[int], numbers: array, joints: int) -> Track:
    rows = np.array(places) - places[0]
    table = np.zeros((rows[-1] + 1, 4 * joints + 4))
    table[rows] = np.frombuffer(numbers).reshape(len(rows), -1)
    present = np.zeros(len(table), dtype=bool)
    present[rows] = True
    xy, score, filled, box = np.split(table, [2 * joints, 3 * joints, 4 * joints], axis=1)
    return Track(identity, places[0], xy.reshape(-1, joints, 2), score, filled > 0, box, present)
