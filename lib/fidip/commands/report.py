"""Write an HTML report on one or several runs.

One page that needs no network: results with intervals, curves, keypoints, images, calibration, configs. The first run
is what the others are compared with. Annotations and images are those that the runs' configs name; KEY VALUE overrides
keys of these configs.

Examples:
  fidip report output/RUN
  fidip report start=output/START fidip=output/FIDIP --out report.html DATASET.ROOT data/syrip
"""

import argparse
import sys
from pathlib import Path

from fidip.commands.options import add_number, free_overrides
from fidip.errors import ConfigError


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add("runs", nargs="+", metavar="[NAME=]RUN", help="run folders; the names appear on the page")
    add(
        "--out",
        "--output",
        type=Path,
        default=Path("report.html"),
        metavar="HTML",
        help="write the page to this file (default: %(default)s)",
    )
    add(
        "--examples",
        "--pictures",
        type=int,
        default=6,
        metavar="N",
        help="number of images in each list; 0: none, for a page that may be passed on (default: %(default)s)",
    )
    add_number(parser, "--resamples", 1000, "number of resamples behind the paired differences")
    add(
        "--root",
        type=Path,
        metavar="DIR",
        help="read the data set from this folder (default: DATASET.ROOT of the configs)",
    )
    add(
        "--title",
        default="",
        metavar="TEXT",
        help="title of the page (default: the run, or the number of runs)",
    )


def run(args: argparse.Namespace) -> int:
    """Write the page, print where it is."""
    from fidip.environment import setup_logging
    from fidip.report import ReportOptions, read_runs, write_report

    for name, value, least in (("--examples", args.examples, 0), ("--resamples", args.resamples, 2)):
        if value < least:
            raise ConfigError(f"{name} must be at least {least}, got {value}")
    setup_logging()
    free_overrides(args, "runs")
    overrides = [*(["DATASET.ROOT", str(args.root)] if args.root else []), *args.opts]
    options = ReportOptions(args.examples, args.resamples, overrides, args.title)
    write_report(args.out, read_runs(args.runs), options)
    sys.stdout.write(f"{args.out} ({args.out.stat().st_size / 1e6:.1f} MB)\n")
    return 0
