"""A network that only this file knows: what one has to write to add one, and that everything works with it."""

from pathlib import Path

import numpy as np
import pytest
from torch import nn
from training_setup import CONFIG, forget_processes, write_place

from fidip.cli import main as console
from fidip.config import load_config
from fidip.errors import ConfigError
from fidip.models import POSE_NETS, PoseNet, network_class
from fidip.predict.pose_file import PoseFile


class ToyPose(PoseNet):
    label = "Toy"
    feature_stride = 4
    feature_channels = 6
    maps_sum_to_one = True
    found_score = 0.0

    def __init__(self, num_joints):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 6, 3, 2, 1)
        )
        self.final_layer = nn.Conv2d(6, num_joints, 1)

    def forward(self, images):
        features = self.stem(images)
        maps = self.final_layer(features)
        return features, maps.flatten(2).softmax(2).view_as(maps)


def build_toy(num_joints: int, image_size, extra, pretrained="") -> ToyPose:
    return ToyPose(num_joints)


TOY = CONFIG.replace("adaptive_pose_timm", "adaptive_pose_toy").replace(
    "  EXTRA: {BACKBONE: test_resnet, HEAD_CHANNELS: 16}\n", ""
)


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setitem(POSE_NETS, "pose_toy", build_toy)
    monkeypatch.setitem(POSE_NETS, "adaptive_pose_toy", build_toy)
    forget_processes()
    monkeypatch.chdir(write_place(tmp_path, TOY + "LOSS: {KIND: cross_entropy}\n"))
    return tmp_path


def test_a_registered_network_trains_tests_exports_and_predicts(place, capsys):
    assert network_class("pose_toy") is ToyPose
    keys = ["TRAIN.FREEZE", "[]", "TRAIN.PRE_EPOCH", "1", "TEST.BOOTSTRAP", "0"]
    assert console(["train", "--cfg", "tiny.yaml", *keys]) == 0
    assert "| Toy | 32x32 |" in capsys.readouterr().out
    (weights,) = Path("output").glob("*/model_last.pth")
    assert console(["test", "--cfg", "tiny.yaml", "TEST.MODEL_FILE", str(weights), *keys]) == 0
    assert "| Toy | 32x32 |" in capsys.readouterr().out
    image = next(Path("data/images/held").glob("*.png"))
    found = {}
    for kind, suffix in (("bundle", ".safetensors"), ("onnx", ".onnx")):
        file = f"toy{suffix}"
        given = ["--cfg", "tiny.yaml", "--weights", str(weights), "--format", kind, "--output", file]
        assert console(["export", *given]) == 0
        given = ["predict", str(image), "--model", file, "--box", "10,10,100,90", "--out", kind]
        assert console([*given, "--device", "cpu"]) == 0
        (frame,) = PoseFile(Path(kind) / f"{image.stem}.poses.jsonl")
        found[kind] = frame[0]
    np.testing.assert_allclose(found["bundle"].keypoints[0], found["onnx"].keypoints[0], atol=0.05)
    # scores are relative to a perfect map of sum 1, as the class says
    assert found["bundle"].scores[0] == pytest.approx(found["onnx"].scores[0], abs=1e-3)


def test_cross_entropy_needs_maps_that_sum_to_one(place, monkeypatch):
    monkeypatch.setattr(ToyPose, "maps_sum_to_one", False)
    with pytest.raises(
        ConfigError, match="needs a network whose heatmaps sum to 1; those of adaptive_pose_toy do not"
    ):
        console(["train", "--cfg", "tiny.yaml"])


def test_an_unknown_network_lists_the_known_ones(place):
    with pytest.raises(ConfigError, match=r"unknown model 'pose_toi'; choose from .*pose_movenet"):
        console(["test", "--cfg", "tiny.yaml", "MODEL.NAME", "pose_toi", "TEST.MODEL_FILE", "tiny.yaml"])
    assert load_config("tiny.yaml").MODEL.NAME == "adaptive_pose_toy"
