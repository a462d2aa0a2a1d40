"""Runs on a SLURM cluster, through submitit."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from fidip.errors import ConfigError
from fidip.tables.jobs import Job, run_job


def run_on_slurm(
    jobs: Sequence[Job], partition: str, hours: float, folder: Path, cluster: str = "slurm"
) -> Iterator[tuple[Job, str]]:
    """Submit jobs and wait; yields each as it ends with its error, "" when there is none.

    folder: shared by all machines, for submitit's own files. cluster: submitit's name of the engine; "local" runs
    them here. Raises ConfigError where submitit is not installed.
    """
    try:
        import submitit
    except ImportError as gone:
        raise ConfigError("--slurm needs submitit: pip install submitit") from gone
    executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
    executor.update_parameters(timeout_min=round(60 * hours), name="fidip")
    if cluster == "slurm":
        executor.update_parameters(slurm_partition=partition, gpus_per_node=1)
    with executor.batch():
        submitted = {executor.submit(run_job, job): job for job in jobs}
    for running in submitit.helpers.as_completed(list(submitted)):
        error = running.exception()
        yield (
            submitted[running],
            "" if error is None else f"{str(error).strip().splitlines()[-1]} ({running.paths.stderr})",
        )
