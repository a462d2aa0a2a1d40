"""Runs as one HTML page that needs nothing but itself."""

from fidip.report.calibration import Reliability, reliability
from fidip.report.page import ReportOptions, write_report
from fidip.report.runs import Run, read_runs

__all__ = ["Reliability", "ReportOptions", "Run", "read_runs", "reliability", "write_report"]
