"""The runs behind a table: each one row and one seed, in a process of its own, with a record when it is done."""

import logging
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from fidip.config import check_for_testing, check_for_training, load_settings, result_keys
from fidip.environment import choose_device
from fidip.errors import FidipError
from fidip.files import fingerprint, read_json, write_json
from fidip.loading import build_training_records, read_content, split_to_test
from fidip.stopping import leaving_at_sigterm
from fidip.tables.spec import METRICS
from fidip.testing import run_test
from fidip.training import run_training

logger = logging.getLogger("fidip")


@dataclass(frozen=True)
class Job:
    """A run. config: YAML file. overrides: KEY VALUE texts for it. record: JSON file that is written when it is done.

    threads: of arithmetic on a CPU, 0 as the system has it.
    """

    row: str
    seed: int
    config: Path
    overrides: tuple[str, ...]
    record: Path
    threads: int = 0

    def load(self) -> Any:
        """The config with the job's seed."""
        return load_settings(self.config, [*self.overrides, "SEED", str(self.seed)])

    def tests_only(self) -> bool:
        """Whether nothing is trained, so that the seed changes nothing."""
        return bool(self.load().TEST.MODEL_FILE)

    def key(self) -> str:
        """Fingerprint of all in the config that changes the result."""
        settings = self.load()
        return fingerprint([result_keys(settings), result_keys(settings, testing=True)])

    def done(self) -> dict[str, Any] | None:
        """The record of this run, if it is done under the same config."""
        if not self.record.is_file():
            return None
        record = read_json(self.record, "record of a run")
        return record if record.get("key") == self.key() else None


def missing(job: Job) -> str:
    """What a run lacks, in words that say where it comes from; empty when it can start."""
    settings = job.load()
    try:
        if job.tests_only():
            check_for_testing(settings)
        else:
            check_for_training(settings)
            build_training_records(settings)
        read_content(settings, split_to_test(settings))
    except FidipError as error:
        return str(error)
    return ""


def run_job(job: Job) -> dict[str, Any]:
    """Train and test, or test alone, as the config says, going on where it stopped; write the record and return it.

    Its seconds are those of the training, or of the test where nothing is trained.
    """
    if job.threads:
        torch.set_num_threads(job.threads)
    settings, start = job.load(), time.perf_counter()
    if job.tests_only():
        tests = {"last": run_test(settings, job.config)}
        seconds = time.perf_counter() - start
    else:
        trained = run_training(settings, job.config)
        tests, seconds = trained.tests, trained.seconds
    outcome = tests["last"]
    found = split_to_test(settings)
    record = {
        "row": job.row,
        "seed": job.seed,
        "key": job.key(),
        "metrics": {name: outcome.metrics[name] for name in METRICS},
        "best": {name: tests["best"].metrics[name] for name in METRICS} if "best" in tests else None,
        "params": outcome.metrics["params"],
        "gflops": outcome.metrics["gflops_published"],
        "results": str(outcome.folder / f"keypoints_{found.name}_results_0.json"),
        "annotations": str(found.annotation_file),
        "area": settings.TEST.AREA,
        "skeleton": settings.DATASET.SKELETON,
        "device": str(choose_device(settings.DEVICE)),
        "threads": torch.get_num_threads(),
        "seconds": round(seconds, 1),
    }
    write_json(job.record, record)
    return record


def run_here(jobs: Sequence[Job], workers: int) -> Iterator[tuple[Job, str]]:
    """Run jobs on this machine, ``workers`` at a time; yields each as it ends with its error, "" when there is none.

    What a job says goes into a .log file beside its record. Leaving early, by SIGTERM too, stops the jobs with SIGTERM,
    and they save.
    """
    processes: list[subprocess.Popen[bytes]] = []
    with leaving_at_sigterm("what the runs have saved is kept"), ThreadPoolExecutor(workers) as pool:
        try:
            futures = {pool.submit(_run_apart, job, processes): job for job in jobs}
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                if process.poll() is None:
                    process.terminate()
            raise


def _run_apart(job: Job, processes: list[subprocess.Popen[bytes]]) -> str:
    """Run a job in a new interpreter: nothing of one run reaches the next. Returns the last line of a failure."""
    job.record.parent.mkdir(parents=True, exist_ok=True)
    order = job.record.with_suffix(".order.json")
    write_json(order, {**asdict(job), "config": str(job.config), "record": str(job.record)})
    log = job.record.with_suffix(".log")
    with log.open("ab") as file:
        command = [sys.executable, "-m", "fidip.tables", str(order)]
        process = subprocess.Popen(command, stdout=file, stderr=file)  # noqa: S603 - our own module
        processes.append(process)
        status = process.wait()
    if status == 0:
        order.unlink()
        return ""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return f"exit status {status}: {lines[-1] if lines else 'nothing was said'} ({log})"


def job_from(path: Path) -> Job:
    """A job as it was written for a new interpreter."""
    order = read_json(path, "order of a run")
    paths = {name: Path(order[name]) for name in ("config", "record")}
    return Job(**{**order, **paths, "overrides": tuple(order["overrides"])})
