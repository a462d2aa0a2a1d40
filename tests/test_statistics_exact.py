"""Statistics from one matching pass against pycocotools run anew on every resample, to the last bit."""

import copy

import numpy as np
import pytest
from coco_data import annotation, dataset, random_dataset, random_results, raw_pycocotools, scored
from scipy.stats import rankdata

from fidip.evaluation.results import METRIC_NAMES
from fidip.statistics.coco import NAMES, Scores, mixed, scored_system


def repeated(data, results, weights):
    """Data and results of the pictures, in the order of their ids, each repeated as often as it counts."""
    images, annotations, found = [], [], []
    for image, weight in zip(sorted(data["images"], key=lambda i: i["id"]), weights, strict=True):
        for _ in range(weight):
            key = len(images) + 1
            images.append({**image, "id": key})
            for a in data["annotations"]:
                if a["image_id"] == image["id"]:
                    annotations.append({**copy.deepcopy(a), "image_id": key, "id": len(annotations) + 1})
            found += [{**copy.deepcopy(r), "image_id": key} for r in results if r["image_id"] == image["id"]]
    return {**data, "images": images, "annotations": annotations}, found


def by_pycocotools(data, results, weights):
    """The ten numbers of each resample (B, 10), NaN where there is no such person."""
    rows = []
    for row in weights:
        stats = raw_pycocotools(*repeated(data, results, row))
        rows.append(np.where(stats < 0, np.nan, stats))
    return np.array(rows)


def resamples(pictures, count, seed=0):
    """Random weights, and the two extremes: every picture once, all weight on one picture."""
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(pictures, np.full(pictures, 1 / pictures), size=count)
    return np.concatenate(
        [np.ones((1, pictures), np.int64), weights, pictures * np.eye(pictures, dtype=np.int64)[:1]]
    )


def check(data, results, count=40):
    system = scored_system(scored(data, results))
    weights = resamples(len(data["images"]), count)
    ours = Scores(system)(weights)[:, : len(METRIC_NAMES)]
    theirs = by_pycocotools(data, results, weights)
    np.testing.assert_array_equal(ours, theirs)
    assert len(np.unique(theirs[:, 0])) > count / 2  # the resamples do differ
    return theirs


@pytest.mark.parametrize("seed", range(3))
def test_several_persons_crowds_and_ignored(seed):
    data = random_dataset(seed)
    theirs = check(data, random_results(data, seed, noise=12))
    assert 0.1 < theirs[0, 0] < 0.9


@pytest.mark.parametrize("decimals", [1, 0])
def test_equal_scores_between_and_within_pictures(decimals):
    data = random_dataset(5, people=4)
    results = random_results(data, 5, noise=14)
    for result in results:
        result["score"] = round(result["score"], decimals)
    check(data, results)


def test_one_person_a_picture_and_ids_out_of_order():
    data = random_dataset(7, n_images=20, people=1)
    results = random_results(data, 7, noise=12)
    names = dict(zip(range(20), np.random.default_rng(0).permutation(1000)[:20].tolist(), strict=True))
    for record in data["images"]:
        record["id"] = names[record["id"]]
    for record in [*data["annotations"], *results]:
        record["image_id"] = names[record["image_id"]]
    check(data, results)


def test_labelled_crowds_and_more_detections_than_cocoeval_takes():
    data = random_dataset(1, n_images=6)
    data["annotations"][1]["iscrowd"] = 1
    results = random_results(data, 1, noise=10)
    rng = np.random.default_rng(0)
    more = copy.deepcopy([results[0]] * 30)
    for result in more:
        result["score"] = float(rng.integers(0, 4) / 4)
    check(data, results + more)


def test_pictures_without_persons_give_no_number():
    """Medium persons are in one picture only: where a resample lacks it, their numbers are missing."""
    rng = np.random.default_rng(0)
    areas = [40.0**2, *[200.0**2] * 5]
    data = dataset(
        [annotation(i + 1, i, rng.uniform(0, 150, (17, 2)), area=a) for i, a in enumerate(areas)], 8
    )
    results = random_results(data, noise=8)
    theirs = check(data, results)
    column = METRIC_NAMES.index("AP_M")
    assert np.isnan(theirs[:, column]).any() and not np.isnan(theirs[:, column]).all()


def test_without_predictions_all_is_zero():
    data = random_dataset(0)
    ours = Scores(scored_system(scored(data, [])))(np.ones((1, 12), np.int64))[0]
    assert (ours == 0).all()


def test_pck_equals_that_of_the_repeated_pictures():
    data = random_dataset(4)
    results = random_results(data, 4, noise=40)
    weights = resamples(12, 10)
    ours = Scores(scored_system(scored(data, results)))(weights)
    for row, numbers in zip(weights, ours, strict=True):
        pck = scored(*repeated(data, results, row)).details()["pck"]
        for name, level in pck.items():
            value = numbers[NAMES.index(f"PCK@{name}")]
            assert (np.isnan(value) and level["mean"] is None) or value == level["mean"]
    assert 0.1 < ours[0, NAMES.index("PCK@0.05")] < 0.9


def test_mixtures_of_two_systems():
    """Weights on the joined table choose whose results a picture gets; only ranks within a system matter."""
    data = random_dataset(6)
    first, second = (random_results(data, seed, noise=12) for seed in (6, 7))
    systems = [scored_system(scored(data, results)) for results in (first, second)]
    exchanged = np.random.default_rng(0).random((6, 12)) < 0.5
    weights = np.empty((6, 24), np.int64)
    weights[:, 0::2], weights[:, 1::2] = ~exchanged, exchanged
    ours = Scores(mixed(*systems))(weights)
    ranked = [with_ranks(results) for results in (first, second)]
    for row, numbers in zip(exchanged, ours, strict=True):
        chosen = [r for which in (0, 1) for r in ranked[which] if row[r["image_id"]] == which]
        stats = raw_pycocotools(data, chosen)
        np.testing.assert_array_equal(numbers[:10], np.where(stats < 0, np.nan, stats))
    whole = Scores(mixed(*systems))(np.tile([[1, 0]], 12))[0]
    np.testing.assert_array_equal(whole, Scores(systems[0])(np.ones((1, 12), np.int64))[0])


def with_ranks(results):
    """Results whose scores are their ranks, equal ones sharing one."""
    ranks = rankdata([r["score"] for r in results])
    return [{**r, "score": float(rank)} for r, rank in zip(results, ranks, strict=True)]
