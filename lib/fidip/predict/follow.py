"""From pictures to frames of poses: where to look, who it is, whom to keep."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from torch import Tensor

from fidip.errors import DataError
from fidip.geometry import Array
from fidip.predict.box_file import BoxFile
from fidip.predict.boxes import Candidate, cut, followed_box, inside, overlap
from fidip.predict.frames import Frame, Person
from fidip.predict.one_euro import OneEuro
from fidip.predict.predictor import Look, Predictor
from fidip.predict.reader import Picture
from fidip.predict.select import Choice
from fidip.predict.tracking import LEAST_IOU, PATIENCE, Tracker
from fidip.predict.tracks import MIN_SCORE

Detect = Callable[[np.ndarray], Array]  # RGB uint8 (H, W, 3) -> boxes (N, 4) image px
Crop = tuple[Tensor, Array]  # as Predictor.crop gives it

HELD = 200_000_000  # bytes of images that may wait to be searched
STEADY = 0.85  # IoU with its last box from which that one is kept: keypoints shake when crops move
RETRY = 5  # frames between two tries of other orientations
SEARCHED = ("frame", "track", "previous")  # places where a person need not be


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
class Waiting:
    """An image with the places to look at in it; ``search``: no place is known, the person is searched for."""

    picture: Picture
    candidates: list[Candidate]
    search: bool = False


@dataclass
class Follower:
    """Turns images into frames.

    Attributes:
        choose: whom to keep, see ``fidip.predict.select``.
        others: frames, of those that were searched, in which further persons seem to be in view.
    """

    predictor: Predictor
    plan: Plan
    choose: Choice = list
    tracker: Tracker = field(init=False)
    others: int = 0

    def __post_init__(self) -> None:
        self._renew()

    def _renew(self) -> None:
        plan, predictor = self.plan, self.predictor
        self.tracker = Tracker(
            predictor.skeleton.sigmas, plan.threshold, alone=plan.alone, found=predictor.kind.found_score
        )

    def restore(self, frames: Iterable[Frame]) -> None:
        """Take up identities and boxes where earlier frames left them."""
        for frame in frames:
            self.tracker.restore(frame)

    def run(self, pictures: Iterable[Picture]) -> Iterator[Frame]:
        """Yield a frame for each image, in order; as many go through the network together as may."""
        waiting: list[Waiting] = []
        crops: list[Crop] = []
        held = 0
        for picture in pictures:
            candidates = self._candidates(picture)
            crops += [self._crop(picture, one) for one in candidates or ()]
            if candidates is not None and self.plan.independent:
                # its pixels are not needed any more, and what waits must be small
                picture = replace(picture, rgb=np.zeros((0, 0, 3), np.uint8))
            waiting.append(Waiting(picture, candidates or [], search=candidates is None))
            held += picture.rgb.nbytes
            full = len(crops) + sum(one.search for one in waiting) >= self.predictor.batch or held > HELD
            if not self.plan.independent or full:
                yield from self._frames(waiting, crops)
                waiting, crops, held = [], [], 0
        yield from self._frames(waiting, crops)

    def _crop(self, picture: Picture, place: Candidate) -> Crop:
        try:
            return self.predictor.crop(picture.rgb, place.box, place.turn)
        except DataError as error:
            raise DataError(f"{picture.name or f'frame {picture.index}'}: {error}") from error

    def _frames(self, waiting: Sequence[Waiting], crops: Sequence[Crop]) -> Iterator[Frame]:
        xy, score = self.predictor.joints(crops)
        rows = iter(zip(xy, score, strict=True))
        searched = [one for one in waiting if one.search]
        found = iter(self.predictor.search([one.picture.rgb for one in searched], self.plan.threshold))
        for one in waiting:
            if one.search:
                look = next(found)
                self.others += look.others > 0
                looks, one.candidates = [look], [Candidate(look.box, "frame", turn=look.turn)]
            else:
                looks = [Look(place.box, place.turn, *next(rows)) for place in one.candidates]
            yield self._frame(one.picture, one.candidates, [self._surer(one, look) for look in looks])

    def _surer(self, one: Waiting, look: Look) -> Look:
        """Try other orientations of a followed person whose pose is not sure, now and then."""
        due = not one.search and not self.plan.independent and one.picture.index % RETRY == 0
        if due and look.sureness < self.predictor.kind.sure_score:
            return self.predictor.turned(one.picture.rgb, look)
        return look

    def _frame(self, picture: Picture, candidates: Sequence[Candidate], looks: Sequence[Look]) -> Frame:
        if not self.plan.moving:
            self._renew()
        persons, owners = [], []
        for place, look in zip(candidates, looks, strict=True):
            # rounded as they are written, so that a run that goes on sees the same
            xy, score = np.round(look.xy, 2), np.round(look.score, 4)
            turn = look.turn if place.box_from == "frame" else 0.0
            if place.box_from in SEARCHED and not self.predictor.found(score, turn):
                continue  # nobody is there
            persons.append(Person(xy, score, np.round(place.box, 2), place.box_from, turn=look.turn))
            owners.append(place.track)
        identities = self.tracker.assign(picture.time, persons, owners)
        known = [
            replace(person, track=identity)
            for person, identity in zip(persons, identities, strict=True)
            if identity >= 0
        ]
        return Frame(picture.index, picture.time, tuple(self.choose(known)), picture.name)

    def _candidates(self, picture: Picture) -> list[Candidate] | None:
        """Where to look in an image; see ``Plan`` for the order. None: nothing is known, search it."""
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
        return known or None

    def _known(self, width: int, height: int) -> list[Candidate]:
        """A place for each track: around its last pose, or its last box while it is not lost for long."""
        found = []
        for track in self.tracker.tracks.values():
            if not track.missed:
                box = followed_box(track.xy, track.score, self.plan.threshold, track.box)
                box = cut(box, width, height)
                if overlap(box, track.box)[0, 0] >= STEADY:
                    box = track.box
                found.append(Candidate(box, "track", track.identity, track.turn))
            elif track.missed <= PATIENCE:
                found.append(Candidate(track.box, "previous", track.identity, track.turn))
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
            result[best] = Candidate(detected[best], "detector", one.track, one.turn)
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
