"""Score a file of COCO keypoint results against annotations.

Prints AP and AR with 95 % intervals from the bootstrap over images or, where they are known, over sources.

Examples:
  fidip evaluate --annotations GT.json --results RESULTS.json --area bbox --out metrics.json
"""

import argparse
import sys
from pathlib import Path

from fidip.commands.options import add_annotations, add_number, add_skeleton
from fidip.config import KEYS


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add_annotations(parser)
    add(
        "--results",
        type=Path,
        required=True,
        metavar="JSON",
        help="score the predictions in this COCO results JSON",
    )
    add(
        "--area",
        choices=KEYS["TEST.AREA"].rule.choices,
        default="annotation",
        help="take the area of the OKS from the area field, from the box, or from the keypoints (default: %(default)s)",
    )
    add_skeleton(parser)
    add(
        "--boxes",
        default="unknown",
        metavar="TEXT",
        help='note the boxes that were used: "gt", or the file of detections (default: %(default)s)',
    )
    add(
        "--resamples",
        "--bootstrap",
        type=int,
        default=1000,
        metavar="N",
        help="number of resamples behind the intervals; 0: no intervals (default: %(default)s)",
    )
    add_number(parser, "--seed", 0, "seed of the resamples")
    add("--details", action="store_true", help="also report numbers for each keypoint, posture and image")
    add(
        "--out",
        "--output",
        type=Path,
        metavar="JSON",
        help="write the numbers to this file, usually metrics.json (default: print only)",
    )


def run(args: argparse.Namespace) -> int:
    """Score, print, write."""
    from fidip.environment import setup_logging
    from fidip.evaluation import (
        CocoEvaluator,
        ModelRow,
        joint_table,
        posture_table,
        results_table,
        write_metrics,
    )
    from fidip.skeleton import find_skeleton
    from fidip.statistics import add_intervals

    setup_logging()
    evaluator = CocoEvaluator(args.annotations, area=args.area, skeleton=find_skeleton(args.skeleton))
    evaluator.require_labelled()
    evaluator.load_results(args.results)
    metrics = evaluator.metrics(boxes=args.boxes)
    if args.details:
        metrics["details"] = evaluator.details()
    add_intervals(metrics, evaluator, args.resamples, args.seed)
    parts = [results_table([ModelRow(method=args.results.stem, metrics=metrics)])]
    if args.details:
        parts.append(joint_table(metrics["details"]))
        parts += [posture_table(metrics["details"])] if metrics["details"]["posture"] else []
    sys.stdout.write("\n\n".join(parts) + "\n")
    if args.out is not None:
        write_metrics(args.out, metrics)
    return 0
