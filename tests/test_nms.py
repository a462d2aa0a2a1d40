"""OKS and its suppression against slow loops written from the formulas."""

import math

import numpy as np
import pytest

from fidip.evaluation import oks, oks_nms, soft_oks_nms
from fidip.evaluation.nms import MAX_KEPT, keypoint_areas, soft_oks_scores
from fidip.skeleton import COCO17


def slow_oks(a, b, area_a, area_b):
    total = 0.0
    for joint, sigma in enumerate(COCO17.sigmas):
        d2 = (a[joint][0] - b[joint][0]) ** 2 + (a[joint][1] - b[joint][1]) ** 2
        total += math.exp(-d2 / (2 * sigma) ** 2 / ((area_a + area_b) / 2 + np.spacing(1)) / 2)
    return total / len(COCO17.sigmas)


def slow_nms(keypoints, scores, areas, threshold):
    kept = []
    for i in sorted(range(len(scores)), key=lambda i: -scores[i]):
        if all(slow_oks(keypoints[i], keypoints[j], areas[i], areas[j]) <= threshold for j in kept):
            kept.append(i)
    return kept


def slow_soft_nms(keypoints, scores, areas, threshold):
    scores, left, kept = list(scores), list(range(len(scores))), []
    while left and len(kept) < 20:
        best = max(left, key=lambda i: scores[i])
        left.remove(best)
        kept.append(best)
        for i in left:
            overlap = slow_oks(keypoints[best], keypoints[i], areas[best], areas[i])
            scores[i] *= math.exp(-(overlap**2) / threshold)
    return kept, [scores[i] for i in kept]


def crowd(rng, n, groups):
    """n noisy copies of ``groups`` persons: many pairs lie on both sides of every threshold."""
    people = rng.uniform(0, 300, (groups, 17, 3))
    keypoints = people[rng.integers(groups, size=n)] + rng.normal(0, 1, (n, 17, 3)) * rng.uniform(
        0, 40, (n, 1, 1)
    )
    return keypoints, rng.permutation(n) / n + 0.01, rng.uniform(2000, 90000, n)


def test_oks_by_hand():
    a = np.zeros((17, 3))
    b = np.zeros((17, 3))
    b[0, :2] = (3, 4)  # nose 5 px off, the rest exact
    expected = (16 + math.exp(-25 / (2 * 0.026) ** 2 / 2000 / 2)) / 17
    assert oks(a, b, 1000, 3000) == pytest.approx(expected, abs=1e-15)
    assert oks(a, a, 1000, 3000) == 1.0


def test_oks_broadcasts_and_ignores_the_third_column():
    rng = np.random.default_rng(1)
    keypoints, _, areas = crowd(rng, 6, 2)
    matrix = oks(keypoints[:, None], keypoints[None], areas[:, None], areas[None])
    expected = [
        [slow_oks(a, b, s, t) for b, t in zip(keypoints, areas, strict=True)]
        for a, s in zip(keypoints, areas, strict=True)
    ]
    np.testing.assert_allclose(matrix, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.5, 0.9])
def test_oks_nms_equals_the_double_loop(threshold):
    removed = 0
    for seed in range(10):
        keypoints, scores, areas = crowd(np.random.default_rng(seed), 30, 5)
        kept = oks_nms(keypoints, scores, areas, threshold)
        assert kept.tolist() == slow_nms(keypoints, scores, areas, threshold)
        removed += 30 - len(kept)
    assert removed > 0


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("n", [1, 12, 35])
def test_soft_oks_nms_equals_the_loop(threshold, n):
    for seed in range(5):
        keypoints, scores, areas = crowd(np.random.default_rng(seed), n, 4)
        expected, expected_scores = slow_soft_nms(keypoints, scores, areas, threshold)
        assert soft_oks_nms(keypoints, scores, areas, threshold).tolist() == expected
        np.testing.assert_allclose(
            soft_oks_scores(keypoints, scores, areas, threshold)[1], expected_scores, rtol=1e-12
        )
        assert len(expected) == min(n, MAX_KEPT)


def test_soft_nms_lowers_an_exact_repetition_by_the_gaussian():
    keypoints = np.repeat(np.random.default_rng(0).uniform(0, 100, (1, 17, 3)), 2, axis=0)
    kept, scores = soft_oks_scores(keypoints, [0.8, 0.9], [5000, 5000], 0.9)
    assert kept.tolist() == [1, 0]
    np.testing.assert_allclose(scores, [0.9, 0.8 * math.exp(-1 / 0.9)], rtol=1e-15)


def test_similarity_equal_to_the_threshold_is_kept():
    keypoints = np.zeros((2, 17, 3))
    assert oks_nms(keypoints, [1, 0.5], [10, 10], 1.0).tolist() == [0, 1]
    assert oks_nms(keypoints, [1, 0.5], [10, 10], 0.999).tolist() == [0]


def test_nobody_and_equal_scores():
    assert oks_nms(np.zeros((0, 17, 3)), [], [], 0.9).shape == (0,)
    assert soft_oks_nms(np.zeros((0, 17, 3)), [], [], 0.9).dtype == np.int64
    apart = np.arange(3)[:, None, None] * 1e4 + np.zeros((3, 17, 3))
    assert oks_nms(apart, [1, 1, 1], [10, 10, 10], 0.9).tolist() == [0, 1, 2]


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="lengths differ: 2 keypoints, 3 scores, 2 areas"):
        oks_nms(np.zeros((2, 17, 3)), [1, 2, 3], [1, 1], 0.9)


def test_area_of_joints():
    keypoints = np.zeros((2, 17, 3))
    keypoints[0, 3] = (20, 5, 0.9)
    keypoints[0, 4] = (-10, 3, 0.1)
    assert keypoint_areas(keypoints).tolist() == [150.0, 0.0]
