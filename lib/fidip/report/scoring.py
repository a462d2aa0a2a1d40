"""Runs scored anew against the annotations that their configs name: matches, calibration, paired differences."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fidip.config import Settings, load_config
from fidip.errors import FidipError
from fidip.evaluation import CocoEvaluator, Match
from fidip.files import fingerprint
from fidip.loading import build_evaluator, read_content, split_to_test
from fidip.report.calibration import Reliability, joint_scores, person_scores, reliability
from fidip.report.runs import CONFIG, Run, score
from fidip.skeleton import Skeleton
from fidip.statistics.comparison import Runs, compare_methods

SAME = 1e-6  # difference of AP that is rounding


@dataclass(frozen=True)
class Truth:
    """What a run was tested against. key: equal for runs whose numbers can be compared picture by picture."""

    evaluator: CocoEvaluator
    pictures: Path
    exif: bool
    key: str

    @property
    def skeleton(self) -> Skeleton:
        """Joints of the annotations."""
        return self.evaluator.skeleton


@dataclass(frozen=True)
class Scored:
    """A run's predictions beside the labels. matches: every labelled person, in the order of the annotations."""

    run: Run
    truth: Truth
    matches: list[Match]
    persons: Reliability | None
    joints: Reliability | None


@dataclass
class Scores:
    """scored: by name of the run. differences: of runs to the first one. notes: what could not be done, by run."""

    scored: dict[str, Scored] = field(default_factory=dict)
    differences: list[dict[str, Any]] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)

    def note(self, run: str, text: str) -> None:
        """Remember a reason."""
        self.notes.setdefault(run, []).append(text)


def score_runs(runs: Sequence[Run], overrides: Sequence[str] = (), resamples: int = 1000) -> Scores:
    """Score every run that can be; the others get a note. overrides: KEY VALUE of the configs, as DATASET.ROOT."""
    found = Scores()
    truths: dict[str, Truth] = {}
    for run in runs:
        if run.results is None:
            continue
        try:
            truth = _truth(load_config(run.folder / CONFIG, list(overrides)), run)
            truth = truths.setdefault(truth.key, truth)
            found.scored[run.name] = _score(run, truth)
        except FidipError as error:
            found.note(run.name, str(error))
            continue
        _check_same(run, truth.evaluator, found)
    _compare(runs, found, resamples)
    return found


def _truth(settings: Settings, run: Run) -> Truth:
    split = split_to_test(settings)
    content = read_content(settings, split)
    evaluator = build_evaluator(settings, split, content)
    facts = [content["images"], content["annotations"], evaluator.area, evaluator.skeleton.name]
    exif = bool(run.config.get("DATASET.EXIF", False))
    return Truth(evaluator, split.image_folder, exif, fingerprint([*facts, str(split.image_folder), exif]))


def _score(run: Run, truth: Truth) -> Scored:
    """Raises DataError for results that do not belong to the annotations."""
    evaluator = truth.evaluator
    evaluator.reset()
    evaluator.load_results(str(run.results))
    matches = evaluator.matches()
    persons = reliability(*person_scores(evaluator, matches))
    return Scored(run, truth, matches, persons, reliability(*joint_scores(matches)))


def _check_same(run: Run, evaluator: CocoEvaluator, found: Scores) -> None:
    """Say when the annotations give another AP today than in metrics.json; ``evaluator`` holds the run's results."""
    then, now = score(run.metrics, "AP")[0], evaluator.summarize()["AP"]
    if then is not None and (now is None or abs(then - now) > SAME):
        today = "none" if now is None else f"{100 * now:.1f}"
        found.note(
            run.name,
            f"scored anew its AP is {today}, not the {100 * then:.1f} of metrics.json: the annotations have "
            "changed since, or its results; test it again",
        )


def _compare(runs: Sequence[Run], found: Scores, resamples: int) -> None:
    """Fill in the differences to the first run, of those tested on the same pictures with the same area."""
    first = found.scored.get(runs[0].name)
    if first is None or len(runs) < 2:
        return
    methods = []
    for run in runs:
        other = found.scored.get(run.name)
        if other is None or run.results is None:
            continue
        if other.truth is first.truth:
            methods.append(Runs(run.name, (run.results,)))
        else:
            found.note(
                run.name, f"not compared with {runs[0].name}: tested on other pictures, or with another area"
            )
    if len(methods) > 1:
        compared = compare_methods(first.truth.evaluator, methods, resamples, seed=0)
        found.differences = compared.pop("comparisons")
        found.about = compared
