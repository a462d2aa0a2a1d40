"""A table as text and JSON: what was published, and what our runs gave, with deviation, interval and paired p."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fidip.evaluation import CocoEvaluator
from fidip.evaluation.table import NOTHING, markdown, percent, published_params
from fidip.files import write_json, write_text
from fidip.skeleton import COCO17, find_skeleton
from fidip.statistics.coco import NAMES, ScoredSystem, scored_system, sources_of
from fidip.statistics.intervals import over_seeds
from fidip.statistics.paired import Comparison, compare, measure
from fidip.statistics.resampling import groups_of
from fidip.statistics.table import probability
from fidip.tables.spec import METRICS, Row, Table

logger = logging.getLogger("fidip")

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Result:
    """What the runs of a row gave. mean: by metric, 0..1 or None. deviation: of AP over seeds, None for one run.

    interval: of the mean AP over pictures, clips as wholes. p: paired, of no difference in AP to the row it is
    compared with; difference: to it. seconds: mean of a run.
    """

    row: Row
    records: tuple[Record, ...]
    mean: Mapping[str, float | None]
    deviation: float | None
    interval: tuple[float, float] | None
    difference: float | None = None
    difference_interval: tuple[float, float] | None = None
    p: float | None = None

    @property
    def seconds(self) -> float:
        """Mean wall time of a run, s."""
        return float(np.mean([record["seconds"] for record in self.records]))


def summarise(
    table: Table, records: Sequence[Record], resamples: int = 1000, seed: int = 0
) -> dict[str, Result]:
    """Results by row name, of those rows that have runs; all numbers are computed from the runs' own results files."""
    by_row = {row.name: tuple(r for r in records if r["row"] == row.name) for row in table.rows}
    scored = {name: [_score(record) for record in found] for name, found in by_row.items() if found}
    results = {}
    for row in table.rows:
        if row.name not in scored:
            continue
        systems, groups = [s for s, _ in scored[row.name]], scored[row.name][0][1]
        value, limits = measure(systems, groups, resamples, seed)
        against: Comparison | None = None
        if row.against in scored:
            against = compare(systems, [s for s, _ in scored[row.against]], groups, resamples, seed)
        results[row.name] = _result(row, by_row[row.name], value, limits, against)
    return results


def _score(record: Record) -> tuple[ScoredSystem, Any]:
    """One run's results, matched once, and the clips of its pictures."""
    skeleton = find_skeleton(record.get("skeleton", COCO17.name))
    evaluator = CocoEvaluator(Path(record["annotations"]), area=record["area"], skeleton=skeleton)
    evaluator.load_results(Path(record["results"]))
    return scored_system(evaluator), groups_of(sources_of(evaluator))


def _result(
    row: Row, records: tuple[Record, ...], value: Any, limits: Any, against: Comparison | None
) -> Result:
    at = {name: NAMES.index(name) for name in METRICS}
    ap = [record["metrics"]["AP"] for record in records]
    spread = over_seeds(ap).deviation if len(ap) > 1 else None
    own = Result(
        row, records, {name: _number(value[i]) for name, i in at.items()}, spread, _pair(limits[at["AP"]])
    )
    if against is None:
        return own
    p = against.p_bootstrap if against.p_permutation is None else against.p_permutation
    i = at["AP"]
    compared = {
        "difference": _number(against.difference[i]),
        "difference_interval": _pair(against.interval[i]),
    }
    return Result(**{**own.__dict__, **compared, "p": _number(p[i])})


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _pair(values: Any) -> tuple[float, float] | None:
    return None if np.isnan(values).any() else (float(values[0]), float(values[1]))


def as_text(table: Table, results: Mapping[str, Result], waiting: Mapping[str, str]) -> str:
    """Markdown: two lines a row, published and ours; then what is missing, by row."""
    labels = list(dict.fromkeys(key for row in table.rows for key in row.labels))
    header = [*labels, "", *METRICS, "seeds", "against", "p", "params", "GFLOPs", "minutes", "device"]
    lines = []
    for row in table.rows:
        names = [row.labels.get(key, "") for key in labels]
        if row.paper:
            figures = [str(row.paper.get(metric, NOTHING)) for metric in METRICS]
            sizes = [str(row.paper.get(key, NOTHING)) for key in ("params", "GFLOPs")]
            lines.append([*names, "paper", *figures, "1", "", "", *sizes, "", ""])
            names = [""] * len(labels)
        if row.name in results:
            lines.append([*names, "ours", *_cells(results[row.name])])
        elif not row.paper:
            lines.append([*names, "ours", *[NOTHING] * 13])
    parts = [f"## {table.title}", markdown(header, lines), table.note.strip()]
    parts += (
        ["Not run:\n\n" + "\n".join(f"- {name}: {why}" for name, why in waiting.items())] if waiting else []
    )
    return "\n\n".join(part for part in parts if part)


def _cells(result: Result) -> list[str]:
    record = result.records[0]
    ap = percent(result.mean["AP"])
    ap += f" ± {percent(result.deviation)}" if result.deviation is not None else ""
    ap += f" [{percent(result.interval[0])}, {percent(result.interval[1])}]" if result.interval else ""
    against = ""
    if result.difference is not None:
        against = f"{100 * result.difference:+.1f}"
        if result.difference_interval:
            against += " [{:+.1f}, {:+.1f}]".format(*(100 * limit for limit in result.difference_interval))
        against += f" to {result.row.against}"
    return [
        ap,
        *(percent(result.mean[name]) for name in METRICS[1:]),
        str(len(result.records)),
        against,
        "" if result.p is None else probability(result.p),
        published_params(record["params"]),
        f"{record['gflops']:.2f}",
        f"{result.seconds / 60:.1f}",
        record["device"],
    ]


def write_summary(
    folder: Path, table: Table, results: Mapping[str, Result], waiting: Mapping[str, str]
) -> tuple[str, Path]:
    """Write <table>.md and <table>.json; returns the text and the path of the former."""
    text, path = as_text(table, results, waiting), folder / f"{table.name}.md"
    rows = {
        name: {
            **{k: v for k, v in r.__dict__.items() if k not in ("row", "records")},
            "seconds": r.seconds,
            "seeds": [record["seed"] for record in r.records],
            "runs": [record["metrics"] for record in r.records],
            "paper": dict(r.row.paper),
        }
        for name, r in results.items()
    }
    write_text(path, text + "\n")
    write_json(path.with_suffix(".json"), {"title": table.title, "rows": rows, "missing": dict(waiting)})
    return text, path
