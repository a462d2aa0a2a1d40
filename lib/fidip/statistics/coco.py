"""From an evaluator to plain arrays: one matching pass, from which every resample is computed."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.cocoeval import COCOeval

from fidip.data.image_source import source_key
from fidip.evaluation.coco import CocoEvaluator, ImageId
from fidip.evaluation.pck import THRESHOLDS, right_joints
from fidip.evaluation.results import METRIC_NAMES
from fidip.statistics.average_precision import ALL, LARGE, MEDIUM, AveragePrecision, MatchTable, interleave

Array = NDArray[np.float64]
Weights = NDArray[np.int64]

PCK_NAMES = tuple(f"PCK@{threshold:g}" for threshold in THRESHOLDS)
NAMES = (*METRIC_NAMES, *PCK_NAMES)  # columns of every statistic computed here
_AREAS = (ALL, ALL, ALL, MEDIUM, LARGE) * 2  # range of area of each of METRIC_NAMES


@dataclass(frozen=True)
class ScoredSystem:
    """A system's predictions on N pictures, matched once.

    table: as COCOeval matched them. right: (P, N) labelled joints within each of the P thresholds of
    ``fidip.evaluation.pck.THRESHOLDS``; joints: (N,) labelled joints.
    """

    table: MatchTable
    right: NDArray[np.int64]
    joints: NDArray[np.int64]

    def units(self, groups: NDArray[np.intp]) -> NDArray[np.int64]:
        """How many groups (N,) of pictures have persons, or joints, that each of the numbers ``NAMES`` is of."""
        holders = [self.table.persons[area] for area in _AREAS] + [self.joints] * len(PCK_NAMES)
        return np.array([len(np.unique(groups[holder > 0])) for holder in holders])


def mixed(first: ScoredSystem, second: ScoredSystem) -> ScoredSystem:
    """Two systems as one of 2 N pictures, see ``average_precision.interleave``."""
    right = np.stack([first.right, second.right], axis=2).reshape(len(first.right), -1)
    return ScoredSystem(interleave(first.table, second.table), right, np.repeat(first.joints, 2))


class Scores:
    """The numbers ``NAMES`` of resamples: ``weights`` (B, N), how often each picture counts, -> (B, 13), 0..1.

    NaN where a resample has no such person or joint.
    """

    def __init__(self, system: ScoredSystem) -> None:
        self.precision = AveragePrecision(system.table)
        self.right, self.joints = system.right.T, system.joints

    def __call__(self, weights: Weights) -> Array:
        """See the class."""
        joints = (weights @ self.joints)[:, None]
        shares = np.where(joints > 0, weights @ self.right / np.maximum(joints, 1), np.nan)
        return np.hstack([self.precision(weights), shares])


def scored_system(evaluator: CocoEvaluator, image_ids: Sequence[ImageId] | None = None) -> ScoredSystem:
    """Match an evaluator's predictions once, on all pictures or some; in the order of their ids."""
    run = evaluator.coco_eval(image_ids)
    place = {image_id: index for index, image_id in enumerate(_in_order(run.params.imgIds))}
    right = np.zeros((len(THRESHOLDS), len(place)), np.int64)
    joints = np.zeros(len(place), np.int64)
    matches = [match for match in evaluator.matches() if match.image_id in place]
    labelled, within = right_joints(matches, evaluator.skeleton)
    where = [place[match.image_id] for match in matches]
    np.add.at(joints, where, labelled.sum(axis=1))
    np.add.at(right.T, where, within.sum(axis=2).T)
    return ScoredSystem(match_table(run), right, joints)


def sources_of(evaluator: CocoEvaluator, image_ids: Sequence[ImageId] | None = None) -> list[str]:
    """What each picture was taken from, in the order of ``scored_system``; "" where it is unknown."""
    images = evaluator.truth.imgs
    keys = _in_order(list(images) if image_ids is None else image_ids)
    return [source_key(images[key].get("image_source")) for key in keys]


def _in_order(image_ids: Sequence[ImageId]) -> list[ImageId]:
    """Ids as COCOeval orders them."""
    return np.unique(image_ids).tolist()


def match_table(run: COCOeval) -> MatchTable:
    """The matches of a COCOeval run of keypoints, after its ``evaluate``."""
    params, entries = run.params, list(run.evalImgs)
    pictures, areas = len(params.imgIds), len(params.areaRng)
    by_area = [entries[area * pictures : (area + 1) * pictures] for area in range(areas)]
    persons = [[0 if e is None else int((e["gtIgnore"] == 0).sum()) for e in part] for part in by_area]
    ranked = [[] if entry is None else entry["dtScores"] for entry in by_area[0]]
    score = np.concatenate([np.zeros(0), *(np.asarray(scores, np.float64) for scores in ranked)])
    picture = np.repeat(np.arange(pictures), [len(scores) for scores in ranked])
    order = np.argsort(-score, kind="stable")
    flags = [_flags(part, len(params.iouThrs)) for part in by_area]
    return MatchTable(
        picture[order],
        score[order],
        np.stack([hit[:, order] for hit, _ in flags]),
        np.stack([miss[:, order] for _, miss in flags]),
        np.array(persons, np.int64),
        np.asarray(params.iouThrs, np.float64),
        np.asarray(params.recThrs, np.float64),
    )


def _flags(
    entries: Sequence[dict[str, Any] | None], thresholds: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """True and false positives (T, D) of one range of area, pictures after each other."""
    columns: dict[str, list[Array]] = defaultdict(lambda: [np.zeros((thresholds, 0))])
    for entry in entries:
        if entry is not None:
            columns["match"].append(np.asarray(entry["dtMatches"]))
            columns["ignore"].append(np.asarray(entry["dtIgnore"]))
    matched, ignored = (np.concatenate(columns[name], axis=1) != 0 for name in ("match", "ignore"))
    return matched & ~ignored, ~matched & ~ignored
