"""Which runs a table needs, and their running: those that are done are kept, those that cannot start are listed."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fidip.progress import progress
from fidip.tables.cluster import run_on_slurm
from fidip.tables.jobs import Job, missing, run_here
from fidip.tables.spec import Table

logger = logging.getLogger("fidip")


@dataclass(frozen=True)
class RunPlan:
    """How the rows of a table are run.

    Attributes:
        out: folder of records, logs and tables.
        seeds: runs of each trained row.
        only: names of the rows to run; empty: all.
        overrides: KEY VALUE texts for all runs.
        workers: runs at a time on this machine.
        threads: threads of each run on a CPU; 0: as the system has it.
        partition: of SLURM; empty: run on this machine.
        hours: time limit of a run on SLURM.
        show: run nothing.
    """

    out: Path
    seeds: int = 1
    only: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    workers: int = 1
    threads: int = 0
    partition: str = ""
    hours: float = 24.0
    show: bool = False

    def jobs(self, table: Table) -> list[Job]:
        """List all runs of a table: one of each row that only tests, one a seed of the others."""
        jobs = []
        for row in table.rows:
            for seed in range(self.seeds):
                record = self.out / table.name / f"{row.name}_seed{seed}.json"
                job = Job(row.name, seed, row.config, self.overrides, record, self.threads)
                if seed == 0 or not job.tests_only():
                    jobs.append(job)
        return jobs

    def run(self, table: Table) -> dict[str, str]:
        """Run what is to be run; returns what could not be, by row.

        Raises:
            ConfigError: for a row in ``only`` that the table does not have.
        """
        for name in self.only:
            table.row(name)
        wanted = [job for job in self.jobs(table) if not self.only or job.row in self.only]
        open_jobs = [job for job in wanted if job.done() is None]
        waiting = {job.row: text for job in open_jobs if job.seed == 0 and (text := missing(job))}
        ready = [job for job in open_jobs if job.row not in waiting]
        if self.show:
            return {**waiting, **{job.row: "not run yet" for job in ready}}
        text = "%s: %d runs done, %d to do, %d rows cannot run"
        logger.info(text, table.name, len(wanted) - len(open_jobs), len(ready), len(waiting))
        for job, error in progress(self._results(ready), len(ready), table.name, "run"):
            if error:
                waiting[job.row] = error
        return waiting

    def _results(self, jobs: list[Job]) -> Iterator[tuple[Job, str]]:
        if self.partition:
            yield from run_on_slurm(jobs, self.partition, self.hours, self.out / "slurm")
        else:
            yield from run_here(jobs, self.workers)
