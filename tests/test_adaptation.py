"""The ways to adapt besides FiDIP, against what their papers define, and each of them through a whole training."""

import copy
import math

import pytest
import torch
from running import command
from torch.optim.swa_utils import AveragedModel
from training_setup import (
    TinyNet,
    assert_same_state,
    batch_of,
    forget_processes,
    only_run,
    small_classifier,
    state_of,
    weights_of,
    write_place,
)

from fidip.engine.schedule import warming_average
from fidip.losses import joints_mse
from fidip.tasks import (
    AdaptivePoseTask,
    MatchedPoseTask,
    MeanTeacherTask,
    PoseTask,
    Strength,
    coral,
    features_at_joints,
    mmd,
    perturbed,
)

train_main = command("train")


def samples(count, channels=3, seed=0, shift=0.0, scale=1.0):
    random = torch.Generator().manual_seed(seed)
    return shift + scale * torch.randn(count, channels, generator=random, dtype=torch.float64)


def test_strength_rises_as_published():
    assert Strength(0.3).at(0.0) == Strength(0.3).at(1.0) == 0.3
    for progress in (0.0, 0.1, 0.5, 1.0):
        expected = 0.3 * (2 / (1 + math.exp(-10 * progress)) - 1)
        assert Strength(0.3, warmup=True).at(progress) == pytest.approx(expected, abs=1e-12)


