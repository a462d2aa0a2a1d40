"""The published step as written up agrees with the task in numbers, and fidip benchmark step times both."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from running import command

from fidip.benchmark.published_step import (
    PublishedStep,
    domain_accuracy_by_sample,
    joints_mse_by_joint,
    pck_by_joint,
)
from fidip.benchmark.step import BenchmarkResult, OwnStep, StepTimes, published_step, random_batch
from fidip.build import build_classifier, build_model
from fidip.cli import exit_on_error
from fidip.codec import HeatmapCodec
from fidip.config import load_config
from fidip.losses import heatmap_pck, joints_mse
from fidip.pixels import normalise
from fidip.stages import build_accelerator, build_stages
from fidip.tasks import AdaptivePoseTask, Strength

TINY = """
MODEL:
  NAME: adaptive_pose_mobile
  IMAGE_SIZE: [64, 96]
  HEATMAP_SIZE: [16, 24]
  SIGMA: 2
  EXTRA: {WIDTH_MULT: 0.25, HEAD_CHANNELS: 32}
ADAPT: {METHOD: grl}
TRAIN: {BATCH_SIZE_PER_GPU: 4, FREEZE: [features.0]}
DEVICE: cpu
"""
PUBLISHED = ("experiments/coco/mobilenet/mobile_224x224_adam_lr1e-3_infant.yaml",
             "experiments/coco/hrnet/w48_384x288_adam_lr1e-3_infant.yaml")  # fmt: skip
ROOT = Path(__file__).parents[1]
LAMBDA = 0.05  # larger than published, so that the adversarial part is no small addition


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A working directory with a config; returns the config."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TINY)
    torch.manual_seed(0)
    return load_config("tiny.yaml")


def tool(*arguments):
    return command("benchmark step")(["--cfg", "tiny.yaml", *arguments])


def batch_of(count):
    """Random samples with images ready for the nets, float64."""
    batch = random_batch((64, 96), HeatmapCodec((16, 24), 2), 17, count, np.random.default_rng(0))
    return batch | {"image": normalise(batch["image"]).double()}


def nets(cfg):
    """Pose net and classifier in float64, in which the memory layout does not show."""
    model = build_model(cfg)
    return model.double(), build_classifier(cfg, model).double()


def publish(model, classifier, batch, weight=LAMBDA, passes=2, rates=(1e-3, 0.0)):
    """Take the published step from copies in the default memory layout; returns them and its figures."""
    copies = copy.deepcopy(model).to(memory_format=torch.contiguous_format), copy.deepcopy(classifier)
    step = PublishedStep(*copies, weight, *rates, classifier_passes=passes)
    return *copies, step(batch["image"].contiguous(), batch["target"], batch["weight"], batch["synthetic"])


def assert_same_gradients(ours, theirs, relative):
    """Compare by norm; in front of a BatchNorm true gradients can be 0, and what is computed is rounding."""
    for (name, own), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert (own.grad - other.grad).norm() <= relative * other.grad.norm() + 1e-12, name


def test_one_pass_with_reversal_has_the_gradients_of_both_stages(tiny):
    model, classifier = nets(tiny)
    batch = batch_of(8)
    stage2, stage1, figures = publish(model, classifier, batch)
    pose_only, _, _ = publish(model, classifier, batch, weight=0.0)
    losses = AdaptivePoseTask(model, classifier, Strength(LAMBDA)).train()(batch, 0.0).losses
    sum(losses.values()).backward()
    assert_same_gradients(model, stage2, 1e-5)
    assert_same_gradients(classifier, stage1, 1e-5)
    with_term, without = stage2.features[-1][0].weight.grad, pose_only.features[-1][0].weight.grad
    assert (with_term - without).norm() > 0.1 * with_term.norm()  # the agreement is not about nothing
    assert losses["domain"].item() == pytest.approx(figures.domain, rel=1e-5)
    pose = losses["pose"].item() - LAMBDA * losses["domain"].item()
    assert pose == pytest.approx(figures.pose, rel=1e-5)


def test_the_classifier_of_the_write_up_leads_by_half_a_step(tiny):
    model, classifier = nets(tiny)
    batch = batch_of(8)
    equal, before, _ = publish(model, classifier, batch)
    led, after, _ = publish(model, classifier, batch, rates=(1e-3, 1e-1))
    assert_same_gradients(after, before, 0)  # Stage I comes first
    weight = "features.18.0.weight"
    assert not torch.equal(led.get_parameter(weight).grad, equal.get_parameter(weight).grad)
    assert torch.equal(before.layer[0].weight, classifier.layer[0].weight)
    assert not torch.equal(after.layer[0].weight, classifier.layer[0].weight)
    assert not torch.equal(equal.hm_conv.weight, model.hm_conv.weight)


@pytest.mark.parametrize("passes", [2, 3])
def test_passes_of_the_nets_per_step(tiny, passes):
    model, classifier = nets(tiny)
    calls = []
    model.register_forward_hook(lambda *_: calls.append("model"))
    classifier.register_forward_hook(lambda *_: calls.append("classifier"))
    publish(model, classifier, batch_of(4), passes=passes)
    assert calls == ["model"] + ["classifier"] * passes


def test_other_numbers_of_passes_are_refused(tiny):
    with pytest.raises(ValueError, match="2 or 3, got 4"):
        publish(*nets(tiny), batch_of(4), passes=4)


def test_loops_give_what_the_project_computes_at_once():
    torch.manual_seed(0)
    codec, rng = HeatmapCodec((16, 24), 2), np.random.default_rng(0)
    target = torch.from_numpy(
        np.stack([codec.encode(rng.uniform(3, 15, (17, 2)), np.ones(17))[0] for _ in range(5)])
    )
    pred, weight = target + 0.3 * torch.randn_like(target), torch.rand(5, 17)
    torch.testing.assert_close(joints_mse_by_joint(pred, target, weight), joints_mse(pred, target, weight))
    share = pck_by_joint(pred.numpy(), target.numpy())
    assert share == pytest.approx(heatmap_pck(pred, target, torch.ones(5, 17)).item(), abs=1e-6)
    assert 0.1 < share < 0.9
    assert np.isnan(pck_by_joint(pred.numpy(), np.zeros_like(target)))
    logits, synthetic = torch.tensor([1.0, -1.0, 2.0, -2.0]), torch.tensor([1.0, 1.0, 0.0, 0.0])
    assert domain_accuracy_by_sample(logits, synthetic) == 0.5


def test_both_sides_start_from_the_same_weights_each_in_its_own_way(tiny):
    model, classifier = nets(tiny)
    accelerator = build_accelerator(tiny)
    ours = OwnStep(build_stages(tiny, model, classifier, [], [], accelerator)[-1], accelerator)
    theirs = published_step(ours, 2)
    for own, other in zip(model.parameters(), theirs.model.parameters(), strict=True):
        assert torch.equal(own, other) and own is not other and own.requires_grad == other.requires_grad
        assert other.is_contiguous()
    assert not any(p.requires_grad for p in theirs.model.features[0].parameters())
    assert theirs.model.features[0][1].training and not model.features[0][1].training
    assert not model.duc1.conv.weight.is_contiguous() and theirs.weight == tiny.TRAIN.LAMBDA
    rates = [o.param_groups[0]["lr"] for o in (theirs.pose_optimizer, theirs.domain_optimizer)]
    assert rates == [tiny.TRAIN.LR] * 2


def test_ratio_is_the_median_over_pairs():
    result = BenchmarkResult(StepTimes([0.1, 0.2, 0.1], 4), StepTimes([0.2, 0.3, 0.9], 4), {})
    assert result.ratio == pytest.approx(2.0) and result.ratio_of_minima == pytest.approx(2.0)
    assert result.ours.median_ms == pytest.approx(100) and result.ours.images_per_s == pytest.approx(40)


def test_the_tool_prints_a_table_and_writes_the_file_alone(tiny, capsys):
    assert tool("--steps", "3", "--warmup", "1", "--output", "times.json", "TRAIN.LAMBDA", "0.001") == 0
    out = capsys.readouterr().out
    assert "tiny: 64x96 px, batch 4, cpu" in out and "times faster" in out
    times = json.loads(Path("times.json").read_text())
    expected = {"config": "tiny", "width": 64, "height": 96, "batch": 4, "steps": 3, "classifier_passes": 2,
                "precision": "fp32", "device": "cpu", "threads": 1}  # fmt: skip
    assert expected.items() <= times.items() and times["provenance"]["versions"]["torch"]
    for side in ("ours", "published"):
        assert len(times[side]["all_ms"]) == 3 and 0 < times[side]["min_ms"] <= times[side]["median_ms"]
        assert times[side]["images_per_s"] == pytest.approx(4000 / times[side]["median_ms"])
    pairs = np.divide(times["published"]["all_ms"], times["ours"]["all_ms"])
    assert times["ratio"] == pytest.approx(np.median(pairs))
    assert sorted(path.name for path in Path().iterdir()) == ["times.json", "tiny.yaml"]


def test_batch_size_and_passes_can_be_chosen(tiny, capsys):
    tool("--steps", "1", "--warmup", "0", "--batch", "2", "--classifier-passes", "3")
    assert "batch 2" in capsys.readouterr().out
    assert [path.name for path in Path().iterdir()] == ["tiny.yaml"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ADAPT.METHOD", "none"], ["tiny.yaml", "adapts by gradient reversal", "set ADAPT.METHOD grl"]),
        (["--steps", "0"], ["--steps 0", "must be positive"]),
        (["--batch", "-1"], ["--batch -1", "must be positive"]),
    ],
)
def test_what_cannot_be_timed_is_one_line_and_status_2(tiny, capsys, arguments, words):
    with pytest.raises(SystemExit) as stop:
        exit_on_error(lambda: tool(*arguments))
    assert stop.value.code == 2
    (line,) = [text for text in capsys.readouterr().err.splitlines() if text.startswith("error:")]
    for word in words:
        assert word in line


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_configs_are_adaptive(name):
    cfg = load_config(ROOT / name)
    assert cfg.ADAPT.METHOD == "grl" and cfg.TRAIN.LAMBDA > 0
