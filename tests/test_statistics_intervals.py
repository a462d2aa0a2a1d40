"""Intervals and tests by hand, by closed formulas, and their speed."""

import math
import time

import numpy as np
import pytest
from coco_data import annotation, dataset, random_dataset, random_results, scored
from scipy import stats
from statistics_population import FAIR, draw, table

from fidip.errors import ConfigError
from fidip.statistics import add_intervals, compare, confidence, holm, measure, over_seeds, seeds_differ
from fidip.statistics.average_precision import AveragePrecision
from fidip.statistics.coco import NAMES, scored_system
from fidip.statistics.intervals import difference_interval, share_interval
from fidip.statistics.resampling import bootstrap, groups_of, swap


def proportion(hits, count):
    """Statistic of a proportion, as a function of weights."""
    values = np.arange(count) < hits
    return lambda weights: (weights @ values / weights.sum(axis=1))[:, None]


def test_the_interval_of_a_proportion_is_wilsons():
    """A proportion speaks for as many as it is of, so that Wilson's own formula must come out."""
    hits, count = 45, 60
    drawn = bootstrap(proportion(hits, count), np.arange(count), 200_000, np.random.default_rng(0))
    t = stats.t.ppf(0.975, count - 1)
    size = count - 1  # the variance of the resamples is that of count, times count / (count - 1)
    share = hits / count
    middle = (share + t**2 / 2 / size) / (1 + t**2 / size)
    half = t / (1 + t**2 / size) * math.sqrt(share * (1 - share) / size + t**2 / 4 / size**2)
    np.testing.assert_allclose(
        share_interval([share], drawn, count)[0], [middle - half, middle + half], atol=1e-3
    )


def test_no_error_seen_is_not_no_error():
    low, high = share_interval([1.0], np.ones((50, 1)), 100)[0]
    assert high == 1 and low == pytest.approx(1 / (1 + stats.t.ppf(0.975, 99) ** 2 / 100), abs=1e-12)


def test_missing_numbers_have_no_interval():
    resamples = np.array([[0.5, np.nan, 0.4], [0.6, np.nan, np.nan], [0.4, np.nan, 0.5]])
    found = share_interval([0.5, np.nan, 0.5], resamples, [10, 0, 1])
    assert np.isfinite(found[0]).all() and np.isnan(found[1:]).all()
    partly = share_interval([0.5], np.array([[0.5], [np.nan], [0.6], [0.4]]), 10)
    np.testing.assert_array_equal(partly, share_interval([0.5], np.array([[0.5], [0.6], [0.4]]), 10))


def test_difference_by_hand():
    resamples = np.array([[0.1], [0.3]])  # deviation 0.1414, of 5 units times sqrt(5 / 4)
    interval, p = difference_interval([0.2], resamples, 5)
    error = 0.2 / math.sqrt(2) * math.sqrt(5 / 4)
    half = 2.7764451 * error
    np.testing.assert_allclose(interval[0], [0.2 - half, 0.2 + half], rtol=1e-7)
    assert p[0] == pytest.approx(2 * stats.t.sf(0.2 / error, 4), rel=1e-12)
    interval, p = difference_interval([0.0, 0.1], np.array([[0, 0.1], [0, 0.1]]), 5)
    assert interval.tolist() == [[0, 0], [0.1, 0.1]] and p.tolist() == [1, 0]


def test_seeds_by_hand():
    found = over_seeds([0.90, 0.92, 0.94])
    assert (found.n, found.mean, found.deviation) == (3, pytest.approx(0.92), pytest.approx(0.02))
    half = 4.30265273 * 0.02 / math.sqrt(3)
    assert found.interval == pytest.approx((0.92 - half, 0.92 + half), abs=1e-9)
    assert over_seeds([0.5]).deviation is None and over_seeds([0.5]).interval is None
    with pytest.raises(ValueError, match="at least one run"):
        over_seeds([])
    # (1 + 2 + 3) / 3 against (4 + 5 + 6) / 3, both of variance 1: t = 3 / sqrt(2 / 3), 4 degrees of freedom
    assert seeds_differ([1, 2, 3], [4, 5, 6]) == pytest.approx(
        2 * stats.t.sf(3 / math.sqrt(2 / 3), 4), rel=1e-12
    )
    assert seeds_differ([1], [2, 3]) is None
    assert seeds_differ([1, 1], [1, 1]) == 1 and seeds_differ([1, 1], [2, 2]) == 0


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert holm([0.6, 0.7]) == [1.0, 1.0] and holm([]) == []


