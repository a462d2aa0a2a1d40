"""COCO's AP and AR of any resample of the pictures, from one matching pass.

COCOeval matches detections to persons picture by picture, so a resample of pictures changes no match: only how
often each detection counts. With integer weights per picture the ten COCO numbers are cumulative sums away.
"""

from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

ALL, MEDIUM, LARGE = 0, 1, 2  # COCOeval's area ranges of keypoints, in its order


@dataclass(frozen=True)
class MatchTable:
    """One matching pass over N pictures with D detections, at T thresholds of OKS and in 3 ranges of area.

    Detections are in the order of accumulation: falling score, then pictures in their order, then as ranked in
    their picture. picture: (D,) index of each one's picture. score: (D,). hit, miss: (3, T, D), true and false
    positives; an ignored detection is neither. persons: (3, N) labelled persons that count in each picture.
    thresholds: (T,) of OKS; recalls: (R,) at which precision is read.
    """

    picture: NDArray[np.intp]
    score: Array
    hit: Flags
    miss: Flags
    persons: NDArray[np.int64]
    thresholds: Array
    recalls: Array

    @property
    def n_pictures(self) -> int:
        """N."""
        return self.persons.shape[1]


def interleave(first: MatchTable, second: MatchTable) -> MatchTable:
    """Two systems on the same N pictures as one table of 2 N: picture 2 i is the first's i, 2 i + 1 the second's.

    Weights then choose, picture by picture, whose results a mixture of the two consists of. Scores become ranks
    within their system, 0..1: AP knows no more, and one that is more confident does not rank first throughout.
    Raises ValueError for tables of different pictures or thresholds.
    """
    same = (
        np.array_equal(first.persons, second.persons)
        and np.array_equal(first.thresholds, second.thresholds)
        and np.array_equal(first.recalls, second.recalls)
    )
    if not same:
        raise ValueError("the two systems must be scored on the same pictures at the same thresholds")
    score = np.concatenate([rankdata(t.score) / max(len(t.score), 1) for t in (first, second)])
    picture = np.concatenate([2 * first.picture, 2 * second.picture + 1])
    order = np.lexsort((picture, -score))  # stable: detections of one picture keep their ranks
    return MatchTable(
        picture[order],
        score[order],
        np.concatenate([first.hit, second.hit], axis=2)[:, :, order],
        np.concatenate([first.miss, second.miss], axis=2)[:, :, order],
        np.repeat(first.persons, 2, axis=1),
        first.thresholds,
        first.recalls,
    )


