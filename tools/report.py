"""Runs as one HTML page without network: results with intervals, curves, joints, pictures, calibration, configs.

    python tools/report.py output/RUN_A fidip=output/RUN_B --output report.html

The first run is what the others are compared with. Annotations and pictures are those that the runs' configs name.
"""

import argparse
from pathlib import Path

from fidip.cli import exit_on_error
from fidip.errors import ConfigError
from fidip.report import ReportOptions, read_runs, write_report
from fidip.runtime import setup_logging


def main(argv: list[str] | None = None) -> int:
    """Parse, write, print where."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("runs", nargs="+", metavar="[NAME=]RUN", help="run folders; the names appear on the page")
    add("--output", type=Path, default=Path("report.html"), metavar="HTML", help="the page (%(default)s)")
    add("--pictures", type=int, default=6, metavar="N", help="in each list, 0: none, a page that may be passed on (%(default)s)")  # fmt: skip
    add(
        "--resamples", type=int, default=1000, metavar="N", help="behind the paired differences (%(default)s)"
    )
    add("--root", type=Path, metavar="FOLDER", help="data set, where it lies elsewhere than the configs say (DATASET.ROOT)")  # fmt: skip
    add("--title", default="", help="of the page")
    args = parser.parse_args(argv)
    if args.pictures < 0 or args.resamples < 2:
        raise ConfigError(
            f"--pictures {args.pictures} and --resamples {args.resamples}: 0 and 2 are the least"
        )
    setup_logging()
    overrides = ["DATASET.ROOT", str(args.root)] if args.root else []
    options = ReportOptions(args.pictures, args.resamples, overrides, args.title)
    write_report(args.output, read_runs(args.runs), options)
    print(f"{args.output} ({args.output.stat().st_size / 1e6:.1f} MB)")
    return 0


if __name__ == "__main__":
    exit_on_error(main)
