"""Distances between samples whose true distance is known."""

import numpy as np
import pytest
from scipy import stats
from scipy.linalg import sqrtm

from fidip.domain_gap import (
    DomainFeatures,
    frechet_distance,
    median_distance,
    mmd_test,
    one_per_source,
    squared_mmd,
    standardise,
)
from fidip.errors import DataError


def sample(rng, count, mean, covariance):
    """A sample with exactly these moments."""
    raw = rng.normal(size=(count, len(mean)))
    raw -= raw.mean(axis=0)
    white = raw @ np.linalg.inv(np.linalg.cholesky(np.cov(raw.T))).T
    return white @ np.linalg.cholesky(covariance).T + mean


def random_covariance(rng, size):
    root = rng.normal(size=(size, size))
    return root @ root.T + 0.1 * np.eye(size)


def test_frechet_of_gaussians_with_common_axes():
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    first = sample(rng, 50, [0, 0, 0], turn @ np.diag([1.0, 4.0, 9.0]) @ turn.T)
    second = sample(rng, 70, [1, 2, -2], turn @ np.diag([4.0, 4.0, 0.25]) @ turn.T)
    expected = 9 + (1 - 2) ** 2 + 0 + (3 - 0.5) ** 2
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(second, first) == pytest.approx(expected, rel=1e-9)


def test_frechet_is_the_formula_with_the_matrix_root():
    rng = np.random.default_rng(1)
    covariances = [random_covariance(rng, 4) for _ in range(2)]
    first, second = (sample(rng, 40, rng.normal(size=4), c) for c in covariances)
    root = sqrtm(covariances[0] @ covariances[1]).real
    expected = ((first.mean(0) - second.mean(0)) ** 2).sum() + np.trace(sum(covariances) - 2 * root)
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-9)


def test_frechet_with_fewer_samples_than_channels():
    rng = np.random.default_rng(2)
    first, second = sample(rng, 20, [0, 0], np.eye(2)), sample(rng, 30, [3, 0], 4 * np.eye(2))
    wide = [np.hstack([part, np.zeros((len(part), 98))]) for part in (first, second)]
    turn = np.linalg.qr(rng.normal(size=(100, 100)))[0]
    assert frechet_distance(wide[0] @ turn, wide[1] @ turn) == pytest.approx(9 + 2, rel=1e-9)
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-12)


def test_mmd_is_the_double_sum():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(7, 3)), rng.normal(1, 2, size=(5, 3))

    def mean(a, b, same):
        values = [
            np.exp(-((p - q) ** 2).sum() / (2 * 1.3**2))
            for i, p in enumerate(a)
            for j, q in enumerate(b)
            if not (same and i == j)
        ]
        return np.mean(values)

    expected = mean(x, x, True) + mean(y, y, True) - 2 * mean(x, y, False)
    assert squared_mmd(x, y, 1.3) == pytest.approx(expected, rel=1e-10)


def test_mmd_of_shifted_gaussians():
    """E k(x, y) of Gaussians of deviation s a distance d apart is (b/v)^D exp(-d^2 / (2 v^2)), v^2 = b^2 + 2 s^2."""
    rng = np.random.default_rng(4)
    shift, bandwidth, deviation = np.array([0.8, 0.0]), 1.5, 0.7
    variance = bandwidth**2 + 2 * deviation**2
    expected = 2 * bandwidth**2 / variance * (1 - np.exp(-(shift**2).sum() / (2 * variance)))
    values = [
        squared_mmd(rng.normal(0, deviation, (60, 2)), shift + rng.normal(0, deviation, (80, 2)), bandwidth)
        for _ in range(300)
    ]
    assert abs(np.mean(values) - expected) < 4 * np.std(values) / np.sqrt(300)
    assert np.std(values) / np.sqrt(300) < 0.02 * expected


def test_median_distance():
    points = np.array([[0.0, 0], [3, 4], [3, 4], [6, 8]])
    assert median_distance(points) == pytest.approx(5)


def test_p_values_are_uniform_without_a_difference():
    p_values = []
    for number in range(300):
        rng = np.random.default_rng([5, number])
        x, y = rng.normal(size=(15, 4)), rng.normal(size=(25, 4))
        p_values.append(mmd_test(x, y, rng, permutations=99).p_value)
    # ties of the 100 possible values make the test stricter than it says
    assert stats.kstest(p_values, "uniform").pvalue > 0.02
    assert np.mean(np.array(p_values) <= 0.05) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)


def test_p_value_of_a_clear_difference_is_the_least_possible():
    rng = np.random.default_rng(6)
    test = mmd_test(rng.normal(size=(30, 4)), rng.normal(2, 1, size=(30, 4)), rng, permutations=199)
    assert test.p_value == 1 / 200
    assert test.squared > 0.1


def test_mmd_test_is_determined_by_its_generator():
    x, y = np.random.default_rng(7).normal(size=(2, 20, 3))
    tests = [mmd_test(x, y, np.random.default_rng(seed), 999) for seed in (0, 0, 1)]
    assert tests[0] == tests[1] != tests[2]
    assert tests[0].squared == tests[2].squared == pytest.approx(squared_mmd(x, y, tests[0].bandwidth))


def test_standardising_undoes_scale_and_offset_of_each_channel():
    rng = np.random.default_rng(8)
    x, y = rng.normal(size=(30, 4)), rng.normal(1, 2, size=(90, 4))
    scale, offset = np.array([1e-4, 1, 50, 1e3]), np.array([0, 1, -7, 1e3])
    plain, moved = standardise(x, y), standardise(x * scale + offset, y * scale + offset)
    for a, b in zip(plain, moved, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-9)
    np.testing.assert_allclose((plain[0].mean(0) + plain[1].mean(0)) / 2, 0, atol=1e-12)
    np.testing.assert_allclose(((plain[0] ** 2).mean(0) + (plain[1] ** 2).mean(0)) / 2, 1, atol=1e-12)


def test_dead_channels_are_dropped():
    x, y = np.random.default_rng(9).normal(size=(2, 10, 3))
    x[:, 1] = y[:, 1] = 0.3
    assert standardise(x, y)[0].shape == (10, 2)
    with pytest.raises(DataError, match="same for all pictures"):
        standardise(np.ones((4, 2)), np.ones((4, 2)))


def test_one_picture_of_each_source():
    vectors = np.arange(6.0)[:, None]
    features = DomainFeatures(vectors, ["a", "a", "b", "c", "c", "c"])
    drawn = np.array([one_per_source(features, np.random.default_rng(seed)).ravel() for seed in range(300)])
    assert drawn.shape == (300, 3)
    assert [sorted(set(column)) for column in drawn.T.tolist()] == [[0, 1], [2], [3, 4, 5]]
    assert np.bincount(drawn[:, 2].astype(int))[3:].min() > 70


def test_misuse_is_refused():
    with pytest.raises(DataError, match="two of each domain"):
        frechet_distance(np.ones((1, 2)), np.ones((4, 2)))
    with pytest.raises(DataError, match="no scale"):
        mmd_test(np.ones((4, 2)), np.ones((4, 2)), np.random.default_rng(0))
    with pytest.raises(DataError, match="one row a picture"):
        DomainFeatures(np.ones((4, 2)), ["a"])
    with pytest.raises(DataError, match="NaN"):
        DomainFeatures(np.full((1, 2), np.nan), ["a"])
