"""From pictures to frames of poses: where to look, who it is, whom to keep."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from torch import Tensor

from fidip.errors import DataError
from fidip.geometry import Array
from fidip.media.box_file import BoxFile
from fidip.media.boxes import Candidate, cut, followed_box, inside, overlap, whole_frame
from fidip.media.frames import Frame, Person
from fidip.media.one_euro import OneEuro
from fidip.media.predictor import Predictor
from fidip.media.reader import Picture
from fidip.media.select import Choice
from fidip.media.tracking import LEAST_IOU, PATIENCE, Tracker
from fidip.media.tracks import MIN_SCORE

Detect = Callable[[np.ndarray], Array]  # RGB uint8 (H, W, 3) -> boxes (N, 4) image px
Crop = tuple[Tensor, Array]  # as Predictor.crop gives it

HELD = 200_000_000  # bytes of pictures that may wait to be looked at again


@dataclass(frozen=True)
class Plan:
    """Where to look for persons, in the order of trust.

    given: boxes by frame. region: the same box in every frame. start: boxes of the first frame, and of every
    picture. detect: a detector, asked every ``detect_every`` frames (0: only at the start and when somebody is
    lost). moving: pictures follow one another, so that the last pose shows where to look next. threshold:
    least score of a joint that shapes a box.
    """

    given: BoxFile | None = None
    region: Array | None = None
    start: tuple[Array, ...] = ()
    detect: Detect | None = None
    detect_every: int = 0
    moving: bool = True
    threshold: float = MIN_SCORE

    @property
    def alone(self) -> bool:
        """Whether nothing can ever show more than one person."""
        return self.detect is None and self.given is None and len(self.start) < 2

    @property
    def independent(self) -> bool:
        """Whether the boxes of a frame do not depend on the poses of the last one."""
        return not self.moving or self.region is not None


@dataclass
class Follower:
    """Turns pictures into frames. choose: whom to keep, see ``fidip.media.select``."""

    predictor: Predictor
    plan: Plan
    choose: Choice = list
    tracker: Tracker = field(init=False)

    def __post_init__(self) -> None:
        self._renew()

    def _renew(self) -> None:
        plan = self.plan
        self.tracker = Tracker(self.predictor.skeleton.sigmas, plan.threshold, alone=plan.alone)

    def restore(self, frames: Iterable[Frame]) -> None:
        """Take up identities and boxes where earlier frames left them."""
        for frame in frames:
            self.tracker.restore(frame)

    def run(self, pictures: Iterable[Picture]) -> Iterator[Frame]:
        """Yield a frame for each picture, in order; as many go through the network together as may."""
        waiting: list[tuple[Picture, list[Candidate]]] = []
        crops: list[Crop] = []
        held = 0
        for picture in pictures:
            candidates = self._candidates(picture)
            crops += [self._crop(picture, one.box) for one in candidates]
            if not any(one.box_from == "frame" for one in candidates):
                # its pixels are not needed any more, and what waits must be small
                picture = replace(picture, rgb=np.zeros((0, 0, 3), np.uint8))
            waiting.append((picture, candidates))
            held += picture.rgb.nbytes
            if not self.plan.independent or len(crops) >= self.predictor.batch or held > HELD:
                yield from self._frames(waiting, crops)
                waiting, crops, held = [], [], 0
        yield from self._frames(waiting, crops)

    def _crop(self, picture: Picture, box: Array) -> Crop:
        try:
            return self.predictor.crop(picture.rgb, box)
        except DataError as error:
            raise DataError(f"{picture.name or f'frame {picture.index}'}: {error}") from error

    def _frames(self, waiting: list[tuple[Picture, list[Candidate]]], crops: list[Crop]) -> Iterator[Frame]:
        xy, score = self.predictor.joints(crops)
        self._look_closer(waiting, xy, score)
        # rounded as they are written, so that a run that goes on sees the same
        xy, score = np.round(xy, 2), np.round(score, 4)
        begin = 0
        for picture, candidates in waiting:
            part = slice(begin, begin + len(candidates))
            begin = part.stop
            yield self._frame(picture, candidates, xy[part], score[part])

    def _look_closer(self, waiting: list[tuple[Picture, list[Candidate]]], xy: Array, score: Array) -> None:
        """Look closer at who was found in a whole frame: replaces box, ``xy`` and ``score`` in place."""
        places = [(picture, candidates, i) for picture, candidates in waiting for i in range(len(candidates))]
        rows = [row for row, (_, candidates, i) in enumerate(places) if candidates[i].box_from == "frame"]
        if not rows:
            return
        images = [places[row][0].rgb for row in rows]
        boxes = [places[row][1][places[row][2]].box for row in rows]
        boxes, xy[rows], score[rows] = self.predictor.look_closer(
            images, boxes, xy[rows], score[rows], self.plan.threshold
        )
        for row, box in zip(rows, boxes, strict=True):
            _, candidates, i = places[row]
            candidates[i] = replace(candidates[i], box=box)

    def _frame(self, picture: Picture, candidates: list[Candidate], xy: Array, score: Array) -> Frame:
        if not self.plan.moving:
            self._renew()
        persons = [
            Person(xy[i], score[i], np.round(one.box, 2), one.box_from) for i, one in enumerate(candidates)
        ]
        identities = self.tracker.assign(picture.time, persons, [one.track for one in candidates])
        known = [
            replace(person, track=identity)
            for person, identity in zip(persons, identities, strict=True)
            if identity >= 0
        ]
        return Frame(picture.index, picture.time, tuple(self.choose(known)), picture.name)

    def _candidates(self, picture: Picture) -> list[Candidate]:
        """Where to look in a picture; see ``Plan`` for the order."""
        plan, (height, width) = self.plan, picture.rgb.shape[:2]
        if plan.given is not None:
            boxes = plan.given.of(picture.name, picture.index)
            if boxes is not None:
                return [Candidate(box, "given") for box in boxes]
        if plan.region is not None:
            return [Candidate(plan.region, "given")]
        if plan.start and (picture.index == 0 or not plan.moving):
            return [Candidate(box, "given") for box in plan.start]
        known = self._known(width, height) if plan.moving else []
        if plan.detect is not None and self._is_due(picture.index, known):
            known = _with_detections(known, plan.detect(picture.rgb))
        return known or [Candidate(whole_frame(width, height), "frame")]

    def _known(self, width: int, height: int) -> list[Candidate]:
        """A place for each track: around its last pose, or its last box while it is not lost for long."""
        found = []
        for track in self.tracker.tracks.values():
            if not track.missed:
                box = followed_box(track.xy, track.score, self.plan.threshold, track.box)
                found.append(Candidate(cut(box, width, height), "track", track.identity))
            elif track.missed <= PATIENCE:
                found.append(Candidate(track.box, "previous", track.identity))
        return [one for one in found if inside(one.box, width, height)]

    def _is_due(self, index: int, known: list[Candidate]) -> bool:
        every = self.plan.detect_every
        lost = not known or any(one.box_from == "previous" for one in known)
        return lost or not self.plan.moving or (every > 0 and index % every == 0)


def _with_detections(known: list[Candidate], detected: Array) -> list[Candidate]:
    """Detections take the place of the known boxes that they overlap; what was not detected again stays."""
    result = [Candidate(box, "detector") for box in detected]
    if not len(detected):
        return known
    for one in known:
        shared = overlap(one.box, detected)[0]
        best = int(shared.argmax())
        if shared[best] >= LEAST_IOU and result[best].track < 0:
            result[best] = Candidate(detected[best], "detector", one.track)
        else:
            result.append(one)
    return result


class OnlineFilter:
    """Each person's joints through a One-Euro filter of their own, frame by frame."""

    def __init__(self, joints: int, min_score: float = MIN_SCORE) -> None:
        self.joints, self.min_score = joints, min_score
        self._filters: dict[int, OneEuro] = {}

    def step(self, frame: Frame) -> Frame:
        """The frame with filtered joints. Joints that are not seen stay as they are."""
        persons = []
        for person in frame.persons:
            if person.track not in self._filters:
                self._filters[person.track] = OneEuro(self.joints, min_score=self.min_score)
            xy = self._filters[person.track].step(frame.time, person.xy, person.score)
            persons.append(replace(person, xy=xy))
        return replace(frame, persons=tuple(persons))
