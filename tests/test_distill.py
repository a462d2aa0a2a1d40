"""Distillation against the same step written by hand, and as a config asks for it."""

import pytest
import torch
from torch.nn import functional as F
from training_setup import TinyNet, batch_of, forget_processes, write_place

from fidip.cli import main as console
from fidip.errors import ConfigError
from fidip.losses import joints_mse
from fidip.tasks import DistillTask, DomainWeights


def test_the_loss_is_that_between_the_heatmaps_of_both_networks():
    net, teacher = TinyNet(0), TinyNet(5)
    batch = batch_of(4)
    task = DistillTask(net, teacher, (32, 32), 0.7).train()
    losses = task(batch, 0.0).losses
    images = batch["image"]
    size = images.shape[2:]
    teacher.eval()
    with torch.no_grad():
        aim = teacher(F.interpolate(images, (32, 32), mode="bilinear", align_corners=True))[1]
        aim = F.interpolate(aim, (size[0] // 4, size[1] // 4), mode="bilinear", align_corners=True)
    other = TinyNet(0).train()
    heatmaps = other(images)[1]
    torch.testing.assert_close(losses["pose"], joints_mse(heatmaps, batch["target"], batch["weight"]))
    torch.testing.assert_close(losses["distill"], 0.7 * 0.5 * (heatmaps - aim).square().mean())
    sum(losses.values()).backward()
    assert all(p.grad is None for p in teacher.parameters())
    assert not any("teacher" in name for name, _ in task.named_parameters())


def test_unlabelled_samples_teach_through_the_teacher_alone():
    net, teacher = TinyNet(0), TinyNet(5)
    task = DistillTask(net, teacher, (32, 32), 1.0, domain_weights=DomainWeights(0.0, 0.0))
    losses = task(batch_of(4), 0.0).losses
    assert losses["pose"] == 0 and losses["distill"] > 0


def test_a_config_names_the_teacher(tmp_path, monkeypatch):
    forget_processes()
    monkeypatch.chdir(write_place(tmp_path))
    plain = ["ADAPT.METHOD", "none", "DATASET.TEST_SET", "", "TRAIN.LR", "0.01"]
    assert console(["train", "--cfg", "tiny.yaml", *plain]) == 0
    (untaught,) = (tmp_path / "output").glob("*/model_last.pth")
    taught = [*plain, "DISTILL.TEACHER", str(untaught), "DISTILL.CONFIG", "tiny.yaml", "OUTPUT_DIR", "taught"]
    assert console(["train", "--cfg", "tiny.yaml", *taught]) == 0
    (run,) = (tmp_path / "taught").iterdir()
    assert run.name != untaught.parent.name
    first, second = (torch.load(file, weights_only=True) for file in (untaught, run / "model_last.pth"))
    assert any(not torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (["DISTILL.TEACHER", "tiny.yaml"], "exclude each other"),
        (["DISTILL.TEACHER", "tiny.yaml", "ADAPT.METHOD", "none"], "needs DISTILL.CONFIG"),
        (
            ["DISTILL.TEACHER", "no.pth", "DISTILL.CONFIG", "tiny.yaml", "ADAPT.METHOD", "none"],
            "no.pth does not exist",
        ),
    ],
)
def test_contradictions_are_named(tmp_path, monkeypatch, keys, words):
    forget_processes()
    monkeypatch.chdir(write_place(tmp_path))
    with pytest.raises(ConfigError, match=words):
        console(["train", "--cfg", "tiny.yaml", *keys])
