"""Measure what finding the person costs: AP with found boxes beside labelled ones, and false finds.

Example: python benchmarks/search.py --annotations data/syrip/annotations/person_keypoints_validate_infant.json \
    --empty folder/of/images/without/persons
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fidip.cli import exit_on_error
from fidip.data.records import Record, find_split, load_records, read_split
from fidip.evaluation import CocoEvaluator
from fidip.evaluation.nms import joint_terms
from fidip.pixels import read_rgb
from fidip.predict.media import images_in
from fidip.predict.poses import Poses
from fidip.predict.predictor import Predictor, load
from fidip.progress import progress
from fidip.skeleton import COCO17

SHOWN = ("AP", "AP50", "AP75", "AR")
WRONG = 0.3  # OKS below which what was found is not the labelled person


def main(argv: list[str] | None = None) -> int:
    """Parse, measure, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--annotations", required=True, help="COCO JSON with one person per image")
    parser.add_argument("--empty", type=Path, help="folder of images without a person")
    parser.add_argument(
        "--model", default="default", help="as in `fidip predict` (default: the packaged one)"
    )
    parser.add_argument("--flip", action="store_true", help="average with the mirrored image")
    parser.add_argument(
        "--turns", action="store_true", help="also with every image turned by 90, 180, 270 degrees"
    )
    arguments = parser.parse_args(argv)
    predictor = load(arguments.model, flip=arguments.flip)
    split = find_split(arguments.annotations, Path())
    content = read_split(split, COCO17)
    records = load_records(split, content, COCO17)
    sys.stdout.write(f"{'boxes':24}" + "".join(f"{name:>7}" for name in SHOWN) + "   missed  wrong  ms\n")
    for turn in (0, 1, 2, 3) if arguments.turns else (0,):
        for name in ("labelled", "found"):
            label = f"{name}, turned {90 * turn}" if turn else name
            start = time.process_time()
            looks = [
                look_at(predictor, record, turn, name == "found")
                for record in progress(records, len(records), label)
            ]
            seconds = (time.process_time() - start) / len(records)
            sys.stdout.write(
                f"{label:24}" + row(content, records, looks, predictor) + f"{1e3 * seconds:5.0f}\n"
            )
    if arguments.empty is not None:
        images = images_in(arguments.empty)
        found = sum(len(predictor(read_rgb(path))) for path in progress(images, len(images), "empty"))
        share = 100 * (1 - found / len(images))
        sys.stdout.write(f"images without a person: no pose in {share:.1f} % of {len(images)}\n")
    return 0


def look_at(predictor: Predictor, record: Record, turn: int, search: bool) -> Poses:
    """Look at a record's image, turned by ``turn`` quarters; the pose comes back in the image as it was."""
    image = read_rgb(record.image)
    height, width = image.shape[:2]
    turned = np.ascontiguousarray(np.rot90(image, turn))
    if search:
        look = predictor.search([turned])[0]
    else:
        box = turn_box(record.box, turn, width, height)
        xy, score = predictor.joints([predictor.crop(turned, box)])
        look = predictor.pose(box, 0.0, xy[0], score[0])
    return replace(look, keypoints=turn_back(look.keypoints[0], turn, width, height)[None])


def turn_back(xy: np.ndarray, turn: int, width: int, height: int) -> np.ndarray:
    """Undo ``turn`` quarters of np.rot90 of a (width, height) image for points (K, 2), px."""
    x, y = xy[:, 0], xy[:, 1]
    return np.stack(
        [(x, y), (width - 1 - y, x), (width - 1 - x, height - 1 - y), (y, height - 1 - x)][turn], axis=1
    )


def turn_box(box: np.ndarray, turn: int, width: int, height: int) -> np.ndarray:
    """Turn a box (x, y, w, h) by ``turn`` quarters of np.rot90 of a (width, height) image."""
    x, y, w, h = box
    if turn == 0:
        return np.asarray(box, dtype=np.float64)
    corners = {
        1: (y, width - x - w, h, w),
        2: (width - x - w, height - y - h, w, h),
        3: (height - y - h, x, h, w),
    }
    return np.array(corners[turn])


def row(content: dict, records: Sequence[Record], looks: Sequence[Poses], predictor: Predictor) -> str:
    """Scores in percent, share of images where nobody was found, share where something else was."""
    evaluator = CocoEvaluator(content, area="bbox", in_vis_thre=0.0)
    evaluator.add(
        [record.image_id for record in records],
        np.concatenate([look.keypoints for look in looks]),
        np.concatenate([look.scores for look in looks]),
    )
    metrics = evaluator.summarize()
    missed = np.mean([not predictor.found(look.scores[0], look.turn[0]) for look in looks])
    wrong = np.mean([oks(record, look) < WRONG for record, look in zip(records, looks, strict=True)])
    numbers = "".join(f"{100 * (metrics[name] or 0):7.1f}" for name in SHOWN)
    return f"{numbers} {100 * missed:7.1f}% {100 * wrong:5.1f}%"


def oks(record: Record, look: Poses) -> float:
    """Similarity of a pose to the labels, over the labelled keypoints; area: that of the box."""
    labelled = record.keypoints[:, 2] > 0
    area = float(record.box[2] * record.box[3])
    return float(
        joint_terms(look.keypoints[0], record.keypoints[:, :2], area, COCO17.sigmas)[labelled].mean()
    )


if __name__ == "__main__":
    exit_on_error(main)
