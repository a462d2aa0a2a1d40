"""The intervals that go into metrics.json."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fidip.evaluation.coco import CocoEvaluator, ImageId
from fidip.statistics.coco import NAMES, scored_system, sources_of
from fidip.statistics.intervals import LEVEL, Array
from fidip.statistics.paired import measure
from fidip.statistics.resampling import groups_of

Interval = list[float]


def add_intervals(metrics: dict[str, Any], evaluator: CocoEvaluator, resamples: int, seed: int) -> None:
    """Add ``confidence`` to an evaluator's metrics, and a ci95 to each posture of their details, if there are any.

    Without resamples or pictures nothing is added. Raises ConfigError for a single resample.
    """
    if not (resamples and evaluator.n_images):
        return
    metrics.update(confidence(evaluator, resamples, seed))
    postures = metrics.get("details", {}).get("posture", {})
    for name, image_ids in evaluator.postures().items():
        if name in postures:
            postures[name]["ci95"] = confidence(evaluator, resamples, seed, image_ids)["ci95"]


def confidence(
    evaluator: CocoEvaluator, resamples: int, seed: int, image_ids: Sequence[ImageId] | None = None
) -> dict[str, Any]:
    """Intervals of an evaluator's numbers on all pictures, or on ``image_ids``, ready for JSON.

    ci95: {"AP": [low, high], ...} over sources where some source has several pictures, else over pictures; None
    where there is no number or one unit only. bootstrap: how they were found: resamples, seed, level, unit
    ("source" or "picture"), number of units, and, over sources, "ci95_pictures", the intervals that take
    pictures as independent.
    """
    system = scored_system(evaluator, image_ids)
    groups = groups_of(sources_of(evaluator, image_ids))
    units = int(groups.max(initial=-1)) + 1
    unit = "picture" if units == len(groups) else "source"
    about: dict[str, Any] = {
        "resamples": resamples,
        "seed": seed,
        "level": LEVEL,
        "unit": unit,
        "units": units,
    }
    if unit == "source":
        pictures = np.arange(len(groups))
        about["ci95_pictures"] = named(measure([system], pictures, resamples, seed)[1])
    return {"ci95": named(measure([system], groups, resamples, seed)[1]), "bootstrap": about}


def named(values: Array) -> dict[str, Interval | None]:
    """(13, 2) intervals by the names of ``coco.NAMES``; None for one that is missing."""
    return {
        name: None if np.isnan(pair).any() else pair.tolist()
        for name, pair in zip(NAMES, values, strict=True)
    }
