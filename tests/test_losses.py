"""Losses against the published formulas, written joint by joint."""

import math

import pytest
import torch

from fidip.losses import hard_joints_mse, heatmap_pck, joints_cross_entropy, joints_mse


@pytest.fixture
def maps():
    """Prediction and target (B, K, h, w) on maps that are not square, and weights (B, K)."""
    random = torch.Generator().manual_seed(3)
    pred, target = torch.randn(2, 6, 5, 9, 7, generator=random)
    weight = torch.rand(6, 5, generator=random) * (torch.rand(6, 5, generator=random) > 0.3)
    return pred, target, weight


def mse_by_joint(pred, target, weight):
    """The published loop: 0.5 * mean((w * p - w * t)^2) of each joint, averaged over joints."""
    total = 0.0
    joints = pred.shape[1]
    for k in range(joints):
        p, t, w = pred[:, k].flatten(1), target[:, k].flatten(1), weight[:, k, None]
        total += 0.5 * (w * p - w * t).square().mean()
    return total / joints


def ohkm_by_sample(pred, target, weight, topk):
    """The published loop: of each sample the mean of its ``topk`` worst joints."""
    total = 0.0
    for p, t, w in zip(pred, target, weight, strict=True):
        losses = [0.5 * (w[k] * p[k] - w[k] * t[k]).square().mean() for k in range(len(w))]
        total += sum(sorted(losses, reverse=True)[:topk]) / topk
    return total / len(pred)


def test_joints_mse_is_the_published_loop(maps):
    assert abs(joints_mse(*maps) - mse_by_joint(*maps)) < 1e-7


@pytest.mark.parametrize("topk", [1, 3, 5])
def test_hard_joints_mse_is_the_published_loop(maps, topk):
    assert abs(hard_joints_mse(*maps, topk) - ohkm_by_sample(*maps, topk)) < 1e-7


def test_all_joints_are_hard_when_all_are_asked_for(maps):
    torch.testing.assert_close(hard_joints_mse(*maps, topk=5), joints_mse(*maps))


def test_cross_entropy_is_the_divergence_from_the_target(maps):
    pred, target, weight = maps
    pred, target = pred.flatten(2).softmax(2).view_as(pred), target.abs()
    total = 0.0
    for b, k in ((b, k) for b in range(6) for k in range(5)):
        aim = target[b, k] / target[b, k].sum()
        total += weight[b, k] * (aim * (aim / pred[b, k]).log()).sum() / 30
    torch.testing.assert_close(joints_cross_entropy(pred, target, weight), total)
    alike = target / target.sum((2, 3), keepdim=True)
    assert joints_cross_entropy(alike, target, weight).abs() < 1e-6


@pytest.mark.parametrize("topk", [0, 6])
def test_a_wrong_number_of_hard_joints_is_named(maps, topk):
    with pytest.raises(ValueError, match=rf"topk must be in 1\.\.5, got {topk}"):
        hard_joints_mse(*maps, topk)


@pytest.mark.parametrize("loss", [joints_mse, lambda *a, **k: hard_joints_mse(*a, topk=3, **k)])
def test_sample_weights_multiply_each_sample(maps, loss):
    factors = torch.tensor([0.0, 1.0, 2.0, 0.5, 3.0, 1.0])
    by_hand = sum(f * loss(*(part[i : i + 1] for part in maps)) for i, f in enumerate(factors)) / 6
    torch.testing.assert_close(loss(*maps, sample_weight=factors), by_hand)
    torch.testing.assert_close(loss(*maps, sample_weight=torch.ones(6)), loss(*maps))


def test_joints_without_weight_give_no_gradient(maps):
    pred, target, weight = maps
    pred.requires_grad_()
    weight[:, 2] = 0
    joints_mse(pred, target, weight).backward()
    assert (pred.grad[:, 2] == 0).all() and (pred.grad[:, 0] != 0).any()


def one_hot(positions, height, width):
    """Maps (1, K, h, w), one at the (x, y) of each joint."""
    maps = torch.zeros(1, len(positions), height, width)
    for k, (x, y) in enumerate(positions):
        maps[0, k, y, x] = 1
    return maps


def test_pck_takes_each_axis_in_its_own_units():
    # 40 wide, 20 high: a step of 2 px is 0.05 of the width and 0.1 of the height
    true = one_hot([(10, 10)] * 5, 20, 40)
    found = one_hot([(10, 10), (11, 10), (12, 10), (10, 11), (10, 12)], 20, 40)
    distance = [0, 0.025, 0.05, 0.05, 0.1]
    for threshold, hits in ((0.01, 1), (0.04, 2), (0.06, 4), (0.2, 5)):
        assert sum(d < threshold for d in distance) == hits
        assert heatmap_pck(found, true, torch.ones(1, 5), threshold).item() == pytest.approx(hits / 5)


def test_pck_counts_labelled_joints_only():
    true, found = one_hot([(1, 1), (8, 2), (3, 5)], 6, 10), one_hot([(1, 1), (1, 5), (3, 5)], 6, 10)
    assert heatmap_pck(found, true, torch.tensor([[1.0, 1.0, 0.0]])).item() == 0.5
    assert heatmap_pck(found, true, torch.tensor([[1.2, 0.0, 0.0]])).item() == 1.0
    assert math.isnan(heatmap_pck(found, true, torch.zeros(1, 3)).item())
