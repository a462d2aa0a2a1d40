"""Compare the results of several methods on the same images.

Prints each method's numbers with 95 % intervals, and its difference to the first method with p values of a paired
bootstrap and of a permutation test.

Examples:
  fidip compare --annotations GT.json finetune=RUN_A fidip=RUN_B --out comparison.json
  fidip compare --annotations GT.json finetune=RUN_A1,RUN_A2,RUN_A3 fidip=RUN_B1,RUN_B2,RUN_B3
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fidip.commands.options import add_annotations, add_number, add_skeleton
from fidip.config import KEYS
from fidip.errors import ConfigError

if TYPE_CHECKING:
    from fidip.statistics.comparison import Runs

SHOWN = "AP,AP50,AP75,AR,PCK@0.1"
UNITS = {
    "auto": "auto",
    "image": "picture",
    "source": "source",
    "picture": "picture",
}  # the last for old commands


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add_annotations(parser)
    add(
        "methods",
        nargs="+",
        metavar="[NAME=]PATH[,PATH...]",
        help="results JSON or run folder; with commas: runs that differ in their seed; the first method is what "
        "the others are compared with",
    )
    add(
        "--area",
        choices=KEYS["TEST.AREA"].rule.choices,
        help="take the area of the OKS from there (default: as the run folders say, else annotation)",
    )
    add_skeleton(parser)
    add(
        "--unit",
        choices=UNITS,
        default="auto",
        metavar="{auto,image,source}",
        help="resample these units; auto: sources where they are known (default: %(default)s)",
    )
    add_number(parser, "--resamples", 10000, "number of resamples of the bootstrap, and of swaps of the test")
    add_number(parser, "--seed", 0, "seed of resamples and swaps")
    add("--metrics", default=SHOWN, metavar="A,B", help="print these metrics (default: %(default)s)")
    add(
        "--out",
        "--output",
        type=Path,
        metavar="JSON",
        help="write all numbers to this file (default: print only)",
    )


def run(args: argparse.Namespace) -> int:
    """Compare, print, write."""
    from fidip.environment import setup_logging
    from fidip.evaluation import CocoEvaluator
    from fidip.files import write_json
    from fidip.skeleton import find_skeleton
    from fidip.statistics.coco import NAMES
    from fidip.statistics.comparison import compare_methods, find_runs
    from fidip.statistics.table import comparison_text

    setup_logging()
    methods = [find_runs(text) for text in args.methods]
    shown = args.metrics.split(",")
    if unknown := set(shown) - set(NAMES):
        raise ConfigError(
            f"--metrics {', '.join(sorted(unknown))} is unknown; choose from {', '.join(NAMES)}"
        )
    area = args.area or _area(methods)  # an area that is none is refused by the evaluator
    evaluator = CocoEvaluator(args.annotations, area=area, skeleton=find_skeleton(args.skeleton))
    evaluator.require_labelled()
    comparison = compare_methods(evaluator, methods, args.resamples, args.seed, UNITS[args.unit])
    sys.stdout.write(comparison_text(comparison, shown) + "\n")
    if args.out is not None:
        write_json(args.out, {"annotations": str(args.annotations), **comparison})
    return 0


def _area(methods: "list[Runs]") -> Any:
    """Return the area that all runs were scored with; annotation where none says."""
    areas = {runs.area for runs in methods if runs.area is not None}
    if len(areas) > 1:
        raise ConfigError(
            f"the runs were scored with the areas {', '.join(sorted(areas))}; choose with --area"
        )
    return areas.pop() if areas else "annotation"
