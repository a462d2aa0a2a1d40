import hashlib
import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fidip import packaged
from fidip.build import build_model, load_start
from fidip.config import check_for_training, load_config
from fidip.errors import ConfigError, WeightsError
from fidip.models import POSE_NETS, complexity, load_weights
from fidip.models.movenet import PRIOR, MoveNetFinder
from fidip.pixels import normalise

ROOT = Path(__file__).parents[1]
PARITY = ROOT / "tests" / "data" / "movenet_parity.npz"
_SPEC = importlib.util.spec_from_file_location("rebuild", ROOT / "tools" / "build_movenet_weights.py")
rebuild = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(rebuild)
WIDTHS = {"lightning": (1.0, 192), "thunder": (1.75, 256)}


@pytest.mark.parametrize("name", WIDTHS)
def test_heatmaps_and_person_heads_equal_the_published_graph(name):
    wanted = np.load(PARITY)
    images = normalise(torch.from_numpy(wanted[f"{name}_images"]).permute(0, 3, 1, 2))
    width, size = WIDTHS[name]
    net = POSE_NETS["pose_movenet"](17, (size, size), {"WIDTH_MULT": width}).eval()
    load_weights(net, f"movenet_{name}")
    finder = MoveNetFinder(width).eval()
    load_weights(finder, f"movenet_{name}")
    with torch.inference_mode():
        features, heatmaps = net(images)
        maps = finder.maps(images)
    assert features.shape == (1, 1280, size // 32, size // 32)
    np.testing.assert_allclose(heatmaps, wanted[f"{name}_heatmap"], atol=1e-4, rtol=0)
    np.testing.assert_array_equal(heatmaps, maps["heatmap"])
    np.testing.assert_allclose(maps["center"], wanted[f"{name}_center_logit"], atol=1e-3, rtol=0)
    np.testing.assert_allclose(maps["regress"], wanted[f"{name}_regress"], atol=3e-3, rtol=0)


@pytest.mark.parametrize(
    ("name", "params", "macs"), [("lightning", 2_303_433, 0.2379), ("thunder", 6_211_505, 1.1617)]
)
def test_sizes(name, params, macs):
    width, size = WIDTHS[name]
    net = POSE_NETS["pose_movenet"](17, (size, size), {"WIDTH_MULT": width})
    work = complexity(net, (size, size))
    assert work.params == params == packaged.packaged_models()[f"movenet_{name}"].parameters
    assert work.gmacs == pytest.approx(macs, abs=1e-4)
    assert net.label == f"MoveNet {name.capitalize()}"


@pytest.mark.parametrize("size", [(64, 32), (96, 128)])
def test_any_size_of_multiples_of_32_and_every_parameter_learns(size):
    net = POSE_NETS["adaptive_pose_movenet"](5, size, {"WIDTH_MULT": 0.25})
    features, heatmaps = net(torch.randn(2, 3, size[1], size[0]))
    assert features.shape == (2, 1280, *net.feature_size(size)[::-1])
    assert heatmaps.shape == (2, 5, size[1] // 4, size[0] // 4)
    heatmaps.square().sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None] == []
    torch.testing.assert_close(heatmaps.mean(), torch.tensor(PRIOR).sigmoid(), atol=0.05, rtol=0)


@pytest.mark.parametrize(
    ("size", "extra", "pretrained", "message"),
    [
        ((60, 64), {}, "", "multiples of 32"),
        ((64, 64), {"WIDTH_MULT": 0}, "", "must be positive"),
        ((64, 64), {"WIDHT_MULT": 1.0}, "", "WIDTH_MULT"),
        ((64, 64), {}, "imagenet", "movenet_thunder"),
    ],
)
def test_faulty_configs_are_refused(size, extra, pretrained, message):
    with pytest.raises(ConfigError, match=message):
        POSE_NETS["pose_movenet"](17, size, extra, pretrained)


def test_freeze_presets_name_submodules():
    net = POSE_NETS["pose_movenet"](17, (64, 64), {"WIDTH_MULT": 0.25})
    modules = dict(net.named_modules())
    assert all(name in modules for names in net.freeze_presets.values() for name in names)


def test_a_training_starts_from_packaged_weights_and_other_skeletons_keep_what_they_share(tmp_path, caught):
    skeleton = tmp_path / "three.yaml"
    skeleton.write_text(
        "name: three\njoints: [nose, left_wrist, tail]\nsigmas: {nose: 0.03, left_wrist: 0.06, tail: 0.1}\n"
    )
    file = ROOT / "experiments" / "movenet" / "lightning_syrip.yaml"
    net = load_start(load_config(file))
    assert torch.equal(
        net.heatmap.final.bias,
        load_file(packaged.find_weights("movenet_lightning"))["heatmap.final.bias"].float(),
    )
    cfg = load_config(file, ["DATASET.SKELETON", str(skeleton)])
    other = load_start(cfg)
    torch.testing.assert_close(
        other.heatmap.final.bias,
        torch.stack([net.heatmap.final.bias[0], net.heatmap.final.bias[9], torch.tensor(PRIOR)]),
    )
    assert "takes over 2 of them by name" in caught.text


def test_packaged_names_are_weights_wherever_weights_are_named(tmp_path):
    config = ROOT / "experiments" / "movenet" / "thunder_syrip.yaml"
    cfg = load_config(config, ["DATA_DIR", str(tmp_path)])
    assert cfg.MODEL.PRETRAINED == "movenet_thunder"
    check_for_training(cfg)
    assert packaged.find_weights("models/some.pth") == Path("models/some.pth")


def test_a_tampered_file_is_refused_by_name(tmp_path, monkeypatch):
    packaged.packaged_models()  # cards are read once; from the real folder
    for file in packaged.FOLDER.glob("movenet_lightning.*"):
        shutil.copy(file, tmp_path)
    monkeypatch.setattr(packaged, "FOLDER", tmp_path)
    path = tmp_path / "movenet_lightning.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"packaged weights movenet_lightning: .* was changed"):
        packaged.find_weights("movenet_lightning")
    path.unlink()
    with pytest.raises(WeightsError, match="is missing; install fidip again"):
        packaged.find_weights("movenet_lightning")


def test_cards_and_configs_agree():
    for model in packaged.packaged_models().values():
        assert hashlib.sha256(model.path.read_bytes()).hexdigest() == model.sha256
        cfg = load_config(ROOT / "experiments" / model.config)
        assert model.name == cfg.TEST.MODEL_FILE
        load_weights(build_model(cfg), model.name)
    assert packaged.DEFAULT in packaged.packaged_models() and packaged.FINDER in packaged.packaged_models()


def test_the_script_rebuilds_the_same_bytes_from_a_graph_model(tmp_path, monkeypatch, capsys):
    """The published files, written back from the packaged weights, give the packaged weights again."""
    model = packaged.packaged_models()["movenet_lightning"]
    manifest, content = [], b""
    for own, tensor in load_file(model.path).items():
        values = tensor.numpy()
        if values.ndim == 4:
            values = (
                values.transpose(2, 3, 0, 1)
                if own.endswith("depthwise.weight")
                else values.transpose(2, 3, 1, 0)
            )
        name = "StatefulPartitionedCall/" + rebuild._published_name(own)
        entry = {
            "name": name,
            "shape": values.shape,
            "dtype": "float32",
            "quantization": {"dtype": "float16"},
        }
        manifest.append(entry)
        content += np.ascontiguousarray(values).tobytes()
    files = {
        "m.json": json.dumps({"weightsManifest": [{"weights": manifest}]}).encode(),
        "m.bin": content,
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    sources = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    known = {model.name: type(model)(**{**vars(model), "sources": sources})}
    monkeypatch.setattr(rebuild, "packaged_models", lambda: known)
    assert rebuild.main(["--source", str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    assert "as packaged" in capsys.readouterr().out
    assert (tmp_path / "out" / model.path.name).read_bytes() == model.path.read_bytes()
    (tmp_path / "m.bin").write_bytes(content[:-2])
    with pytest.raises(WeightsError, match=r"m\.bin is another version"):
        rebuild.main(["--source", str(tmp_path), "--out", str(tmp_path / "out")])
