"""Are scores worth what they say? Score against achieved similarity, in bins and as one number."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import spearmanr

from fidip.evaluation import CocoEvaluator, Match

Array = NDArray[np.float64]

BINS = 10
PER_BIN = 5  # predictions of a bin, at least


@dataclass(frozen=True)
class Reliability:
    """N scores and what was achieved, both 0..1, in B bins of as many scores each.

    bin_score, bin_achieved, bin_count: (B,) means and sizes, scores rising. error: expected calibration error, the
    mean over predictions of the distance between their bin's two means (Naeini et al. 2015; equally full bins:
    Nixon et al. 2019). order: Spearman's rank correlation, None where either never varies.
    """

    score: Array
    achieved: Array
    bin_score: Array
    bin_achieved: Array
    bin_count: NDArray[np.int64]
    error: float
    order: float | None


def reliability(scores: ArrayLike, achieved: ArrayLike, bins: int = BINS) -> Reliability | None:
    """Compare scores (N,) with what was achieved (N,); None without any. Fewer bins where N is small."""
    score, value = np.asarray(scores, np.float64), np.asarray(achieved, np.float64)
    if not len(score):
        return None
    order = np.argsort(score, kind="stable")
    parts = np.array_split(order, max(1, min(bins, len(order) // PER_BIN)))
    count = np.array([len(part) for part in parts])
    means = np.array([[score[part].mean(), value[part].mean()] for part in parts])
    error = float(np.abs(means[:, 0] - means[:, 1]) @ count / count.sum())
    varies = np.ptp(score) > 0 and np.ptp(value) > 0
    rank = float(spearmanr(score, value).statistic) if varies else None
    return Reliability(score, value, means[:, 0], means[:, 1], count, error, rank)


def person_scores(evaluator: CocoEvaluator, matches: Sequence[Match]) -> tuple[Array, Array]:
    """Score and OKS of every predicted person; false ones achieved 0.

    Left out: missed persons, which have no score, and unmatched predictions in pictures with crowds or persons
    without labels, which may be right.
    """
    right = [(match.score, match.oks) for match in matches if match.score is not None]
    scores: dict[int | str, Counter[float]] = defaultdict(Counter)
    for result in evaluator.results():
        scores[result["image_id"]][result["score"]] += 1
    for match in matches:
        if match.score is not None:
            scores[match.image_id][match.score] -= 1
    doubtful = {
        a["image_id"] for a in evaluator.truth.anns.values() if a["iscrowd"] or not a["num_keypoints"]
    }
    false = [
        (score, 0.0)
        for image_id, left in scores.items()
        if image_id not in doubtful
        for score in left.elements()
    ]
    table = np.array([*right, *false], np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def joint_scores(matches: Sequence[Match]) -> tuple[Array, Array]:
    """Score and OKS term exp(-e) of every labelled joint of a predicted person."""
    found = [match for match in matches if match.prediction is not None]
    parts = [(m.prediction[m.labelled, 2], m.terms[m.labelled]) for m in found if m.prediction is not None]
    if not parts:
        return np.zeros(0), np.zeros(0)
    scores, terms = (np.concatenate(column) for column in zip(*parts, strict=True))
    return scores, terms
