"""Identities: whose pose of this frame is whose pose of the last one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from fidip.evaluation.nms import joint_terms
from fidip.geometry import Array, overlap
from fidip.models import PoseNet
from fidip.predict.poses import MIN_SCORE, Poses, presence

LEAST_OKS = 0.2  # of two poses of one person in neighbouring frames
LEAST_IOU = 0.3  # of two boxes of one person, where the poses do not tell
SAME_POSE = 0.75  # OKS above which two poses of one frame are the same person found twice
MEMORY = 2.0  # s for which a person who is not seen keeps the identity
PATIENCE = 10  # frames for which the last box of a person who is not seen is looked at again
SETTLING = 0.3  # weight of the newest velocity


@dataclass
class LastSeen:
    """One identity as last seen.

    Attributes:
        identity: number of the track.
        pose: of one person.
        time: of the pose, in s.
        velocity: (2,) px/s.
        missed: frames since then.
    """

    identity: int
    pose: Poses
    time: float
    velocity: Array
    missed: int = 0

    def expected(self, time: float) -> Array:
        """Return where the keypoints (K, 2) would be at ``time`` s if the person went on as before."""
        return self.pose.keypoints[0] + self.velocity * (time - self.time)


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
        self.tracks: dict[int, LastSeen] = {}
        self._next = 0

    def assign(self, time: float, persons: Poses, owners: Sequence[int]) -> list[int]:
        """Identities of the persons of the frame at ``time`` s; -1: the same as a better one, or nobody.

        owners: the track from whose last pose or box a person was looked for, -1: none. Such a person whose
        pose was not found keeps the identity. Afterwards the tracks are where this frame left them.
        """
        if self.alone:
            identities = [0] + [-1] * (len(persons) - 1) if len(persons) else []
        else:
            identities = self._match(time, persons, owners)
        self._remember(time, persons, identities)
        return identities

    def restore(self, frame: Poses) -> None:
        """Take over a frame whose identities are known."""
        self._remember(frame.time, frame, frame.track.tolist())

    def _match(self, time: float, persons: Poses, owners: Sequence[int]) -> list[int]:
        seen = [self._found(person) for person in persons]
        identities = [-1] * len(persons)
        boxed = [box_from in ("given", "detector") for box_from in persons.box_from]
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

    def _distinct(self, persons: Poses, seen: Sequence[bool]) -> list[int]:
        """Persons that are not a second finding of a better one; boxes that the user gave are all kept."""
        order = sorted(range(len(persons)), key=lambda i: -float(np.mean(persons.scores[i])))
        kept: list[int] = []
        for i in order:
            repeated = any(
                seen[i] and seen[j] and self._similarity(persons[i], persons[j]) > SAME_POSE for j in kept
            )
            if not repeated or persons.box_from[i] == "given":
                kept.append(i)
        return sorted(kept)

    def _similarity(self, one: Poses, other: Poses, xy: np.ndarray | None = None) -> float:
        """OKS of two persons over the keypoints that both have; 0 with fewer than two such keypoints.

        xy: (K, 2) where the first one is by now, if not where it was.
        """
        both = (one.scores[0] >= self.threshold) & (other.scores[0] >= self.threshold)
        if both.sum() < 2:
            return 0.0
        area = (np.prod(one.boxes[0, 2:]) + np.prod(other.boxes[0, 2:])) / 2
        terms = joint_terms(one.keypoints[0] if xy is None else xy, other.keypoints[0], area, self.sigmas)
        return float(terms[both].mean())

    def _oks(self, track: LastSeen, person: Poses, time: float) -> float:
        return self._similarity(track.pose, person, track.expected(time)) if self._found(person) else 0.0

    def _found(self, person: Poses) -> bool:
        return presence(person.scores[0]) >= self.found

    def _remember(self, time: float, persons: Poses, identities: Sequence[int]) -> None:
        found = dict(zip(identities, persons, strict=True))
        found.pop(-1, None)
        for identity, person in found.items():
            self._next = max(self._next, identity + 1)
            track = self.tracks.get(identity)
            if track is None or self._found(person):
                self.tracks[identity] = self._continued(identity, track, person, time)
            else:
                track.missed += 1
                track.pose = replace(track.pose, boxes=person.boxes)
        for identity, track in list(self.tracks.items()):
            if identity not in found:
                track.missed += 1
            if time - track.time > MEMORY and not self.alone:
                del self.tracks[identity]

    def _continued(self, identity: int, last: LastSeen | None, person: Poses, time: float) -> LastSeen:
        velocity = np.zeros(2)
        if last is not None and time > last.time:
            both = (last.pose.scores[0] >= self.threshold) & (person.scores[0] >= self.threshold)
            if both.any():
                moved = person.keypoints[0, both] - last.pose.keypoints[0, both]
                newest = np.median(moved, axis=0) / (time - last.time)
                velocity = SETTLING * newest + (1 - SETTLING) * last.velocity
        missed = 0 if self._found(person) else 1
        if missed and person.box_from == ("frame",):  # nothing here is worth to be looked at again
            missed = PATIENCE + 1
        return LastSeen(identity, person, time, velocity, missed)


def _iou(track: LastSeen, person: Poses, time: float) -> float:
    return float(overlap(track.pose.boxes, person.boxes)[0, 0])
