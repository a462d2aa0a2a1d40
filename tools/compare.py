"""Compare results on the same pictures: numbers with 95 % intervals, differences with paired p values."""

import argparse
from pathlib import Path
from typing import Any

from fidip.cli import exit_on_error
from fidip.errors import ConfigError
from fidip.evaluation import CocoEvaluator
from fidip.evaluation.groundtruth import AREA_MODES, AreaMode
from fidip.runtime import setup_logging, write_json
from fidip.skeleton import COCO17, find_skeleton
from fidip.statistics.coco import NAMES
from fidip.statistics.comparison import Runs, compare_methods, find_runs
from fidip.statistics.table import SHOWN, comparison_text


def main(argv: list[str] | None = None) -> int:
    """Parse, compare, print; write JSON where --output says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--annotations", type=Path, required=True, help="ground truth, a COCO keypoint JSON")
    parser.add_argument(
        "methods",
        nargs="+",
        metavar="[NAME=]PATH[,PATH...]",
        help="results JSON or run folder; with commas: runs that differ in their seed; "
        "the first method is what the others are compared with",
    )
    parser.add_argument(
        "--area",
        choices=AREA_MODES,
        help="object area in the OKS; default: what the run folders say, else annotation",
    )
    parser.add_argument(
        "--skeleton", default=COCO17.name, metavar="NAME|YAML", help="joint set (%(default)s)"
    )
    parser.add_argument("--unit", choices=("auto", "picture", "source"), default="auto", help="what is drawn")
    parser.add_argument(
        "--resamples", type=int, default=10000, help="of the bootstrap, and swaps of the test"
    )
    parser.add_argument("--seed", type=int, default=0, help="of resamples and swaps")
    parser.add_argument("--metrics", default=",".join(SHOWN), help=f"what is printed, of {', '.join(NAMES)}")
    parser.add_argument("--output", type=Path, help="write all numbers there, JSON")
    args = parser.parse_args(argv)
    setup_logging()

    methods = [find_runs(text) for text in args.methods]
    shown = args.metrics.split(",")
    if unknown := set(shown) - set(NAMES):
        raise ConfigError(
            f"--metrics {', '.join(sorted(unknown))} is unknown; choose from {', '.join(NAMES)}"
        )
    area: AreaMode = args.area or _area(methods)  # an area that is none is refused by the evaluator
    evaluator = CocoEvaluator(args.annotations, area=area, skeleton=find_skeleton(args.skeleton))
    comparison = compare_methods(evaluator, methods, args.resamples, args.seed, args.unit)
    print(comparison_text(comparison, shown))
    if args.output is not None:
        write_json(args.output, {"annotations": str(args.annotations), **comparison})
    return 0


def _area(methods: list[Runs]) -> Any:
    """The area that all run folders were scored with; annotation where none says."""
    areas = {runs.area for runs in methods if runs.area is not None}
    if len(areas) > 1:
        raise ConfigError(
            f"the runs were scored with the areas {', '.join(sorted(areas))}; choose with --area"
        )
    return areas.pop() if areas else "annotation"


if __name__ == "__main__":
    exit_on_error(main)
