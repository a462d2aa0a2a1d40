"""Test a checkpoint on a split: results, metrics, table, pictures."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from fidip.build import build_estimator, build_model, image_size
from fidip.config import Config, Settings, check_for_testing, dump, read_settings
from fidip.data.records import Record
from fidip.domain_gap import GapOptions, write_embeddings
from fidip.environment import choose_device, provenance, seed_everything, setup_logging
from fidip.evaluation import (
    CocoEvaluator,
    ModelRow,
    joint_table,
    posture_table,
    results_table,
    write_metrics,
    write_prediction_pictures,
    write_results,
)
from fidip.files import write_json, write_text
from fidip.gap import GapRequest, TestedGap, measure_tested
from fidip.inference import Estimator, save_features, score_predictions
from fidip.loading import (
    build_evaluator,
    build_gap_records,
    build_test_loader,
    crop_areas,
    read_content,
    split_to_test,
)
from fidip.models import complexity, load_weights
from fidip.models.complexity import Complexity
from fidip.progress import progress
from fidip.runs import TestPlan, plan_test
from fidip.statistics import add_intervals

logger = logging.getLogger("fidip")


@dataclass(frozen=True)
class TestOutcome:
    """What a test found. metrics: as in metrics.json. tables: text for the terminal."""

    __test__ = False

    metrics: dict[str, Any]
    tables: str
    folder: Path


def run_test(
    config: Config, config_file: Path, weights: Path | None = None, folder: Path | None = None
) -> TestOutcome:
    """Test a checkpoint on the DATASET.TEST_SET of a config and write all results into a folder.

    weights and folder: by default TEST.MODEL_FILE and a run folder for it, see ``fidip.plan_test``.
    Raises FidipError before anything slow when config, checkpoint, annotations or pictures are at fault.
    """
    setup_logging()
    settings = read_settings(config)
    check_for_testing(settings)
    plan = plan_test(settings, config_file, weights, folder)
    seed_everything(plan.seed)
    device = choose_device(plan.device)
    model = build_model(settings)
    load_weights(model, plan.weights)
    size = image_size(settings)
    work = complexity(model, size)
    split = split_to_test(settings)
    content = read_content(settings, split)
    records, loader, content = build_test_loader(settings, split, content)
    evaluator = build_evaluator(settings, split, content)
    others = build_gap_records(settings)
    plan.folder.mkdir(parents=True, exist_ok=True)
    setup_logging(plan.folder / "test.log")
    logger.info("testing %s on %s: %d persons, device %s", plan.weights, split.name, len(records), device)

    gap = _domain_gap(settings, model, plan, records, others)  # first, as it may refuse the data
    estimator = build_estimator(settings, model, device)
    start = time.perf_counter()
    predict(estimator, loader, records, crop_areas(settings, records), evaluator, plan.features)
    seconds = time.perf_counter() - start

    row = ModelRow(config_file.stem, model.label, size, work.params, work.published_macs, work.macs)
    outcome = report(evaluator, plan, row, split.name, _facts(plan, split.name, work, seconds), gap)
    write_text(plan.folder / "config.yaml", dump(settings))
    if plan.pictures:
        write_prediction_pictures(
            plan.folder, evaluator.matches(), split.image_folder, plan.pictures, evaluator.skeleton
        )
    logger.info("%.1f s, %.1f persons/s; results in %s", seconds, len(records) / seconds, plan.folder)
    return outcome


def _facts(plan: TestPlan, split: str, work: Complexity, seconds: float) -> dict[str, Any]:
    """What metrics.json says besides scores."""
    return {
        "split": split,
        "checkpoint": str(plan.weights),
        "seconds": round(seconds, 2),
        "params": work.params,
        "gmacs": round(work.gmacs, 4),
        "gflops_published": round(work.gmacs_published, 4),
        "provenance": provenance(),
    }


def _domain_gap(
    settings: Settings, model: nn.Module, plan: TestPlan, records: Sequence[Record], others: Sequence[Record]
) -> TestedGap | None:
    """The gap between the features of what is tested and of ``others``, if there are any."""
    if not others:
        return None
    names = (plan.split, plan.domain_gap)
    request = GapRequest(plan.folder, names=names, options=GapOptions(seed=plan.seed))
    return measure_tested(settings, model, records, others, request)


def predict(
    estimator: Estimator,
    loader: Any,
    records: Sequence[Record],
    areas: Sequence[float],
    evaluator: CocoEvaluator,
    features: Path | None = None,
) -> None:
    """Run all crops through the network into the evaluator; features are streamed to ``features`` if given."""
    predictions = estimator.run(progress(loader, len(loader), "test"))
    if features is not None:
        predictions = save_features(predictions, features, len(records))
        write_json(features.with_suffix(".json"), [_feature_row(record) for record in records])
    score_predictions(predictions, records, areas, evaluator)


def _feature_row(record: Record) -> dict[str, Any]:
    return {
        "image_id": record.image_id,
        "annotation_id": record.annotation_id,
        "synthetic": record.synthetic,
        "posture": record.posture,
    }


def report(
    evaluator: CocoEvaluator,
    plan: TestPlan,
    row: ModelRow,
    split: str,
    extra: dict[str, Any],
    gap: TestedGap | None = None,
) -> TestOutcome:
    """Score what was predicted; write results JSON, metrics.json and table.md into the run folder.

    gap: goes into metrics.json too, and as a picture beside it.
    """
    details = evaluator.details()
    metrics = {**evaluator.metrics(plan.boxes), **extra, "details": details}
    if gap is not None:
        metrics["domain_gap"] = gap.numbers
        write_embeddings(plan.folder / "domain_gap.png", [gap.panel])
    add_intervals(metrics, evaluator, plan.bootstrap, plan.seed)
    write_results(plan.folder / f"keypoints_{split}_results_0.json", evaluator.results())
    write_metrics(plan.folder / "metrics.json", metrics)
    table = results_table([ModelRow(**{**row.__dict__, "metrics": metrics})])
    write_text(plan.folder / "table.md", table + "\n")
    parts = [table, joint_table(details)] + ([posture_table(details)] if details["posture"] else [])
    parts += [] if gap is None else [f"domain gap\n\n{gap.table}"]
    return TestOutcome(metrics, "\n\n".join(parts), plan.folder)