def test_whole_sources_are_drawn():
    groups = groups_of(["b", "", "a", "b", "", "a"])
    assert groups.tolist() == [0, 1, 2, 0, 3, 2]
    weights = bootstrap(lambda w: w.astype(float), groups, 500, np.random.default_rng(0))
    assert (weights[:, 0] == weights[:, 3]).all() and (weights[:, 2] == weights[:, 5]).all()
    assert (weights[:, [0, 1, 2, 4]].sum(axis=1) == 4).all()
    assert abs(weights.mean(axis=0) - 1).max() < 0.15


def test_swaps_exchange_whole_sources_and_are_symmetric():
    groups = np.array([0, 0, 1])
    seen = swap(lambda w: w[:, 0::2].astype(float), groups, 400, np.random.default_rng(0))
    assert set(map(tuple, seen.tolist())) == {(a, a, b) for a in (-1, 1) for b in (-1, 1)}
    assert abs(seen.mean(axis=0)).max() < 0.15


def test_one_resample_is_refused():
    with pytest.raises(ConfigError, match="1 resamples of 5 pictures give no interval"):
        bootstrap(proportion(2, 5), np.arange(5), 1, np.random.default_rng(0))


def with_sources(data, label):
    for image in data["images"]:
        image["image_source"] = label(image["id"])
    return data


def test_intervals_of_an_evaluator():
    data = with_sources(
        random_dataset(0, n_images=24), lambda i: f"https://youtu.be/abcdefghij{i // 12}?t={i}"
    )
    evaluator = scored(data, random_results(data, 0))
    found = confidence(evaluator, 200, seed=0)
    assert found["bootstrap"]["unit"] == "source" and found["bootstrap"]["units"] == 2
    assert set(found["ci95"]) == set(NAMES) == set(found["bootstrap"]["ci95_pictures"])
    narrow, wide = found["bootstrap"]["ci95_pictures"]["AP"], found["ci95"]["AP"]
    assert wide[0] < narrow[0] < evaluator.summarize()["AP"] < narrow[1] < wide[1]
    assert confidence(evaluator, 200, seed=0) == found != confidence(evaluator, 200, seed=1)
    plain = confidence(scored(with_sources(data, str), random_results(data, 0)), 200, seed=0)
    assert plain["bootstrap"]["unit"] == "picture" and plain["ci95"] == found["bootstrap"]["ci95_pictures"]


def test_postures_get_intervals_of_their_own_pictures():
    data = random_dataset(1, n_images=24)
    for image in data["images"]:
        image["posture"] = ("Supine", "Prone")[image["id"] % 2]
    evaluator = scored(data, random_results(data, 1))
    metrics = {**evaluator.metrics(), "details": evaluator.details()}
    add_intervals(metrics, evaluator, 200, seed=0)
    prone = metrics["details"]["posture"]["Prone"]
    ids = {i for i in range(24) if i % 2}
    part = {**data, "images": [i for i in data["images"] if i["id"] in ids],
            "annotations": [a for a in data["annotations"] if a["image_id"] in ids]}  # fmt: skip
    own = scored(part, [r for r in random_results(data, 1) if r["image_id"] in ids])
    assert prone["ci95"] == confidence(own, 200, seed=0)["ci95"] and prone["ci95"]["AP"][0] < prone["AP"]
    before = dict(metrics)
    add_intervals(metrics, evaluator, 0, seed=0)
    assert metrics == before


def test_methods_of_other_pictures_are_refused():
    one, two = (scored_system(scored(d, random_results(d))) for d in (random_dataset(0), random_dataset(1)))
    with pytest.raises(ValueError, match="the same pictures"):
        compare([one], [two], np.arange(12), 50, seed=0)
    with pytest.raises(ValueError, match="at least one run"):
        measure([], np.arange(12), 50, seed=0)


def test_10000_resamples_of_500_pictures_take_less_than_10_seconds():
    rng = np.random.default_rng(0)
    annotations = [annotation(i + 1, i, rng.uniform(0, 200, (17, 2)), area=9e3 + i) for i in range(500)]
    data = dataset(annotations)
    evaluator = scored(data, random_results(data, 0, noise=12)[:499])
    start = time.process_time()
    found = confidence(evaluator, 10_000, seed=0)
    assert time.process_time() - start < 10
    assert 0.01 < found["ci95"]["AP"][1] - found["ci95"]["AP"][0] < 0.1


def test_any_number_of_pictures_at_once_gives_the_same():
    statistic = AveragePrecision(table(*draw(np.random.default_rng(0), 40, FAIR)))
    weights = np.random.default_rng(1).integers(0, 4, (30, 40))
    np.testing.assert_array_equal(statistic(weights), np.concatenate([statistic(w[None]) for w in weights]))
