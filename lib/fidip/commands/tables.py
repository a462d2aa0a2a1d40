"""Run the rows of a published table beside the published values.

The tables are train_sets, ablation and generality of the paper (all: these three), and cpu, a protocol for a machine
without a GPU. A run that is done is not run again, and a stopped one resumes. Rows whose data or weights are missing
are listed with what to fetch.

A record and a log of each run, and the tables as Markdown and JSON, go to --out. The exit status is 1 while rows are
missing.

Examples:
  fidip tables --table generality --seeds 3 DATASET.ROOT data/syrip
  fidip tables --table cpu --seeds 3 --workers 2 --threads 1 WORKERS 0
"""

import argparse
import sys
from pathlib import Path

from fidip.commands.options import add_number, add_setting, free_overrides, settings_of
from fidip.errors import ConfigError

PUBLISHED = ("train_sets", "ablation", "generality")  # what "all" stands for


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add(
        "--table",
        required=True,
        metavar="NAME",
        help="run this table: train_sets, ablation, generality, all, or cpu",
    )
    add_number(parser, "--seeds", 1, "number of runs of each trained row")
    add(
        "--only",
        nargs="+",
        default=[],
        metavar="ROW",
        help="run these rows only, and show the others as they are (default: all)",
    )
    add(
        "--out",
        type=Path,
        default=Path("output/tables"),
        metavar="DIR",
        help="write records and tables to this folder (default: %(default)s)",
    )
    add_setting(
        parser, "DEVICE", "--device", metavar="NAME", text="use this device: auto, cpu, cuda, cuda:1 or mps"
    )
    add_number(parser, "--workers", 1, "number of runs at a time on this machine")
    add_number(parser, "--threads", 0, "number of threads of each run on a CPU; 0: as the system has it")
    add(
        "--slurm",
        default="",
        metavar="PARTITION",
        help="submit the runs to SLURM instead, which needs submitit (default: run on this machine)",
    )
    add_number(parser, "--hours", 24.0, "time limit of a run on SLURM, in hours", metavar="H")
    add("--show", action="store_true", help="run nothing, print the table of the runs that are done")
    add_number(parser, "--resamples", 1000, "number of resamples behind intervals and p values")
    add(
        "opts",
        nargs="*",
        metavar="KEY VALUE",
        help="override keys of all configs, e.g. DATASET.ROOT data/syrip",
    )


def run(args: argparse.Namespace) -> int:
    """Run, print."""
    from fidip.environment import setup_logging
    from fidip.tables import RunPlan, find_table, read_table, summarise, write_summary

    free_overrides(args, "only")
    setup_logging()
    if min(args.seeds, args.workers) < 1:
        raise ConfigError("--seeds and --workers must be 1 or more")
    plan = RunPlan(
        args.out,
        args.seeds,
        tuple(args.only),
        (*settings_of(args), *args.opts),
        args.workers,
        args.threads,
        args.slurm,
        args.hours,
        args.show,
    )
    incomplete = False
    for name in PUBLISHED if args.table == "all" else (args.table,):
        table = read_table(find_table(name))
        waiting = plan.run(table)
        records = [record for job in plan.jobs(table) if (record := job.done()) is not None]
        text, path = write_summary(args.out, table, summarise(table, records, args.resamples), waiting)
        sys.stdout.write(f"\n{text}\n\ntable: {path}\n")
        incomplete = incomplete or bool(waiting)
    return 1 if incomplete else 0
