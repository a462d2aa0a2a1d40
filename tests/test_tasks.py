"""Tasks against the same gradients written by hand; what is frozen does not move."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from training_setup import TinyNet, batch_of, small_classifier, state_of

from fidip.engine.schedule import OptimizerOptions, make_optimizer
from fidip.errors import ConfigError
from fidip.losses import joints_mse
from fidip.models.pose import POSE_NETS
from fidip.tasks import AdaptivePoseTask, DomainWarmupTask, DomainWeights, PoseTask, Strength, frozen_names

LAMBDA = 0.3


def steps(task, count=4, name="sgd", lr=0.05, **options):
    """A few optimiser steps on random batches, as the loop does them."""
    optimizer = make_optimizer(task, OptimizerOptions(name, lr=lr, weight_decay=0.01, **options))
    for seed in range(count):
        task.train()
        optimizer.zero_grad()
        torch.stack([*task(batch_of(seed=seed), 0.0).losses.values()]).sum().backward()
        optimizer.step()
    return optimizer


def changed(before, module):
    """Names of tensors that are no longer what they were."""
    return [name for name, value in module.state_dict().items() if not torch.equal(before[name], value)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_reversal_equals_the_hand_written_min_max(dtype):
    net, classifier = TinyNet().to(dtype), small_classifier().to(dtype)
    net_copy, classifier_copy = copy.deepcopy(net), copy.deepcopy(classifier)
    batch = batch_of(dtype=dtype)
    losses = AdaptivePoseTask(net, classifier, Strength(LAMBDA)).train()(batch, 0.0).losses
    sum(losses.values()).backward()

    features, heatmaps = net_copy.train()(batch["image"])
    pose = joints_mse(heatmaps.float(), batch["target"], batch["weight"])
    logits = classifier_copy.train()(features).float()
    domain = F.binary_cross_entropy_with_logits(logits, batch["synthetic"])
    torch.testing.assert_close(losses, {"pose": pose, "domain": domain})
    expected = [
        *torch.autograd.grad(pose - LAMBDA * domain, [*net_copy.parameters()], retain_graph=True),
        *torch.autograd.grad(domain, [*classifier_copy.parameters()]),
    ]
    for parameter, gradient in zip([*net.parameters(), *classifier.parameters()], expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_the_published_two_steps_move_the_classifier_alike():
    """Stage I steps the classifier on detached features; its gradient is that of the one pass."""
    net, classifier = TinyNet(), small_classifier()
    batch = batch_of()
    AdaptivePoseTask(net, classifier, Strength(LAMBDA)).train()(batch, 0.0).losses["domain"].backward()
    alone = copy.deepcopy(classifier)
    alone.zero_grad()
    features = net(batch["image"])[0].detach()
    F.binary_cross_entropy_with_logits(alone(features), batch["synthetic"]).backward()
    for one, other in zip(classifier.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_frozen_weights_and_statistics_do_not_move(name):
    net, classifier = TinyNet(), small_classifier()
    before = state_of(net)
    steps(AdaptivePoseTask(net, classifier, Strength(LAMBDA), frozen=["stem"]), name=name)
    moved = changed(before, net)
    assert [n for n in moved if n.startswith("stem.")] == []
    assert {"body.0.weight", "body.1.running_mean", "body.1.running_var", "head.weight"} <= set(moved)
    assert all(p.grad is None for p in net.stem.parameters())


def test_a_later_task_trains_what_an_earlier_one_froze():
    net = TinyNet()
    steps(PoseTask(net, frozen=["stem"]))
    before = state_of(net)
    steps(PoseTask(net))
    assert {"stem.0.weight", "stem.1.running_mean"} <= set(changed(before, net))


@pytest.mark.parametrize(
    ("kind", "extra", "preset", "inside", "outside"),
    [
        ("pose_resnet", {"NUM_LAYERS": 18}, "res1-3", ("conv1", "layer1", "layer2"), ("layer3", "layer4")),
        ("pose_resnet", {"NUM_LAYERS": 18}, "res1-4", ("layer2", "layer3"), ("layer4", "deconv_layers")),
        ("pose_hrnet", None, "transition2", ("conv2", "stage2", "transition2"), ("stage3", "final_layer")),
    ],
)
def test_presets_resolve_to_the_published_choices(kind, extra, preset, inside, outside):
    branches = {f"STAGE{n}": {"NUM_MODULES": 1, "NUM_BRANCHES": n, "BLOCK": "BASIC", "NUM_BLOCKS": [1] * n,
                              "NUM_CHANNELS": [8 * 2**i for i in range(n)], "FUSE_METHOD": "SUM"}
                for n in (2, 3, 4)}  # fmt: skip
    net = POSE_NETS[kind](17, (64, 64), branches if extra is None else extra, "")
    task = PoseTask(net, frozen=[preset]).train()
    for name in inside:
        modules = [*net.get_submodule(name).modules()]
        assert not any(m.training for m in modules)
        assert not any(p.requires_grad for p in net.get_submodule(name).parameters())
    for name in outside:
        assert all(m.training and all(p.requires_grad for p in m.parameters())
                   for m in net.get_submodule(name).modules())  # fmt: skip
    assert task.frozen


@pytest.mark.parametrize("wanted", [["stem", "layre1"], ["res1-3"], [""]])
def test_a_frozen_name_that_matches_nothing_is_an_error(wanted):
    with pytest.raises(
        ConfigError, match=rf"TRAIN\.FREEZE names {wanted[-1]}, which .*it has stem, body, head"
    ):
        frozen_names(TinyNet(), wanted)


def test_warmup_leaves_the_pose_net_as_it_is_and_the_classifier_learns():
    net, classifier = TinyNet(), small_classifier()
    before, seen = state_of(net), []
    net.stem.register_forward_hook(lambda module, inputs, output: seen.append(output.requires_grad))
    task = DomainWarmupTask(net, classifier)
    first = task.train()(batch_of(seed=0), 0.0).losses["domain"].item()
    optimizer = steps(task, count=12, name="adam", lr=0.02)
    assert changed(before, net) == []
    assert seen and not any(seen) and all(p.grad is None for p in net.parameters())
    assert {id(p) for g in optimizer.param_groups for p in g["params"]} == {
        id(p) for p in classifier.parameters()
    }
    assert task(batch_of(seed=0), 0.0).losses["domain"].item() < 0.5 * first
    assert task(batch_of(seed=0), 0.0).figures["domain_accuracy"] == 1.0


def test_after_the_warmup_a_pose_stage_trains_the_pose_net_again():
    net, classifier = TinyNet(), small_classifier()
    steps(DomainWarmupTask(net, classifier))
    before = state_of(net)
    steps(AdaptivePoseTask(net, classifier, Strength(LAMBDA)))
    assert {n for n, v in net.state_dict().items() if v.is_floating_point()} == {
        n for n in changed(before, net) if "num_batches" not in n
    }


def gradients(net, batch, **options):
    net.zero_grad()
    PoseTask(net, **options).eval()(batch, 0.0).losses[
        "pose"
    ].backward()  # fixed statistics: samples are independent
    return [p.grad.clone() for p in net.parameters()]


def test_domain_weights_are_factors_on_the_samples_of_a_domain():
    net, batch = TinyNet(), batch_of()
    real, synthetic = (
        {k: v * (batch["synthetic"] == s).float().view(-1, *[1] * (v.dim() - 1)) if k == "weight" else v
         for k, v in batch.items()} for s in (0, 1)
    )  # fmt: skip
    for found, expected in (
        (gradients(net, batch, domain_weights=DomainWeights(0, 1)), gradients(net, synthetic)),
        (gradients(net, batch, domain_weights=DomainWeights(1, 0)), gradients(net, real)),
    ):
        torch.testing.assert_close(found, expected)
    both = gradients(net, batch, domain_weights=DomainWeights(3, 0.5))
    by_hand = [3 * r + 0.5 * s for r, s in zip(gradients(net, real), gradients(net, synthetic), strict=True)]
    torch.testing.assert_close(both, by_hand)


def test_real_weight_zero_gives_no_gradient_from_real_samples():
    net, batch = TinyNet(), batch_of()
    batch["synthetic"] = torch.zeros_like(batch["synthetic"])
    assert all((g == 0).all() for g in gradients(net, batch, domain_weights=DomainWeights(0, 1)))


def test_joint_weights_multiply_the_weights_of_the_labels():
    net, batch = TinyNet(), batch_of()
    factors = [0.0, 1.0, 2.0]
    task = PoseTask(net, joint_weights=factors).eval()
    heatmaps = net(batch["image"])[1]
    expected = joints_mse(heatmaps, batch["target"], batch["weight"] * torch.tensor(factors))
    torch.testing.assert_close(task(batch, 0.0).losses["pose"], expected)
    assert "joint_weights" not in task.state_dict()


def test_uint8_pictures_are_normalised_and_bgr_is_the_other_order():
    net, batch = TinyNet().eval(), batch_of()
    batch["image"] = torch.randint(0, 256, (8, 3, 16, 16), dtype=torch.uint8)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    by_hand = (batch["image"] / 255 - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    torch.testing.assert_close(PoseTask(net).pixels(batch), by_hand)
    assert not torch.allclose(PoseTask(net, rgb=False).pixels(batch), by_hand)


def test_a_module_called_classifier_inside_the_net_is_not_the_domain_classifier():
    net = TinyNet()
    net.classifier = nn.Linear(2, 2)
    (group,) = make_optimizer(PoseTask(net), OptimizerOptions(lr=1.0, classifier_lr=5.0)).param_groups
    assert group["lr"] == 1.0 and len(group["params"]) == len([*net.parameters()])
