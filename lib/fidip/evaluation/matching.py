"""Which prediction belongs to which labelled person."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fidip.annotations import Record
from fidip.evaluation.nms import Array, joint_terms

_SURE = 0.5  # OKS from which a result may choose in the first round


@dataclass(frozen=True)
class Match:
    """A labelled person and the prediction that was matched to it.

    box: (4,) x, y, w, h; truth: (K, 3) x, y, visibility; prediction: (K, 3) x, y, score, or None when the
    person was missed; all in image px. area: px^2. terms: (K,) each joint's exp(-e), 0 where missed or not
    labelled. oks: 0..1, 0 when missed. score: the prediction's, or None. file_name: None if the JSON has none.
    """

    image_id: int | str
    file_name: str | None
    box: Array
    truth: Array
    prediction: Array | None
    area: float
    terms: Array
    oks: float
    score: float | None

    @property
    def labelled(self) -> np.ndarray:
        """Which joints are labelled, (K,) bool."""
        return self.truth[:, 2] > 0


def match_image(
    image: Record, annotations: Sequence[Record], results: Sequence[Record], sigmas: Sequence[float]
) -> list[Match]:
    """Match one picture's results to its labelled persons by OKS, the highest score choosing first.

    Each result takes the free person with the highest OKS: first where that is at least 0.5, COCO's loosest
    threshold, then, among what is left, where it is above 0. So a false detection does not take a person from
    its true one, and a bad prediction is still told from a missing one. Crowds and persons without a labelled
    joint are left out. Returns one Match a person, in the order of the annotations.
    """
    persons = [a for a in annotations if a["num_keypoints"] and not a["iscrowd"]]
    if not persons:
        return []
    joints = len(sigmas)
    truth = np.array([a["keypoints"] for a in persons], np.float64).reshape(len(persons), joints, 3)
    areas = np.array([a["area"] for a in persons], np.float64)
    ranked = sorted(results, key=lambda result: -result["score"])
    predictions = np.array([r["keypoints"] for r in ranked], np.float64).reshape(len(ranked), joints, 3)
    labelled = truth[:, :, 2] > 0  # (G, K)
    terms = joint_terms(predictions[:, None], truth[None], areas[None], sigmas) * labelled  # (P, G, K)
    chosen = _assign(terms.sum(axis=2) / labelled.sum(axis=1))
    return [
        _match(image, person, truth[g], terms[p, g], predictions[p], ranked[p]["score"])
        if (p := chosen.get(g)) is not None
        else _match(image, person, truth[g], np.zeros(len(truth[g])), None, None)
        for g, person in enumerate(persons)
    ]


def _assign(similarity: np.ndarray) -> dict[int, int]:
    """Person -> result, from OKS (P, G) whose rows are in the order in which results choose."""
    free = similarity.copy()
    chosen: dict[int, int] = {}
    for floor in (_SURE, np.nextafter(0, 1)):
        for p, row in enumerate(free):
            g = int(row.argmax())
            if row[g] >= floor:
                chosen[g] = p
                free[:, g] = 0
                free[p] = 0
    return chosen


def _match(
    image: Record,
    annotation: Record,
    truth: Array,
    terms: Array,
    prediction: Array | None,
    score: float | None,
) -> Match:
    return Match(
        image_id=image["id"],
        file_name=image.get("file_name"),
        box=np.asarray(annotation["bbox"], np.float64),
        truth=truth,
        prediction=prediction,
        area=annotation["area"],
        terms=terms,
        oks=float(terms.sum() / (truth[:, 2] > 0).sum()),
        score=score,
    )
