"""Score a COCO keypoint results file against an annotation file."""

import argparse
from pathlib import Path

from fidip.cli import exit_on_error
from fidip.evaluation import CocoEvaluator, ModelRow, joint_table, posture_table, results_table, write_metrics
from fidip.evaluation.groundtruth import AREA_MODES
from fidip.runtime import setup_logging
from fidip.skeleton import COCO17, find_skeleton
from fidip.statistics import add_intervals


def main(argv: list[str] | None = None) -> int:
    """Parse, score, print; write metrics.json where --output says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--annotations", type=Path, required=True, help="ground truth, a COCO keypoint JSON")
    parser.add_argument(
        "--results", type=Path, required=True, help="predictions, a COCO keypoint results JSON"
    )
    parser.add_argument(
        "--area",
        choices=AREA_MODES,
        default="annotation",
        help="object area in the OKS: the area field, the box's width x height, or the joints' box",
    )
    parser.add_argument(
        "--skeleton", default=COCO17.name, metavar="NAME|YAML", help="joint set (%(default)s)"
    )
    parser.add_argument("--output", type=Path, help="write the numbers there, usually metrics.json")
    parser.add_argument("--boxes", default="unknown", help='boxes that were used: "gt" or the detection file')
    parser.add_argument(
        "--bootstrap", type=int, default=1000, help="resamples behind the 95 %% intervals; 0: no intervals"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the resamples")
    parser.add_argument("--details", action="store_true", help="also numbers per joint, posture and picture")
    args = parser.parse_args(argv)
    setup_logging()

    evaluator = CocoEvaluator(args.annotations, area=args.area, skeleton=find_skeleton(args.skeleton))
    evaluator.load_results(args.results)
    metrics = evaluator.metrics(boxes=args.boxes)
    if args.details:
        metrics["details"] = evaluator.details()
    add_intervals(metrics, evaluator, args.bootstrap, args.seed)
    print(results_table([ModelRow(method=args.results.stem, metrics=metrics)]))
    if args.details:
        print(f"\n{joint_table(metrics['details'])}")
        if metrics["details"]["posture"]:
            print(f"\n{posture_table(metrics['details'])}")
    if args.output is not None:
        write_metrics(args.output, metrics)
    return 0


if __name__ == "__main__":
    exit_on_error(main)
