"""Tables of results: which rows there are, the runs behind them, and what came out beside what was published."""

from fidip.tables.jobs import Job, missing, run_here
from fidip.tables.plan import RunPlan
from fidip.tables.spec import METRICS, Row, Table, find_table, read_table
from fidip.tables.summary import Result, summarise, write_summary

__all__ = [
    "METRICS",
    "Job",
    "Result",
    "Row",
    "RunPlan",
    "Table",
    "find_table",
    "missing",
    "read_table",
    "run_here",
    "summarise",
    "write_summary",
]
