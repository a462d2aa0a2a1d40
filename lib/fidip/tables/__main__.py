"""Run one job of a table: python -m fidip.tables ORDER.json, as fidip.tables.jobs starts it."""

import sys
from pathlib import Path

from fidip.cli import exit_on_error
from fidip.tables.jobs import job_from, run_job


def main() -> int:
    """Run the job of the file that the command line names."""
    run_job(job_from(Path(sys.argv[1])))
    return 0


if __name__ == "__main__":
    exit_on_error(main)
