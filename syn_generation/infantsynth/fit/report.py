"""The report of a run: one CSV line per person, and a summary."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fidip.runtime import provenance, write_json, write_text
from infantsynth.fit.outcome import COLUMNS, FAILED, OK, POOR, Row
from infantsynth.fit.settings import Settings

CSV_NAME, SUMMARY_NAME = "errors.csv", "summary.json"


@dataclass(frozen=True)
class Clock:
    """What this run fitted (not what it found done), in how many seconds, and seconds of the CPU."""

    fitted: int = 0
    seconds: float = 0.0
    cpu: float = 0.0


def write_report(folder: Path, rows: Sequence[Row], settings: Settings, clock: Clock) -> dict[str, Any]:
    """Write errors.csv and summary.json; returns the summary."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in asdict(row).items()})
    write_text(folder / CSV_NAME, text.getvalue())
    summary = summarise(rows, clock)
    write_json(folder / SUMMARY_NAME, {**summary, "settings": settings, "provenance": provenance()})
    return summary


def summarise(rows: Sequence[Row], clock: Clock) -> dict[str, Any]:
    """Counts, quantiles of the mean error in per cent of the box's diagonal, seconds per person."""
    counts = Counter(row.status for row in rows)
    percent = np.array([row.mean_percent for row in rows if row.status != FAILED])
    quantiles = {"median": 0.5, "p95": 0.95, "max": 1.0}
    return {
        "persons": len(rows),
        **{status: counts[status] for status in (OK, POOR, FAILED)},
        "mean_percent": {
            "mean": float(percent.mean()) if len(percent) else None,
            **{
                name: float(np.quantile(percent, q)) if len(percent) else None
                for name, q in quantiles.items()
            },
        },
        "fitted_now": clock.fitted,
        "seconds_per_person": clock.seconds / clock.fitted if clock.fitted else None,
        "cpu_seconds_per_person": clock.cpu / clock.fitted if clock.fitted else None,
    }


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.6g}"
    return str(value).lower() if isinstance(value, bool) else value
