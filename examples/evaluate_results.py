"""Score a COCO keypoint results file against annotations, with confidence intervals, from Python.

Shows: AP and AR with 95 % intervals, and the keypoints and images with the largest errors. Results of any toolbox will do.

Example: python examples/evaluate_results.py annotations.json results.json --area bbox
"""

import argparse
from pathlib import Path

from fidip.evaluation import CocoEvaluator
from fidip.statistics import add_intervals


def main() -> None:
    """Score and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("annotations", type=Path, help="COCO keypoint JSON")
    parser.add_argument("results", type=Path, help="COCO results JSON")
    areas = ("annotation", "bbox", "keypoints")
    parser.add_argument("--area", default="annotation", choices=areas, help="area in the OKS")
    parser.add_argument("--resamples", type=int, default=1000, help="resamples behind the intervals")
    args = parser.parse_args()

    evaluator = CocoEvaluator(args.annotations, area=args.area)
    evaluator.load_results(args.results)
    metrics = evaluator.metrics()
    metrics["details"] = evaluator.details()
    add_intervals(metrics, evaluator, args.resamples, seed=0)
    print(f"{evaluator.n_images} images, intervals over {metrics['bootstrap']['unit']}s")
    for name in ("AP", "AP50", "AP75", "AR"):
        low, high = metrics["ci95"][name] or (float("nan"), float("nan"))
        print(f"{name:5s} {100 * metrics[name]:5.1f}  [{100 * low:.1f}, {100 * high:.1f}]")


if __name__ == "__main__":
    main()
