"""A bundle gives back the network and config that went in, and says what is wrong with anything else."""

import json
import pickle
import zipfile
from pathlib import Path

import pytest
import safetensors
import safetensors.torch
import torch
import yaml
from running import command
from test_models import randomise_statistics

from fidip import __version__
from fidip.build import build_codec, build_model
from fidip.config import load_config, result_keys
from fidip.deploy.bundle import FORMAT, load_bundle, save_bundle
from fidip.deploy.model_files import export_model, load_network
from fidip.errors import ConfigError, DataError, WeightsError
from fidip.models import export_weights
from fidip.skeleton import COCO17, Skeleton, skeleton_text

main = command("export")

TINY = """
OUTPUT_DIR: /somewhere/anna/runs
DATA_DIR: /somewhere/anna
DATASET: {ROOT: data/secret, TRAIN_SET: [train, more], COLOR_RGB: false}
MODEL:
  NAME: adaptive_pose_mobile
  IMAGE_SIZE: [64, 96]
  HEATMAP_SIZE: [16, 24]
  SIGMA: 1.5
  PRETRAINED: models/start.pth
  EXTRA: {WIDTH_MULT: 0.25, HEAD_CHANNELS: 16}
TEST: {FLIP_TEST: false, MODEL_FILE: best.pth, BLUR_KERNEL: 5}
"""


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """(config, network) in a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TINY)
    cfg = load_config("tiny.yaml")
    torch.manual_seed(0)
    return cfg, randomise_statistics(build_model(cfg))


@pytest.fixture
def file(tiny):
    return save_bundle(*tiny, "net.safetensors")


def rewrite(path, **changes):
    """The bundle with other metadata; None removes an entry."""
    with safetensors.safe_open(path, framework="pt") as bundle:
        metadata = {**bundle.metadata(), **changes}
    tensors = safetensors.torch.load_file(path)
    metadata = {key: value for key, value in metadata.items() if value is not None}
    safetensors.torch.save_file(tensors, path, metadata=metadata or None)
    return path


def refused(path):
    with pytest.raises(DataError) as caught:
        load_bundle(path)
    message = str(caught.value)
    assert str(path) in message and "\n" not in message
    return message


def test_what_went_in_comes_out(tiny, file):
    cfg, model = tiny
    read, net = load_bundle(file)
    assert not net.training
    for (name, tensor), (again, other) in zip(
        model.state_dict().items(), net.state_dict().items(), strict=True
    ):
        assert name == again and torch.equal(tensor, other)
    pixels = torch.randn(2, 3, 96, 64)
    with torch.no_grad():
        assert all(torch.equal(a, b) for a, b in zip(model(pixels), net(pixels), strict=True))
    local = ("DATASET.ROOT", "DATA_DIR", "MODEL.PRETRAINED", "TEST.MODEL_FILE")
    before, after = (result_keys(one, testing=True) for one in (cfg, read))
    assert [key for key in before if before[key] != after[key]] == [k for k in before if k in local]
    assert build_codec(read).blur_kernel == 5 and read.DATASET.COLOR_RGB is False


def test_a_file_says_what_it_is_without_this_package(tiny, file):
    with safetensors.safe_open(file, framework="pt") as bundle:
        metadata, names = bundle.metadata(), set(bundle.keys())
    assert (metadata["format"], metadata["version"]) == (FORMAT, __version__)
    assert json.loads(metadata["joints"]) == list(COCO17.names)
    assert yaml.safe_load(metadata["config"])["MODEL"]["IMAGE_SIZE"] == [64, 96]
    assert names == set(export_weights(tiny[1]))
    assert b"anna" not in file.read_bytes() and b"secret" not in file.read_bytes()


def test_a_skeleton_of_ones_own_travels_inside(tiny, tmp_path):
    own = Skeleton("own", ("tail", "left_ear", "right_ear"), ((1, 2),), (0.1, 0.05, 0.05), ((0, 1),), (1, 2))
    Path("own.yaml").write_text(skeleton_text(own))
    cfg = load_config("tiny.yaml", ["DATASET.SKELETON", str(tmp_path / "own.yaml")])
    file = save_bundle(cfg, build_model(cfg), "own.safetensors")
    Path("own.yaml").unlink()
    read, net = load_bundle(file)
    assert net(torch.zeros(2, 3, 96, 64))[1].shape == (2, 3, 24, 16)
    assert read.DATASET.SKELETON == cfg.DATASET.SKELETON
    with safetensors.safe_open(file, framework="pt") as bundle:
        assert json.loads(bundle.metadata()["joints"]) == ["tail", "left_ear", "right_ear"]


def test_other_files_are_told_by_their_kind(tiny, file):
    with zipfile.ZipFile("archive.safetensors", "w") as archive:
        archive.writestr("a.txt", "a")
    assert "zip archive" in refused(Path("archive.safetensors"))
    torch.save(tiny[1].state_dict(), "net.pth")
    assert "PyTorch checkpoint (.pth)" in refused(Path("net.pth"))
    Path("old.pth").write_bytes(pickle.dumps({"a": 1}))
    assert "a pickle" in refused(Path("old.pth"))
    Path("notes.safetensors").write_text("these are my notes on the matter\n")
    assert "not a safetensors file" in refused(Path("notes.safetensors"))
    Path("empty.safetensors").touch()
    assert "not a safetensors file" in refused(Path("empty.safetensors"))
    assert "cannot be read (No such file" in refused(Path("nowhere.safetensors"))
    assert "cannot be read (Is a directory)" in refused(Path())


@pytest.mark.parametrize("part", [0.9, 0.5, 0.001])
def test_a_file_that_is_cut_short(file, part):
    content = file.read_bytes()
    file.write_bytes(content[: int(part * len(content))])
    assert "cut short" in refused(file)


def test_weights_alone_are_no_bundle(tiny):
    safetensors.torch.save_file(export_weights(tiny[1]), "weights.safetensors")
    assert "give --cfg too" in refused(Path("weights.safetensors"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config": None}, "holds no config"),
        ({"format": "fidip-bundle-9", "version": "7.1"}, "made by version 7.1"),
        ({"config": "MODEL: [1"}, "not valid YAML"),
        ({"config": "just words"}, "no list of keys"),
        ({"config": "MODEL: {NAMES: pose_mobile}"}, "unknown key MODEL.NAMES; did you mean MODEL.NAME"),
        ({"config": "BASE: other.yaml"}, "refers to other files"),
        ({"config": "DATASET: {SKELETON: joints.yaml}"}, "refers to another file"),
        ({"config": "A: &a [1]\nB: [*a, *a]"}, "has YAML references"),
        ({"config": "A: !!python/object/apply:os.getcwd []"}, "not valid YAML"),
        ({"config": "#" * 1_000_001}, "longer than"),
        ({"joints": "[1"}, "not JSON"),
        ({"joints": '["nose"]'}, "not those of its config"),
    ],
)
def test_faulty_descriptions(file, changes, message):
    assert message in refused(rewrite(file, **changes))


def test_weights_of_another_network(tiny, file):
    with safetensors.safe_open(file, framework="pt") as bundle:
        config = bundle.metadata()["config"]
    with pytest.raises(WeightsError, match=r"net\.safetensors does not fit the network"):
        load_bundle(rewrite(file, config=config.replace("HEAD_CHANNELS: 16", "HEAD_CHANNELS: 24")))


def test_the_tool_makes_a_bundle_of_config_and_checkpoint(tiny, capsys):
    torch.save({"state_dict": export_weights(tiny[1])}, "net.pth")
    arguments = ["--cfg", "tiny.yaml", "--weights", "net.pth", "--output", "made.safetensors"]
    assert main([*arguments, "TEST.BLUR_KERNEL", "7"]) == 0
    assert capsys.readouterr().out.startswith("made.safetensors: ")
    read, net = load_network("made.safetensors")
    assert build_codec(read).blur_kernel == 7
    assert torch.equal(net.hm_conv.weight, tiny[1].hm_conv.weight)
    assert main(["--weights", "made.safetensors", "--output", "."]) == 0  # into a folder, under the same name
    assert build_codec(load_bundle("made.safetensors")[0]).blur_kernel == 7


def test_the_tool_finds_faults_before_the_work(tiny):
    cfg, model = tiny
    torch.save(export_weights(model), "net.pth")
    weights = Path("net.pth")
    with pytest.raises(DataError, match=r"ends in \.safetensors"):
        export_model(cfg, weights, "bundle", Path("net.onnx"))
    Path("taken").touch()
    with pytest.raises(DataError, match="cannot be written"):
        export_model(cfg, weights, "bundle", Path("taken/net.safetensors"))
    with pytest.raises(ConfigError, match="overrides need --cfg"):
        main(["--weights", "net.pth", "--output", "x.safetensors", "SEED", "1"])
    with pytest.raises(ConfigError, match="together with --cfg"):
        main(["--weights", "net.pth", "--output", "x.safetensors"])
    with pytest.raises(WeightsError, match="does not exist"):
        export_model(cfg, Path("none.pth"), "bundle", Path("x.safetensors"))
    assert [path.name for path in Path().iterdir() if "safetensors" in path.name] == []


def test_a_backend_must_be_able(file):
    with pytest.raises(ConfigError, match="only by torch"):
        load_network(file, "onnxruntime")
    with pytest.raises(ConfigError, match=r"ends in \.safetensors, \.onnx, \.xml"):
        load_network("net.pth")
