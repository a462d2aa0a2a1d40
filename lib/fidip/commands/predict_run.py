"""Run ``fidip predict``: write poses for each source, and what is made from them."""

import argparse
import inspect
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fidip.config import load_config
from fidip.environment import choose_device, logger, setup_logging
from fidip.files import content_digest, fingerprint, require_writable
from fidip.motion.movement import MovementOptions, summarise
from fidip.motion.outputs import NOTICE
from fidip.predict.export import EXPORTS
from fidip.predict.finder import Detector
from fidip.predict.follow import Follower, Plan, predict_source
from fidip.predict.pose_file import PoseFile, stream_path
from fidip.predict.poses import choice
from fidip.predict.predictor import Predictor, load_named, run_by
from fidip.predict.smoothing import smooth_file
from fidip.predict.sources import BoxFile, ImageFiles, Source, find_sources
from fidip.runs import plan_test
from fidip.skeleton import Skeleton

MANY = 10  # files in one folder that are still listed one by one
LONG = 300  # frames or images from which a faster runtime pays for its start


def predict(arguments: argparse.Namespace) -> int:
    """Check sources and folders, predict, export; returns the exit status."""
    setup_logging()
    choose = choice(arguments.choose, arguments.region)
    require_writable(arguments.out)
    boxes = _box_file(arguments)
    sources = find_sources(arguments.source, boxes, arguments.rate, arguments.skip_bad)
    predictor = _predictor(arguments)
    if arguments.backend == "auto" and sum(source.count or LONG for source in sources) >= LONG:
        predictor.accelerate_if_possible()
    sys.stdout.write(f"model: {predictor.title}, run by {predictor.runtime}; {NOTICE}\n")
    plan = _plan(arguments, boxes)
    options = _options(arguments, boxes)
    counts = Counts()
    for source, name in zip(sources, _names(sources), strict=True):
        predictor.estimator.flip = not source.moving if arguments.flip is None else arguments.flip
        follower = Follower(predictor, _plan_for(source, plan), choose)
        model = f"{predictor.name}-{fingerprint([options, source.facts()])}"
        path = stream_path(arguments.out, name)
        filtered = stream_path(arguments.out, f"{name}.smooth") if _online(arguments, source) else None
        poses = predict_source(source, follower, path, model, arguments.overwrite, filtered)
        written = _finish(arguments, source, poses, filtered, predictor.skeleton)
        found = Counts.of(poses, follower.others)
        sys.stdout.write(f"{poses.header.source}: {found.in_words()}\n{_listing(written)}")
        counts += found
    sys.stdout.write(_end(arguments.out, counts))
    return 0


@dataclass(frozen=True)
class Counts:
    """What was found.

    Attributes:
        frames: number of images, or of frames.
        found: number of those with a person.
        others: number of those with further persons.
        noun: "images" or "frames".
    """

    frames: int = 0
    found: int = 0
    others: int = 0
    noun: str = "images"

    @classmethod
    def of(cls, poses: PoseFile, others: int) -> "Counts":
        """Count the frames of a file."""
        persons = [len(frame) > 0 for frame in poses]
        return cls(len(persons), sum(persons), others, "frames" if poses.header.rate else "images")

    def __add__(self, more: "Counts") -> "Counts":
        noun = more.noun if self.noun == more.noun or not self.frames else "frames and images"
        return Counts(self.frames + more.frames, self.found + more.found, self.others + more.others, noun)

    def in_words(self) -> str:
        """Say it as half a sentence."""
        return f"an infant was found in {self.found} of {self.frames} {self.noun}"


def _end(out: Path, counts: Counts) -> str:
    """Say where results are and what was found, and what to try if little was."""
    text = f"Results are in {out}: {counts.in_words()}.\n"
    if counts.others:
        text += (
            "Further persons seem to be in view; the one nearest the middle was followed. To choose another, name a "
            "box (--box X,Y,W,H), or use --detector with --choose smallest.\n"
        )
    if not counts.found:
        text += (
            "Nobody was found. Check that the infant's whole body is in view and well lit, or name a box around the "
            "infant with --box X,Y,W,H.\n"
        )
    return text


