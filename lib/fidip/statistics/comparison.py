"""Several methods on the same pictures: numbers with intervals, and differences with p values."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fidip.annotations import Record
from fidip.errors import DataError
from fidip.evaluation.coco import CocoEvaluator
from fidip.files import read_json
from fidip.statistics.coco import NAMES, ScoredSystem, Scores, scored_system, sources_of
from fidip.statistics.intervals import LEVEL, Array, holm, over_seeds, seeds_differ
from fidip.statistics.paired import compare, measure
from fidip.statistics.resampling import groups_of

RESULTS = "keypoints_*_results_*.json"  # of a run folder


@dataclass(frozen=True)
class Runs:
    """A method's results: files of runs that differ in their seed alone. area: what their metrics.json name."""

    name: str
    files: tuple[Path, ...]
    area: str | None = None


def find_runs(text: str) -> Runs:
    """Runs from "[NAME=]PATH[,PATH...]"; a path is a results file or a run folder that holds one.

    Without a name it is the file's, or the folder's. Raises DataError for a path that is neither.
    """
    name, equals, paths = text.rpartition("=")
    if equals and Path(text).exists():  # a path with = in it
        name, paths = "", text
    places = [Path(path) for path in paths.split(",") if path]
    if not places:
        raise DataError(f"{text!r} names no results; give [NAME=]PATH[,PATH...]")
    areas = {area for place in places if (area := _area(place)) is not None}
    if len(areas) > 1:
        raise DataError(
            f"{text} was scored with the areas {', '.join(sorted(areas))}; compare runs with one area"
        )
    own = places[0].name if places[0].is_dir() else places[0].stem
    return Runs(name or own, tuple(_results_file(place) for place in places), areas.pop() if areas else None)


def _results_file(place: Path) -> Path:
    if not place.is_dir():
        return place
    found = sorted(place.glob(RESULTS))
    if len(found) != 1:
        what = (
            f"{len(found)} results files: name one of them"
            if found
            else f"no {RESULTS}: test the model first"
        )
        raise DataError(f"run folder {place} has {what}")
    return found[0]


def _area(place: Path) -> str | None:
    """The area that a run folder's numbers were scored with, if it says."""
    file = place / "metrics.json"
    if not file.is_file():
        return None
    area = read_json(file, "metrics file").get("area")
    return None if area is None else str(area)


def compare_methods(
    evaluator: CocoEvaluator, methods: Sequence[Runs], resamples: int, seed: int, unit: str = "auto"
) -> Record:
    """Score methods against an evaluator's annotations, and compare each later one with the first.

    unit: what is drawn: "picture", "source" (pictures of one source together), or "auto": source where some
    source has several pictures. Returns a dict ready for JSON; docs/statistics.md names its entries. Raises
    DataError for faulty results or a name used twice, ConfigError for a single resample.
    """
    scored = {runs.name: [_score(evaluator, file) for file in runs.files] for runs in methods}
    if len(scored) < len(methods):
        raise DataError("two methods have the same name; write NAME=PATH to tell them apart")
    sources = groups_of(sources_of(evaluator))
    shared = len(np.unique(sources)) < len(sources)
    by_source = unit == "source" or (unit == "auto" and shared)
    groups = sources if by_source else np.arange(len(sources))
    first, *others = scored
    comparisons: list[Record] = [
        {
            "first": name,
            "second": first,
            "numbers": _differences(scored[name], scored[first], groups, resamples, seed),
        }
        for name in others
    ]
    _correct([comparison["numbers"] for comparison in comparisons])
    return {
        "area": evaluator.area,
        "n_images": len(groups),
        "resamples": resamples,
        "seed": seed,
        "level": LEVEL,
        "unit": "source" if by_source else "picture",
        "units": len(np.unique(groups)),
        "methods": [
            {
                "name": runs.name,
                "results": [str(file) for file in runs.files],
                "numbers": _numbers(scored[runs.name], groups, resamples, seed),
            }
            for runs in methods
        ],
        "comparisons": comparisons,
    }


def _score(evaluator: CocoEvaluator, file: Path) -> ScoredSystem:
    evaluator.reset()
    evaluator.load_results(file)
    return scored_system(evaluator)


def _numbers(
    runs: Sequence[ScoredSystem], groups: NDArray[np.intp], resamples: int, seed: int
) -> dict[str, Record]:
    """Of each of ``coco.NAMES``: the mean of the runs, its ci95 over pictures, and what the seeds make of it."""
    values, limits = measure(runs, groups, resamples, seed)
    by_run = _by_run(runs)
    numbers: dict[str, Record] = {}
    for name, value, interval, column in zip(NAMES, values, limits, by_run.T, strict=True):
        numbers[name] = {"value": _number(value), "ci95": _pair(interval)}
        if len(runs) > 1 and not np.isnan(value):
            seeds = over_seeds(column.tolist())
            numbers[name]["seeds"] = {
                "values": column.tolist(),
                "deviation": seeds.deviation,
                "ci95": seeds.interval and list(seeds.interval),
            }
    return numbers


def _differences(
    first: Sequence[ScoredSystem],
    second: Sequence[ScoredSystem],
    groups: NDArray[np.intp],
    resamples: int,
    seed: int,
) -> dict[str, Record]:
    """Of each of ``coco.NAMES``: first minus second, its ci95, and the p of no difference by each test."""
    found = compare(first, second, groups, resamples, seed)
    by_run = [_by_run(runs) for runs in (first, second)]
    numbers: dict[str, Record] = {}
    for index, name in enumerate(NAMES):
        swapped = None if found.p_permutation is None else found.p_permutation[index]
        numbers[name] = {
            "difference": _number(found.difference[index]),
            "ci95": _pair(found.interval[index]),
            "p_bootstrap": _number(found.p_bootstrap[index]),
            "p_permutation": _number(swapped),
            "p_seeds": _number(seeds_differ(*(values[:, index].tolist() for values in by_run))),
        }
    return numbers


def _correct(comparisons: Sequence[dict[str, Record]]) -> None:
    """Add to each p that of Holm's correction for the number of methods that are compared with the first."""
    for name in NAMES:
        for test in ("p_bootstrap", "p_permutation", "p_seeds"):
            known = [numbers[name] for numbers in comparisons if numbers[name][test] is not None]
            for entry, p in zip(known, holm([entry[test] for entry in known]), strict=True):
                entry[f"{test}_holm"] = p


def _by_run(runs: Sequence[ScoredSystem]) -> Array:
    """The numbers of each run (S, M)."""
    return np.concatenate([Scores(run)(np.ones((1, len(run.joints)), np.int64)) for run in runs])


def _number(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else float(value)


def _pair(interval: Array) -> list[float] | None:
    return None if np.isnan(interval).any() else interval.tolist()
