"""One source from its first image to its last: where to look, who it is, whom to keep; stopped and resumed."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from torch import Tensor

from fidip.errors import DataError, Interrupted
from fidip.geometry import Array, cut, inside, overlap
from fidip.predict.media import in_background
from fidip.predict.pose_file import Header, PoseFile, PoseStream
from fidip.predict.poses import MIN_SCORE, Choice, Poses, choice, followed_box, sureness
from fidip.predict.predictor import Predictor
from fidip.predict.smoothing import OnlineFilter, Smoothing
from fidip.predict.sources import BoxFile, Source, SourceImage
from fidip.predict.tracking import LEAST_IOU, PATIENCE, Tracker
from fidip.progress import progress
from fidip.stopping import StopRequest

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
    image. detect: a detector, asked every ``detect_every`` frames (0: only at the start and when somebody is
    lost). moving: images follow one another, so that the last pose shows where to look next. threshold:
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


@dataclass(frozen=True)
class Candidate:
    """A place to look for a person.

    Attributes:
        box: x, y, w, h, image px.
        box_from: "given", "detector", "track", "previous" or "frame".
        track: whose box it is; -1: nobody's yet.
        turn: degrees by which the crop is turned, as in ``fidip.geometry.similarity``.
    """

    box: Array
    box_from: str
    track: int = -1
    turn: float = 0.0


@dataclass
class Waiting:
    """An image with the places to look at in it; ``search``: no place is known, the person is searched for."""

    image: SourceImage
    candidates: list[Candidate]
    search: bool = False


@dataclass
class Follower:
    """Turns images into frames.

    Attributes:
        choose: whom to keep, see ``fidip.predict.poses.choice``.
        others: frames, of those that were searched, in which further persons seem to be in view.
    """

    predictor: Predictor
    plan: Plan
    choose: Choice = field(default_factory=lambda: choice("all"))
    tracker: Tracker = field(init=False)
    others: int = 0

    def __post_init__(self) -> None:
        self._renew()

    def _renew(self) -> None:
        plan, predictor = self.plan, self.predictor
        self.tracker = Tracker(
            predictor.skeleton.sigmas, plan.threshold, alone=plan.alone, found=predictor.kind.found_score
        )

    def restore(self, frames: Iterable[Poses]) -> None:
        """Take up identities and boxes where earlier frames left them."""
        for frame in frames:
            self.tracker.restore(frame)

    def run(self, images: Iterable[SourceImage]) -> Iterator[Poses]:
        """Yield a frame for each image, in order; as many go through the network together as may."""
        waiting: list[Waiting] = []
        crops: list[Crop] = []
        held = 0
        for image in images:
            candidates = self._candidates(image)
            crops += [self._crop(image, one) for one in candidates or ()]
            if candidates is not None and self.plan.independent:
                # its pixels are not needed any more, and what waits must be small
                image = replace(image, rgb=np.zeros((0, 0, 3), np.uint8))
            waiting.append(Waiting(image, candidates or [], search=candidates is None))
            held += image.rgb.nbytes
            full = len(crops) + sum(one.search for one in waiting) >= self.predictor.batch or held > HELD
            if not self.plan.independent or full:
                yield from self._frames(waiting, crops)
                waiting, crops, held = [], [], 0
        yield from self._frames(waiting, crops)

    def _crop(self, image: SourceImage, place: Candidate) -> Crop:
        try:
            return self.predictor.crop(image.rgb, place.box, place.turn)
        except DataError as error:
            raise DataError(f"{image.name or f'frame {image.index}'}: {error}") from error

    def _frames(self, waiting: Sequence[Waiting], crops: Sequence[Crop]) -> Iterator[Poses]:
        xy, score = self.predictor.joints(crops)
        rows = iter(zip(xy, score, strict=True))
        searched = [one for one in waiting if one.search]
        found = iter(self.predictor.search([one.image.rgb for one in searched], self.plan.threshold))
        for one in waiting:
            if one.search:
                look = next(found)
                self.others += look.others > 0
                looks, one.candidates = [look], [Candidate(look.boxes[0], "frame", turn=look.turn[0])]
            else:
                looks = [self.predictor.pose(place.box, place.turn, *next(rows)) for place in one.candidates]
            yield self._frame(one.image, one.candidates, [self._surer(one, look) for look in looks])

    def _surer(self, one: Waiting, look: Poses) -> Poses:
        """Try other orientations of a followed person whose pose is not sure, now and then."""
        due = not one.search and not self.plan.independent and one.image.index % RETRY == 0
        if due and sureness(look) < self.predictor.kind.sure_score:
            return self.predictor.turned(one.image.rgb, look)
        return look

    def _frame(self, image: SourceImage, candidates: Sequence[Candidate], looks: Sequence[Poses]) -> Poses:
        if not self.plan.moving:
            self._renew()
        found, owners = [], []
        for place, look in zip(candidates, looks, strict=True):
            # rounded as they are written, so that a run that goes on sees the same
            xy, score, box = np.round(look.keypoints, 2), np.round(look.scores, 4), np.round(place.box, 2)
            turn = look.turn[0] if place.box_from == "frame" else 0.0
            if place.box_from in SEARCHED and not self.predictor.found(score[0], turn):
                continue  # nobody is there
            found.append(
                replace(look, keypoints=xy, scores=score, boxes=box[None], box_from=(place.box_from,))
            )
            owners.append(place.track)
        frame = Poses.nobody(self.predictor.skeleton, index=image.index, time=image.time, name=image.name)
        frame = frame.joined(found)
        identities = np.array(self.tracker.assign(image.time, frame, owners), dtype=int)
        return self.choose(replace(frame, track=identities).take(identities >= 0))

    def _candidates(self, image: SourceImage) -> list[Candidate] | None:
        """Where to look in an image; see ``Plan`` for the order. None: nothing is known, search it."""
        plan, (height, width) = self.plan, image.rgb.shape[:2]
        if plan.given is not None:
            boxes = plan.given.of(image.name, image.index)
            if boxes is not None:
                return [Candidate(box, "given") for box in boxes]
        if plan.region is not None:
            return [Candidate(plan.region, "given")]
        if plan.start and (image.index == 0 or not plan.moving):
            return [Candidate(box, "given") for box in plan.start]
        known = self._known(width, height) if plan.moving else []
        if plan.detect is not None and self._is_due(image.index, known):
            known = _with_detections(known, plan.detect(image.rgb))
        return known or None

    def _known(self, width: int, height: int) -> list[Candidate]:
        """A place for each track: around its last pose, or its last box while it is not lost for long."""
        found = []
        for track in self.tracker.tracks.values():
            pose = track.pose
            last, turn = pose.boxes[0], float(pose.turn[0])
            if not track.missed:
                box = followed_box(pose.keypoints[0], pose.scores[0], self.plan.threshold, last)
                box = cut(box, width, height)
                if overlap(box, last)[0, 0] >= STEADY:
                    box = last
                found.append(Candidate(box, "track", track.identity, turn))
            elif track.missed <= PATIENCE:
                found.append(Candidate(last, "previous", track.identity, turn))
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


def predict_source(
    source: Source,
    follower: Follower,
    path: Path,
    model: str,
    overwrite: bool = False,
    filtered: Path | None = None,
) -> PoseFile:
    """Write the poses of a source to ``path`` while they come, and return the file.

    model: what identifies network and options. filtered: where the same goes through the One-Euro filter.
    A file that the same run left unfinished is gone on with. SIGINT and SIGTERM end a camera, and stop a file:
    raises Interrupted then, with all frames so far written. Raises DataError when ``path`` is another run's.
    """
    if source.live and path.exists() and not overwrite:
        raise DataError(
            f"{path} exists, and a camera cannot be gone on with: give another --out or --overwrite"
        )
    skeleton = follower.predictor.skeleton
    named = source.path.name if source.path is not None else source.name
    header = Header(named, tuple(skeleton.names), source.size, source.rate, model)
    with contextlib.ExitStack() as opened:
        stop = opened.enter_context(StopRequest())
        poses = opened.enter_context(PoseStream(path, header, overwrite))
        copy = None
        if filtered is not None:
            copy = _Copy(filtered, header, PoseFile(path), follower.plan.threshold)
            opened.callback(copy.close)
        follower.restore(poses.tail)
        images = opened.enter_context(
            contextlib.closing(in_background(source.read(poses.done), newest=source.live))
        )
        frames: Iterator[Poses] = follower.run(images)
        if source.count > poses.done:
            frames = progress(frames, source.count - poses.done, source.name, "frame")
        for frame in frames:
            poses.write(frame)
            if copy is not None:
                copy.write(frame)
            if stop.received:
                break
    if stop.received and not source.live:
        raise Interrupted(stop.received)
    return PoseFile(path)


class _Copy:
    """The filtered poses, written anew from what is there and then along with what comes."""

    def __init__(self, path: Path, header: Header, poses: PoseFile, threshold: float) -> None:
        self._filter = OnlineFilter(Smoothing(min_score=threshold))
        self._stream = PoseStream(path, header, overwrite=True)
        for frame in poses:
            self.write(frame)

    def write(self, frame: Poses) -> None:
        self._stream.write(self._filter.step(frame))

    def close(self) -> None:
        self._stream.__exit__(None, None, None)