def _box_file(arguments: argparse.Namespace) -> BoxFile | None:
    if arguments.boxes is not None:
        return BoxFile(arguments.boxes)
    named = [Path(name) for name in arguments.source]
    if len(named) == 1 and named[0].suffix.lower() == ".json" and named[0].is_file():
        return BoxFile(named[0])
    return None


def _predictor(arguments: argparse.Namespace) -> Predictor:
    common = (arguments.device, bool(arguments.flip), arguments.batch)
    if arguments.cfg is None:
        return load_named(arguments.model, arguments.bundle, *common, backend=arguments.backend)
    cfg = load_config(arguments.cfg, arguments.opts)
    weights = arguments.weights or plan_test(cfg, arguments.cfg).weights
    predictor = run_by(Predictor.from_checkpoint(cfg, weights, *common), arguments.backend)
    predictor.title = f"{weights}, under the licence of those who trained it"
    return predictor


def _plan(arguments: argparse.Namespace, boxes: BoxFile | None) -> Plan:
    detect = None
    if arguments.detector:
        detect = Detector(
            arguments.detector,
            arguments.detector_weights,
            choose_device(arguments.device),
            arguments.detector_score,
        )
    return Plan(
        given=boxes,
        region=None if arguments.choose == "region" else arguments.region,
        start=tuple(arguments.box),
        detect=detect,
        detect_every=arguments.detect_every,
        threshold=arguments.threshold,
    )


def _plan_for(source: Source, plan: Plan) -> Plan:
    return Plan(**{**vars(plan), "moving": source.moving})


def _options(arguments: argparse.Namespace, given: BoxFile | None) -> list:
    """What, besides network and source, changes the poses."""
    files = [content_digest(path) for path in (given and given.path, arguments.detector_weights) if path]
    boxes = [np.asarray(box).tolist() for box in (*arguments.box, arguments.region) if box is not None]
    detector = (
        [arguments.detector, arguments.detector_score, arguments.detect_every] if arguments.detector else []
    )
    return [files, boxes, detector, arguments.choose, arguments.threshold, arguments.rate, arguments.flip]


def _names(sources: Sequence[Source]) -> list[str]:
    """Name each source's files: without the suffix if that tells them apart."""
    names = [source.name for source in sources]
    count = Counter(names)
    names = [
        source.path.name if count[source.name] > 1 and source.path is not None else source.name
        for source in sources
    ]
    repeated = Counter(names)
    return [f"{name}-{i}" if repeated[name] > 1 else name for i, name in enumerate(names, start=1)]


def _online(arguments: argparse.Namespace, source: Source) -> bool:
    if arguments.smooth != "none" and not source.moving:
        logger.warning("%s: unrelated pictures are not smoothed", source.name)
    return arguments.smooth == "one-euro" and source.moving


def _finish(
    arguments: argparse.Namespace,
    source: Source,
    poses: PoseFile,
    filtered: Path | None,
    skeleton: Skeleton,
) -> list[Path]:
    """Smooth and export; returns the files that there are."""
    written = [poses.path]
    if filtered is not None:
        poses = PoseFile(filtered)
    elif arguments.smooth != "none" and source.moving:
        path = stream_path(poses.path.parent, poses.path.name.removesuffix(".poses.jsonl") + ".smooth")
        poses = smooth_file(poses, path, arguments.smooth, min_score=arguments.threshold)
    if poses.path not in written:
        written.append(poses.path)
    offered = {
        "blur_faces": arguments.blur_faces,
        "min_score": arguments.threshold,
        "skeleton": skeleton,
        "annotations": source.listed if isinstance(source, ImageFiles) else None,
    }
    for name in arguments.exports:
        write = EXPORTS[name]
        taken = {key: value for key, value in offered.items() if key in inspect.signature(write).parameters}
        written += write(poses, source.path, arguments.out, **taken)
    if arguments.movement and source.moving:  # last: it may find nothing to measure by
        options = MovementOptions(min_score=arguments.threshold)
        written += summarise(PoseFile(written[0]), arguments.out, options)  # it smooths for itself
    return written


def _listing(files: Sequence[Path]) -> str:
    """The files, one a line; of a folder with many of them its name and their number."""
    many = Counter(file.parent for file in files)
    lines = [
        f"  {file}" if many[file.parent] <= MANY else f"  {file.parent} ({many[file.parent]} files)"
        for file in files
    ]
    return "".join(f"{line}\n" for line in dict.fromkeys(lines))
