"""Run the rows of a table of experiments/protocols/ and print what was published beside what came out.

A run that is done is not run again, one that was stopped goes on; rows whose data or weights are missing are listed
with what to fetch. Everything is kept below --out: a record and a log for each run, the table as Markdown and JSON.
"""

import argparse
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from fidip.cli import exit_on_error
from fidip.commands.config_scripts import free_overrides
from fidip.errors import ConfigError
from fidip.progress import progress
from fidip.runtime import setup_logging
from fidip.tables import Job, Table, find_table, missing, read_table, run_here, summarise, write_summary
from fidip.tables.cluster import run_on_slurm

logger = logging.getLogger("fidip")

PROTOCOLS = Path(__file__).parents[1] / "experiments" / "protocols"
PUBLISHED = ("train_sets", "ablation", "generality")  # what "all" stands for


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--table", required=True, help="train_sets, generality, ablation, all of these, or cpu")
    made.add_argument(
        "--seeds", type=int, default=1, metavar="N", help="runs of each trained row (%(default)s)"
    )
    made.add_argument(
        "--only", nargs="+", default=[], metavar="ROW", help="rows to run; the others are shown as they are"
    )
    made.add_argument("--out", type=Path, default=Path("output/tables"), help="where to write (%(default)s)")
    made.add_argument("--workers", type=int, default=1, help="runs at a time on this machine (%(default)s)")
    made.add_argument(
        "--threads", type=int, default=0, help="threads of each run on a CPU; 0: as the system has it"
    )
    made.add_argument(
        "--slurm", default="", metavar="PARTITION", help="submit the runs to SLURM instead (submitit)"
    )
    made.add_argument("--hours", type=float, default=24, help="time limit of a run on SLURM (%(default)s)")
    made.add_argument(
        "--show", action="store_true", help="run nothing, print the table from the runs that are done"
    )
    made.add_argument("--resamples", type=int, default=1000, help="behind intervals and p (%(default)s)")
    made.add_argument(
        "opts", nargs="*", metavar="KEY VALUE", help="overrides for all runs, e.g. DATASET.ROOT data/syrip"
    )
    return made


def jobs_of(table: Table, args: argparse.Namespace) -> list[Job]:
    """All runs of a table: one of each row that only tests, one a seed of the others."""
    jobs = []
    for row in table.rows:
        for seed in range(args.seeds):
            record = args.out / table.name / f"{row.name}_seed{seed}.json"
            job = Job(row.name, seed, row.config, tuple(args.opts), record, args.threads)
            if seed == 0 or not job.tests_only():
                jobs.append(job)
    return jobs


def run(table: Table, args: argparse.Namespace) -> dict[str, str]:
    """Run what is to be run; returns what could not be, by row."""
    for name in args.only:
        table.row(name)
    wanted = [job for job in jobs_of(table, args) if not args.only or job.row in args.only]
    open_jobs = [job for job in wanted if job.done() is None]
    waiting = {job.row: text for job in open_jobs if job.seed == 0 and (text := missing(job))}
    ready = [job for job in open_jobs if job.row not in waiting]
    if args.show:
        return {**waiting, **{job.row: "not run yet" for job in ready}}
    logger.info("%s: %d runs done, %d to do, %d rows cannot run", table.name, len(wanted) - len(open_jobs), len(ready),
                len(waiting))  # fmt: skip
    for job, error in progress(_results(ready, args), len(ready), table.name, "run"):
        if error:
            waiting[job.row] = error
    return waiting


def _results(jobs: list[Job], args: argparse.Namespace) -> Iterator[tuple[Job, str]]:
    found: Iterable[tuple[Job, str]]
    if args.slurm:
        found = run_on_slurm(jobs, args.slurm, args.hours, args.out / "slurm")
    else:
        found = run_here(jobs, args.workers)
    yield from found


def main(argv: list[str] | None = None) -> int:
    """Parse, run, print."""
    args = free_overrides(parser().parse_args(argv), "only")
    setup_logging()
    if min(args.seeds, args.workers) < 1:
        raise ConfigError("--seeds and --workers must be 1 or more")
    names = PUBLISHED if args.table == "all" else (args.table,)
    incomplete = False
    for name in names:
        table = read_table(find_table(name, PROTOCOLS))
        waiting = run(table, args)
        records = [record for job in jobs_of(table, args) if (record := job.done()) is not None]
        text, path = write_summary(args.out, table, summarise(table, records, args.resamples), waiting)
        print(f"\n{text}\n\ntable: {path}")
        incomplete = incomplete or bool(waiting)
    return 1 if incomplete else 0


if __name__ == "__main__":
    exit_on_error(main)
