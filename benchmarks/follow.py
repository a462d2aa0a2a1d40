"""Measure following: keypoints in a labelled video with boxes that are followed, beside labelled boxes.

Example: python benchmarks/follow.py data/film/annotations/person_keypoints_film.json

Error and jitter are in percent of the square root of the box's area. Jitter is the mean length of the second difference
of the error over three frames: what the estimate shakes beyond the movement of the infant. The videos of ``fidip film``
have such annotations, one image per frame in the order of the file.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from fidip.cli import exit_on_error
from fidip.data.records import Record, find_split, load_records, read_split
from fidip.pixels import read_rgb
from fidip.predict.follow import Follower, Plan
from fidip.predict.predictor import Predictor, load
from fidip.predict.sources import SourceImage
from fidip.skeleton import COCO17

RATE = 15.0  # frames/s


def main(argv: list[str] | None = None) -> int:
    """Parse, measure, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("annotations", nargs="+", help="COCO JSON of a video with one person")
    parser.add_argument(
        "--model", default="default", help="as in `fidip predict` (default: the packaged one)"
    )
    parser.add_argument("--backend", default="auto", help="torch or openvino (default: torch)")
    arguments = parser.parse_args(argv)
    predictor = load(arguments.model, flip=False, backend=arguments.backend)
    sys.stdout.write(f"{'video':32}{'boxes':>10}{'error %':>9}{'jitter %':>10}{'lost':>6}{'frames':>8}\n")
    for file in arguments.annotations:
        split = find_split(file, Path())
        records = load_records(split, read_split(split, COCO17), COCO17)
        for name, found in (
            ("labelled", labelled(predictor, records)),
            ("followed", followed(predictor, records)),
        ):
            error, jitter, lost = measure(records, found)
            sys.stdout.write(f"{split.name:32}{name:>10}{error:9.2f}{jitter:10.2f}{lost:6}{len(records):8}\n")
    return 0


def labelled(predictor: Predictor, records: Sequence[Record]) -> list[np.ndarray | None]:
    """Keypoints (K, 2) of each frame from its labelled box, image px."""
    return [predictor(read_rgb(record.image), [record.box.tolist()]).keypoints[0] for record in records]


def followed(predictor: Predictor, records: Sequence[Record]) -> list[np.ndarray | None]:
    """Keypoints (K, 2) of each frame as `fidip predict` finds and follows them; None where nobody was found."""
    frames = Follower(predictor, Plan(moving=True)).run(images(records))
    return [frame.keypoints[0] if len(frame) else None for frame in frames]


def images(records: Sequence[Record]) -> Iterator[SourceImage]:
    """Yield the frames as a video reader does."""
    for index, record in enumerate(records):
        yield SourceImage(index, index / RATE, "", read_rgb(record.image))


def measure(records: Sequence[Record], found: Sequence[np.ndarray | None]) -> tuple[float, float, int]:
    """Mean error and jitter, percent of the root of the area, and the number of frames without a pose."""
    count = len(COCO17.names)
    offsets = np.full((len(records), count, 2), np.nan)
    for row, record, xy in zip(offsets, records, found, strict=True):
        if xy is not None:
            scale = np.sqrt(record.box[2] * record.box[3]) / 100
            row[:] = np.where(record.keypoints[:, 2:] > 0, (xy - record.keypoints[:, :2]) / scale, np.nan)
    error = np.nanmean(np.linalg.norm(offsets, axis=-1))
    jitter = np.nanmean(np.linalg.norm(np.diff(offsets, n=2, axis=0), axis=-1))
    return float(error), float(jitter), sum(xy is None for xy in found)


if __name__ == "__main__":
    exit_on_error(main)