def test_mmd_is_the_mean_of_kernels_pair_by_pair():
    one, other = samples(4), samples(3, seed=1, shift=0.5)
    joined = [*one, *other]
    distances = [
        float((a - b).square().sum()) for i, a in enumerate(joined) for j, b in enumerate(joined) if i != j
    ]
    median = sorted(distances)[(len(distances) - 1) // 2]

    def kernel(a, b):
        squared = float((a - b).square().sum())
        return sum(math.exp(-squared / (2 * w * w * median)) for w in (0.25, 0.5, 1, 2, 4)) / 5

    def mean(xs, ys):
        return sum(kernel(x, y) for x in xs for y in ys) / (len(xs) * len(ys))

    expected = mean(one, one) + mean(other, other) - 2 * mean(one, other)
    assert mmd(one, other).item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("distance", [mmd, coral])
def test_distances_are_zero_for_equal_samples_and_grow(distance):
    one = samples(50)
    assert distance(one, one).item() == pytest.approx(0.0, abs=1e-12)
    near, far = (distance(one, samples(50, seed=1, shift=k, scale=1 + k)).item() for k in (0.2, 2.0))
    assert 0 < near < far
    assert distance(one, 3 * one).item() == pytest.approx(distance(3 * one, one).item(), rel=1e-12)


def test_coral_is_the_distance_of_covariances():
    one, other = samples(20), samples(30, seed=1, scale=2.0)
    gap = torch.cov(one.T) - torch.cov(other.T)
    assert coral(one, other).item() == pytest.approx(gap.square().sum().item() / (4 * 9), rel=1e-10)


def test_matching_descends_on_the_distance_and_no_further():
    net, batch = TinyNet(), batch_of()
    task = MatchedPoseTask(net, coral, Strength(0.7)).train()
    losses = task(batch, 0.0).losses
    features, heatmaps = copy.deepcopy(net).train()(batch["image"])
    means, synthetic = features.mean(dim=(2, 3)), batch["synthetic"] > 0.5
    torch.testing.assert_close(losses["pose"], joints_mse(heatmaps, batch["target"], batch["weight"]))
    torch.testing.assert_close(losses["domain"], 0.7 * coral(means[~synthetic], means[synthetic]))
    losses["domain"].backward()
    assert net.head.weight.grad is None and net.stem[0].weight.grad.abs().sum() > 0


@pytest.mark.parametrize("synthetic", [0.0, 1.0])
def test_a_batch_of_one_domain_adapts_nothing(synthetic):
    batch = batch_of() | {"synthetic": torch.full((8,), synthetic)}
    assert MatchedPoseTask(TinyNet(), mmd, Strength(1.0)).train()(batch, 0.0).losses["domain"].item() == 0
    net = TinyNet()
    teacher = AveragedModel(copy.deepcopy(net), multi_avg_fn=warming_average(0.9), use_buffers=True)
    consistency = (
        MeanTeacherTask(net, teacher, Strength(1.0)).train()(batch, 0.0).losses["consistency"].item()
    )
    assert (consistency == 0) == (synthetic == 1.0)


def test_features_at_joints_are_means_weighted_by_the_maps():
    random = torch.Generator().manual_seed(0)
    features = torch.randn(2, 5, 2, 3, generator=random, requires_grad=True)
    heatmaps = torch.rand(2, 4, 4, 6, generator=random, requires_grad=True)
    seen = features_at_joints(features, heatmaps)
    assert seen.shape == (2, 20, 1, 1)
    maps = heatmaps.detach().reshape(2, 4, 2, 2, 3, 2).mean(dim=(3, 5))
    for b in range(2):
        for k in range(4):
            share = maps[b, k] / maps[b, k].sum()
            expected = (features[b] * share).sum(dim=(1, 2))
            torch.testing.assert_close(seen[b, 5 * k : 5 * k + 5, 0, 0], expected)
    seen.sum().backward()
    assert heatmaps.grad is None and features.grad is not None


def test_conditioned_adaptation_reverses_the_gradient():
    class Sum(torch.nn.Module):
        def forward(self, seen):
            return seen.flatten(1).sum(dim=1)

    net, batch = TinyNet(), batch_of()
    forward = copy.deepcopy(net)
    AdaptivePoseTask(net, Sum(), Strength(0.5), features_at_joints).train()(batch, 0.0).losses[
        "domain"
    ].backward()
    features, heatmaps = forward.train()(batch["image"])
    logits = features_at_joints(features, heatmaps).flatten(1).sum(dim=1)
    torch.nn.functional.binary_cross_entropy_with_logits(logits, batch["synthetic"]).backward()
    torch.testing.assert_close(net.stem[0].weight.grad, -0.5 * forward.stem[0].weight.grad)


def test_perturbed_pictures_keep_their_places():
    torch.manual_seed(0)
    image = torch.randn(4, 3, 32, 32)
    first, second = perturbed(image), perturbed(image)
    assert first.shape == image.shape and torch.isfinite(first).all()
    assert not torch.equal(first, second)
    kept = torch.corrcoef(torch.stack([image[0].flatten(), first[0].flatten()]))[0, 1]
    assert kept > 0.8


def test_the_teacher_is_the_running_mean_and_never_learns():
    net = TinyNet()
    teacher = AveragedModel(copy.deepcopy(net), multi_avg_fn=warming_average(0.9), use_buffers=True)
    task, twin = MeanTeacherTask(net, teacher, Strength(1.0)), copy.deepcopy(teacher)
    optimizer = torch.optim.SGD([p for p in task.parameters() if p.requires_grad], lr=0.1)
    for seed in range(4):
        twin.update_parameters(net)
        optimizer.zero_grad()
        losses = task.train()(batch_of(seed=seed), 0.0).losses
        sum(losses.values()).backward()
        optimizer.step()
        assert losses["consistency"].item() > 0
    assert_same_state(state_of(twin), state_of(teacher))
    assert all(p.grad is None for p in teacher.parameters()) and not teacher.training


def test_consistency_needs_no_labels():
    """With the weights of all labels at 0 the net still learns from real pictures."""
    net = TinyNet()
    teacher = AveragedModel(copy.deepcopy(net), multi_avg_fn=warming_average(0.9), use_buffers=True)
    batch = batch_of()
    batch["weight"] = torch.zeros_like(batch["weight"])
    losses = MeanTeacherTask(net, teacher, Strength(1.0)).train()(batch, 0.0).losses
    assert losses["pose"].item() == 0
    losses["consistency"].backward()
    assert net.head.weight.grad.abs().sum() > 0


def test_without_adaptation_the_second_net_changes_nothing():
    """All kinds begin with the loss of plain training."""
    batch, expected = batch_of(), PoseTask(TinyNet()).train()(batch_of(), 0.0).losses["pose"]
    for task in (
        AdaptivePoseTask(TinyNet(), small_classifier(), Strength(0.1)),
        MatchedPoseTask(TinyNet(), mmd, Strength(0.1)),
    ):
        assert torch.equal(task.train()(batch, 0.0).losses["pose"], expected)


@pytest.mark.parametrize("method", ["cdan", "mmd", "coral", "mean_teacher"])
def test_every_method_trains_through_the_command(tmp_path, monkeypatch, method):
    monkeypatch.chdir(write_place(tmp_path))
    forget_processes()
    overrides = {
        "ADAPT.METHOD": method,
        "ADAPT.LAMBDA_SCHEDULE": "warmup",
        "TRAIN.LAMBDA": "1",
        "TRAIN.PRE_EPOCH": "1",
    }
    train_main(["--cfg", "tiny.yaml", *(word for pair in overrides.items() for word in pair)])
    folder = only_run()
    assert all(torch.isfinite(value).all() for value in weights_of(folder).values())
    log = (folder / "train.log").read_text()
    assert ("classifier epoch 1/1" in log) == (method == "cdan")
    assert ("consistency" if method == "mean_teacher" else "domain") in log
