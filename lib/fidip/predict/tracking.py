"""Identities: whose pose of this frame is whose pose of the last one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from fidip.evaluation.nms import joint_terms
from fidip.geometry import Array
from fidip.models import PoseNet
from fidip.predict.boxes import overlap, presence
from fidip.predict.frames import Frame, Person
from fidip.predict.tracks import MIN_SCORE

LEAST_OKS = 0.2  # of two poses of one person in neighbouring frames
LEAST_IOU = 0.3  # of two boxes of one person, where the poses do not tell
SAME_POSE = 0.75  # OKS above which two poses of one frame are the same person found twice
MEMORY = 2.0  # s for which a person who is not seen keeps the identity
PATIENCE = 10  # frames for which the last box of a person who is not seen is looked at again
SETTLING = 0.3  # weight of the newest velocity


@dataclass
class Track:
    """One identity as last seen. xy (K, 2), box (4,): image px. velocity (2,): px/s. missed: frames since then. turn: of its crop."""

    identity: int
    xy: Array
    score: Array
    box: Array
    time: float
    velocity: Array
    missed: int = 0
    turn: float = 0.0

    def expected(self, time: float) -> Array:
        """Where the pose would be at ``time`` s if the person went on as before."""
        return self.xy + self.velocity * (time - self.time)


class Tracker:
    """Give the persons of each frame identities, by OKS with where their tracks should be by now, then by IoU.

    The assignment is the best one for the frame as a whole (Kuhn 1955; scipy's linear_sum_assignment). sigmas:
    per-joint OKS constants. threshold: least score of a joint that is compared. alone: there is one person
    only, who is 0 whatever happens. found: least ``presence`` of a pose that was found, not guessed.
    """

    def __init__(
        self,
        sigmas: Sequence[float],
        threshold: float = MIN_SCORE,
        alone: bool = False,
        found: float = PoseNet.found_score,
    ) -> None:
        self.sigmas, self.threshold, self.alone, self.found = tuple(sigmas), threshold, alone, found
        self.tracks: dict[int, Track] = {}
        self._next = 0

    def assign(self, time: float, persons: Sequence[Person], owners: Sequence[int]) -> list[int]:
        """Identities of the persons of the frame at ``time`` s; -1: the same as a better one, or nobody.

        owners: the track from whose last pose or box a person was looked for, -1: none. Such a person whose
        pose was not found keeps the identity. Afterwards the tracks are where this frame left them.
        """
        if self.alone:
            identities = [0] + [-1] * (len(persons) - 1) if persons else []
        else:
            identities = self._match(time, persons, owners)
        self._remember(time, persons, identities)
        return identities

    def restore(self, frame: Frame) -> None:
        """Take over a frame whose identities are known."""
        self._remember(frame.time, frame.persons, [person.track for person in frame.persons])

    def _match(self, time: float, persons: Sequence[Person], owners: Sequence[int]) -> list[int]:
        seen = [self._found(person) for person in persons]
        identities = [-1] * len(persons)
        boxed = [person.box_from in ("given", "detector") for person in persons]
        open_persons = [i for i in self._distinct(persons, seen) if seen[i] or (boxed[i] and owners[i] < 0)]
        open_tracks = list(self.tracks.values())
        for similarity, least in ((self._oks, LEAST_OKS), (_iou, LEAST_IOU)):
            rows, columns = [*open_persons], [*open_tracks]
            table = np.array([[similarity(t, persons[i], time) for t in columns] for i in rows])
            if not table.size:
                break
            for row, column in zip(*linear_sum_assignment(-table), strict=True):
                if table[row, column] >= least:
                    identities[rows[row]] = columns[column].identity
                    open_persons.remove(rows[row])
                    open_tracks.remove(columns[column])
        free = {track.identity for track in open_tracks}
        for i, owner in enumerate(owners):
            if not seen[i] and owner in free:
                identities[i] = owner
                free.discard(owner)
        for i in open_persons:
            identities[i], self._next = self._next, self._next + 1
        return identities

    def _distinct(self, persons: Sequence[Person], seen: Sequence[bool]) -> list[int]:
        """Persons that are not a second finding of a better one; boxes that the user gave are all kept."""
        order = sorted(range(len(persons)), key=lambda i: -float(np.mean(persons[i].score)))
        kept: list[int] = []
        for i in order:
            repeated = any(
                seen[i] and seen[j] and self._similarity(persons[i], persons[j]) > SAME_POSE for j in kept
            )
            if not repeated or persons[i].box_from == "given":
                kept.append(i)
        return sorted(kept)

    def _similarity(self, one: Person | Track, other: Person, xy: np.ndarray | None = None) -> float:
        """OKS of two poses over the joints that both have; 0 with fewer than two such joints."""
        both = (one.score >= self.threshold) & (other.score >= self.threshold)
        if both.sum() < 2:
            return 0.0
        area = (np.prod(one.box[2:]) + np.prod(other.box[2:])) / 2
        terms = joint_terms(one.xy if xy is None else xy, other.xy, area, self.sigmas)
        return float(terms[both].mean())

    def _oks(self, track: Track, person: Person, time: float) -> float:
        return self._similarity(track, person, track.expected(time)) if self._found(person) else 0.0

    def _found(self, person: Person) -> bool:
        return presence(person.score) >= self.found

    def _remember(self, time: float, persons: Sequence[Person], identities: Sequence[int]) -> None:
        found = dict(zip(identities, persons, strict=True))
        found.pop(-1, None)
        for identity, person in found.items():
            self._next = max(self._next, identity + 1)
            track = self.tracks.get(identity)
            if track is None or self._found(person):
                self.tracks[identity] = self._continued(identity, track, person, time)
            else:
                track.missed += 1
                track.box = person.box
        for identity, track in list(self.tracks.items()):
            if identity not in found:
                track.missed += 1
            if time - track.time > MEMORY and not self.alone:
                del self.tracks[identity]

    def _continued(self, identity: int, last: Track | None, person: Person, time: float) -> Track:
        velocity = np.zeros(2)
        if last is not None and time > last.time:
            both = (last.score >= self.threshold) & (person.score >= self.threshold)
            if both.any():
                newest = np.median(person.xy[both] - last.xy[both], axis=0) / (time - last.time)
                velocity = SETTLING * newest + (1 - SETTLING) * last.velocity
        missed = 0 if self._found(person) else 1
        if missed and person.box_from == "frame":  # nothing here is worth to be looked at again
            missed = PATIENCE + 1
        return Track(identity, person.xy, person.score, person.box, time, velocity, missed, person.turn)


def _iou(track: Track, person: Person, time: float) -> float:
    return float(overlap(track.box, person.box)[0, 0])