class AveragePrecision:
    """The ten COCO numbers of resamples: ``weights`` (B, N), how often each picture counts, -> (B, 10).

    In the order AP, AP50, AP75, AP_M, AP_L, AR, AR50, AR75, AR_M, AR_L, 0..1; NaN where a resample has no such
    person. Equal, to the last bit, to what pycocotools gives for the pictures repeated as separate pictures,
    the copies of one following each other.
    """

    def __init__(self, table: MatchTable) -> None:
        self.table = table
        self._single = {value: int(np.flatnonzero(table.thresholds == value)[0]) for value in (0.5, 0.75)}
        self._ties = _tied_runs(table)

    def __call__(self, weights: NDArray[np.integer]) -> Array:
        """See the class."""
        columns, copies = self._columns(int(weights.max(initial=0)))
        repeats = weights[:, self.table.picture[columns]]
        if self._ties:
            repeats = np.where(copies < 0, repeats, repeats > copies)
        counts = repeats.astype(np.float64)
        precision, recall = {}, {}
        for area in (ALL, MEDIUM, LARGE):
            persons = weights @ self.table.persons[area]
            precision[area], recall[area] = self._curves(area, counts, columns, persons)
        t50, t75 = self._single[0.5], self._single[0.75]
        numbers = []
        for values in (precision, recall):
            flat = {area: values[area].reshape(len(weights), -1) for area in values}
            numbers += [
                flat[ALL].mean(axis=1),
                np.ascontiguousarray(values[ALL][:, t50]).mean(axis=1),
                np.ascontiguousarray(values[ALL][:, t75]).mean(axis=1),
                flat[MEDIUM].mean(axis=1),
                flat[LARGE].mean(axis=1),
            ]
        return np.column_stack(numbers)

    def _columns(self, most: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Detections in order, those of tied runs once for each of ``most`` copies of their picture.

        Equal scores within one picture alternate in a resample, a b a b, so that they cannot just be counted
        twice, a a b b. Returns (L,) indices of detections and (L,) which copy it is, -1 for all copies at once.
        """
        if not self._ties:
            return np.arange(len(self.table.score)), np.full(len(self.table.score), -1)
        columns: list[int] = []
        copies: list[int] = []
        done = 0
        for start, stop in [*self._ties, (len(self.table.score),) * 2]:
            columns += range(done, start)
            copies += [-1] * (start - done)
            for copy in range(most if stop > start else 0):
                columns += range(start, stop)
                copies += [copy] * (stop - start)
            done = stop
        return np.array(columns, dtype=np.intp), np.array(copies, dtype=np.intp)

    def _curves(
        self, area: int, counts: Array, columns: NDArray[np.intp], persons: NDArray[np.int64]
    ) -> tuple[Array, Array]:
        """Precision (B, T, R) at the recall points and highest recall (B, T, 1) in one range of area."""
        table = self.table
        precision = np.zeros((len(counts), len(table.thresholds), len(table.recalls)))
        recall = np.zeros((len(counts), len(table.thresholds), 1))
        needed = _hits_needed(persons, table.recalls)
        last, seen = np.zeros(len(columns), dtype=bool), np.zeros_like(counts)
        for t in range(len(table.thresholds)):
            hit = table.hit[area, t, columns]
            if not hit.any():
                continue
            counted = hit | table.miss[area, t, columns]
            if not np.array_equal(counted, last):  # the same at most thresholds
                last, seen = counted, (counts * counted).cumsum(axis=1)
            tp = counts[:, hit].cumsum(axis=1)
            precision[:, t] = _precision_at(needed, tp, seen[:, hit])
            recall[:, t, 0] = tp[:, -1] / np.maximum(persons, 1)
        precision[persons == 0], recall[persons == 0] = np.nan, np.nan
        return precision, recall


def _hits_needed(persons: NDArray[np.int64], recalls: Array) -> Array:
    """How many hits first reach each recall, (B, R); with COCOeval's rounding of the quotients."""
    numbers, row = np.unique(persons, return_inverse=True)
    steps = [np.searchsorted(np.arange(n + 1) / max(n, 1), recalls) for n in numbers.tolist()]
    # recall 0 is read at the first detection, where the envelope equals that at the first hit
    return np.maximum(np.array(steps, np.float64)[row], 1)


def _precision_at(needed: Array, hits: Array, seen: Array) -> Array:
    """Interpolated precision (B, R) where ``needed`` hits are reached; 0 where they never are.

    hits, seen: (B, L) true positives, and detections that are not ignored, up to and with each true positive.
    Between two of them precision only falls, so that its envelope is known at them alone.
    """
    rows, length = hits.shape
    # one spacing more, as COCOeval has it: 1 of 1 is a little below 1
    precision = hits / (seen + np.spacing(1))
    envelope = np.zeros((rows, length + 1))  # the last column: never reached
    envelope[:, :length] = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    offset = np.arange(rows)[:, None] * (max(hits[:, -1].max(), needed.max()) + 1)
    place = np.searchsorted((hits + offset).ravel(), (needed + offset).ravel()).reshape(needed.shape)
    place = np.minimum(place - np.arange(rows)[:, None] * length, length)
    return np.take_along_axis(envelope, place, axis=1)


def _tied_runs(table: MatchTable) -> list[tuple[int, int]]:
    """Start and stop of each run of detections with one picture and one score."""
    keys = zip(table.picture.tolist(), table.score.tolist(), strict=True)
    runs, start = [], 0
    for _, run in groupby(keys):
        stop = start + sum(1 for _ in run)
        if stop - start > 1:
            runs.append((start, stop))
        start = stop
    return runs
