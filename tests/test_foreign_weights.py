"""Weights that other programs wrote, and starts of a training that other content would change in silence."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from running import command
from training_setup import edit_split, forget_processes, write_place

from fidip.build import build_model, load_start
from fidip.config import load_config
from fidip.errors import ConfigError, FidipError, WeightsError, message_of
from fidip.models import load_weights

train = command("train")


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(write_place(tmp_path))
    forget_processes()
    return tmp_path


def resnet(seed=0):
    cfg = Path("resnet.yaml")
    cfg.write_text(
        "MODEL: {NAME: pose_resnet, IMAGE_SIZE: [64, 64], HEATMAP_SIZE: [16, 16], "
        "EXTRA: {NUM_LAYERS: 18, NUM_DECONV_FILTERS: [16, 16, 16], NUM_DECONV_KERNELS: [4, 4, 4]}}"
    )
    torch.manual_seed(seed)
    return build_model(load_config(cfg))


def renamed(tensors, kind):
    """A state dict as another program writes it."""
    trunk = {name for name in tensors if not name.startswith(("deconv", "final"))}
    if kind == "compiled":
        return {f"_orig_mod.{name}": tensor for name, tensor in tensors.items()}
    if kind == "parallel twice":
        return {"state_dict": {f"module.module.{name}": tensor for name, tensor in tensors.items()}}
    if kind == "lightning":
        return {"state_dict": {f"model.{name}": tensor for name, tensor in tensors.items()}, "epoch": 3}
    if kind in ("mmpose", "mmpose 1"):
        head = "keypoint_head" if kind == "mmpose" else "head"
        named = {
            f"{'backbone' if name in trunk else head}.{name}": tensor for name, tensor in tensors.items()
        }
        return {"meta": {"cfg": "x"}, "state_dict": named}
    if kind == "arrays":
        return {"params": {name: tensor.numpy() for name, tensor in tensors.items()}, "history": [1.0]}
    return {"checkpoint": {"model_state_dict": tensors}, "loss": np.float64(0.5)}


@pytest.mark.parametrize(
    "kind", ["compiled", "parallel twice", "lightning", "mmpose", "mmpose 1", "arrays", "nested"]
)
def test_weights_are_matched_by_structure(place, kind):
    source, target = resnet(0), resnet(1)
    torch.save(renamed(dict(source.state_dict()), kind), "x.pth")
    assert load_weights(target, "x.pth").complete
    for name, tensor in source.state_dict().items():
        assert torch.equal(tensor, target.state_dict()[name]), name


def test_which_of_several_weights_is_taken_is_said(place, caplog):
    plain, mean = resnet(0), resnet(1)
    torch.save({"state_dict_ema": dict(mean.state_dict()), "state_dict": dict(plain.state_dict())}, "x.pth")
    target = resnet(2)
    load_weights(target, "x.pth")
    assert torch.equal(target.conv1.weight, plain.conv1.weight)
    assert "x.pth holds several sets of weights; 'state_dict' is taken, not 'state_dict_ema'" in caplog.text


def test_no_part_of_a_trunk_stays_random(place):
    source = resnet(0)
    trunk = {name: t for name, t in source.state_dict().items() if not name.startswith(("deconv", "final"))}
    torch.save(trunk, "trunk.pth")
    cfg = load_config("resnet.yaml", ["MODEL.PRETRAINED_TRUNK", "trunk.pth"])
    assert torch.equal(load_start(cfg).conv1.weight, source.conv1.weight)
    torch.save({name: t for name, t in trunk.items() if not name.startswith("layer4.1")}, "trunk.pth")
    with pytest.raises(
        WeightsError, match=r"trunk\.pth leaves \d+ tensors of the trunk at random \(layer4\.1"
    ):
        load_start(cfg)


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps"])
def test_a_device_that_is_not_there_is_refused_before_the_work(place, name):
    if torch.cuda.is_available() or torch.backends.mps.is_available():
        pytest.skip("the device is there")
    with pytest.raises(ConfigError, match=f"DEVICE '{name}' is not usable here"):
        train(["--cfg", "tiny.yaml", "DEVICE", name])
    assert not list(Path("output").glob("*/checkpoint.pth"))


def test_other_content_is_not_the_same_run(place, caplog):
    caplog.set_level(logging.ERROR)
    torch.save(build_model(load_config("tiny.yaml")).state_dict(), "start.pth")
    words = [
        "--cfg",
        "tiny.yaml",
        "MODEL.PRETRAINED",
        "start.pth",
        "TRAIN.END_EPOCH",
        "1",
        "DATASET.VAL_SET",
        "",
    ]
    train(words)
    forget_processes()
    train(words)  # the same: nothing to do
    torch.save(build_model(load_config("tiny.yaml")).state_dict(), "start.pth")
    forget_processes()
    with pytest.raises(FidipError, match=r"checkpoint"):
        train(words)


def test_moved_boxes_are_other_data(place):
    words = ["--cfg", "tiny.yaml", "TRAIN.END_EPOCH", "1", "DATASET.VAL_SET", ""]
    train(words)
    cfg = load_config("tiny.yaml")

    def move(content):
        for one in content["annotations"]:
            one["bbox"][0] += 1.0

    edit_split(Path(cfg.DATASET.ROOT), cfg.DATASET.TRAIN_SET[0], move)
    forget_processes()
    with pytest.raises(FidipError, match=r"checkpoint"):
        train(words)


def test_a_test_set_that_is_trained_on_is_said(place):
    words = ["--cfg", "tiny.yaml", "TRAIN.END_EPOCH", "1", "DATASET.VAL_SET", ""]
    cfg = load_config("tiny.yaml")
    train([*words, "DATASET.TEST_SET", cfg.DATASET.TRAIN_SET[0], "TEST.BOOTSTRAP", "0"])
    (log,) = (path.read_text() for path in Path("output").glob("*/train.log"))
    assert "are in images that DATASET.TRAIN_SET has too: its scores say nothing" in log


def test_errors_of_workers_are_one_line():
    class Broken(torch.utils.data.Dataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            raise WeightsError("image a.jpg cannot be read; restore it")

    with pytest.raises(WeightsError) as error:
        list(torch.utils.data.DataLoader(Broken(), num_workers=1))
    assert "Traceback" in str(error.value)
    assert message_of(error.value) == "image a.jpg cannot be read; restore it"
