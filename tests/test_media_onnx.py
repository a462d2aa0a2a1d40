"""Exported graphs compute what the networks compute, at any batch size, and carry all that is needed to run them."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from running import command
from test_media_bundle import TINY
from test_models import TINY_HRNET, TINY_MOBILE, TINY_RESNET, randomise_statistics
from torch import nn

from fidip.benchmark.backends import EAGER, BackendTimes, benchmark_backends
from fidip.build import build_estimator, build_model
from fidip.config import load_config
from fidip.deploy import onnx as onnx_files
from fidip.deploy.bundle import save_bundle
from fidip.deploy.model_files import load_network
from fidip.deploy.onnx import OnnxNet, check_same, export_onnx, load_onnx
from fidip.deploy.openvino import OpenVinoNet, export_openvino, load_openvino
from fidip.errors import ConfigError, DataError, FidipError
from fidip.models.heads import spatial_softmax
from fidip.skeleton import COCO17

main = command("export")

pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")
have_openvino = pytest.mark.skipif(not importlib.util.find_spec("openvino"), reason="needs openvino")

NETS = {
    "mobile": TINY_MOBILE,
    "resnet": TINY_RESNET,
    "hrnet": TINY_HRNET,
    "movenet": {"WIDTH_MULT": 0.25},
    "timm": {"BACKBONE": "mobilenetv3_small_050", "HEAD_CHANNELS": 16},
}


def network(folder, name):
    """(config, network) at 64x96; weights drawn so that a heatmap's peak is of the order of 1."""
    file = folder / f"{name}.yaml"
    file.write_text(
        f"MODEL: {{NAME: pose_{name}, IMAGE_SIZE: [64, 96], HEATMAP_SIZE: [16, 24], EXTRA: {json.dumps(NETS[name])}}}"
    )
    cfg = load_config(file)
    torch.manual_seed(0)
    model = randomise_statistics(build_model(cfg))
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):  # heads begin with weights near 0
            nn.init.kaiming_normal_(layer.weight, mode="fan_out")
    if name not in ("mobile", "movenet"):  # their maps sum to 1, or are in 0..1, anyway
        last = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)][-1]
        with torch.no_grad():
            peak = model(torch.randn(4, 3, 96, 64))[1].abs().max()
            last.weight /= peak
            last.bias /= peak
    return cfg, model


def agree(net, model, counts=(1, 5)):
    """The same heatmaps, to 1e-4 absolutely and relative to their peak."""
    for count in counts:
        pixels = torch.randn(count, 3, 96, 64).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            expected, (features, found) = model(pixels)[1], net(pixels)
        assert features.shape == (count, 0, 0, 0)
        assert found.shape == expected.shape and found.dtype == torch.float32
        difference = (found - expected).abs().max()
        assert difference < 1e-4
        assert difference < 1e-4 * expected.abs().max()


class Small(nn.Module):
    """A pose net of three layers: how long an export takes depends on their number."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 8, 7, stride=4, padding=3), nn.BatchNorm2d(8), nn.ReLU())
        self.head = nn.Conv2d(8, 17, 3, padding=1)

    def forward(self, images):
        features = self.trunk(images)
        return features, spatial_softmax(4 * self.head(features))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """(config, network, its ONNX file)."""
    folder = tmp_path_factory.mktemp("exported")
    (folder / "tiny.yaml").write_text(TINY)
    cfg = load_config(folder / "tiny.yaml")
    torch.manual_seed(0)
    model = randomise_statistics(Small())
    return cfg, model, export_onnx(cfg, model, folder / "net.onnx")


@pytest.fixture
def graph(exported, monkeypatch):
    """Exporting gives the graph that is there already, whatever the network."""
    content = onnx.load(exported[2])
    del content.metadata_props[:]
    monkeypatch.setattr(onnx_files, "_graph", lambda *_: content)


def test_the_graph_computes_the_networks_heatmaps(exported):
    _, model, file = exported
    read, net = load_onnx(file, threads=1)
    agree(net, model)
    assert read.MODEL.SIGMA == 1.5 and read.DATASET.COLOR_RGB is False
    assert [path.name for path in file.parent.glob("*net*")] == ["net.onnx"]  # one file, nothing left behind


@have_openvino
def test_openvino_reads_the_same_file(exported):
    _, model, file = exported
    read, net = load_openvino(file, threads=1)
    agree(net, model)
    assert read.MODEL.SIGMA == 1.5
    assert type(load_network(file, "openvino", threads=1)[1]) is OpenVinoNet


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_every_kind_of_network(name, tmp_path):
    cfg, model = network(tmp_path, name)
    agree(OnnxNet(export_onnx(cfg, model, tmp_path / "net.onnx"), threads=1), model)
    if importlib.util.find_spec("openvino"):
        agree(OpenVinoNet(tmp_path / "net.onnx", threads=1), model)


def test_the_whole_estimator_gives_the_same_joints(exported):
    cfg, model, file = exported
    crops = torch.randint(0, 256, (2, 3, 96, 64), dtype=torch.uint8)
    nets = (model, load_network(file, device="cpu", threads=1)[1])
    estimators = [build_estimator(cfg, net, torch.device("cpu")) for net in nets]
    for estimator in estimators:
        estimator.flip = True
    maps, others = (estimator.heatmaps(crops)[1] for estimator in estimators)
    torch.testing.assert_close(maps, others, atol=1e-7, rtol=1e-4)
    joints, same = (e.codec.decode(m)[0] for e, m in zip(estimators, (maps, others), strict=True))
    torch.testing.assert_close(joints, same, atol=1e-3, rtol=0)


def test_the_file_tells_other_programs_what_to_do(exported):
    content = onnx.load(exported[2])
    facts = {entry.key: entry.value for entry in content.metadata_props}
    assert json.loads(facts["joints"]) == list(COCO17.names)
    entry = json.loads(facts["input"])
    assert (entry["colours"], entry["size"]) == ("BGR", [64, 96])
    assert entry["mean"] == pytest.approx([123.675, 116.28, 103.53])
    shape = content.graph.input[0].type.tensor_type.shape.dim
    assert shape[0].dim_param and [one.dim_value for one in shape[1:]] == [3, 96, 64]
    assert {one.domain: one.version for one in content.opset_import} == {"": onnx_files.OPSET}


def test_no_telemetry_of_the_converter_is_imported(exported):
    # openvino's converter reports what it converts; reading and saving do without it
    text = Path(onnx_files.__file__).with_name("openvino.py").read_text()
    assert "convert_model" not in text


@have_openvino
def test_openvinos_own_files(exported, graph, tmp_path):
    cfg, model, _ = exported
    export_openvino(cfg, model, tmp_path / "net.xml")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.bin", "net.xml"]
    read, net = load_network(tmp_path / "net.xml", threads=1)
    agree(net, model)
    assert read.MODEL.SIGMA == 1.5
    (tmp_path / "net.bin").unlink()
    with pytest.raises(DataError, match=r"net\.bin does not exist"):
        load_openvino(tmp_path / "net.xml")


@pytest.mark.slow
@have_openvino
def test_the_tool_goes_from_a_bundle_to_other_formats(tmp_path, capsys):
    cfg, model = network(tmp_path, "resnet")
    bundle = save_bundle(cfg, model, tmp_path / "net.safetensors")
    for kind, suffix in (("onnx", ".onnx"), ("openvino", ".xml")):
        assert main(["--weights", str(bundle), "--format", kind, "--output", str(tmp_path)]) == 0
        assert str(tmp_path / f"net{suffix}") in capsys.readouterr().out
        agree(load_network(tmp_path / f"net{suffix}", threads=1)[1], model)


def test_faulty_files_are_told(exported, tmp_path):
    for content in (b"no graph", b"", b"PK\3\4" + bytes(50), exported[2].read_bytes()[:2000]):
        broken = tmp_path / "broken.onnx"
        broken.write_bytes(content)
        with pytest.raises(DataError, match=r"broken\.onnx is not an ONNX network"):
            OnnxNet(broken)
    with pytest.raises(DataError, match="does not exist"):
        OnnxNet(tmp_path / "none.onnx")
    content = onnx.load(exported[2])
    del content.metadata_props[:]
    onnx.save(content, tmp_path / "bare.onnx")
    with pytest.raises(DataError, match=r"bare\.onnx holds no config"):
        load_onnx(tmp_path / "bare.onnx")
    content.graph.input[0].name = content.graph.node[0].input[0] = "data"
    onnx.save(content, tmp_path / "foreign.onnx")
    with pytest.raises(DataError, match="a pose net here takes images"):
        OnnxNet(tmp_path / "foreign.onnx")


@have_openvino
def test_faulty_files_are_told_by_openvino(tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"no graph")
    with pytest.raises(DataError, match="is not a network that OpenVINO can run"):
        OpenVinoNet(tmp_path / "broken.onnx")


def test_a_graph_that_computes_something_else_is_refused(exported):
    _, model, file = exported
    other = Small().eval()
    with pytest.raises(FidipError, match="differ from the original's"):
        check_same(OnnxNet(file, threads=1), other, (64, 96))
    assert check_same(OnnxNet(file, threads=1), model, (64, 96)) < 1e-5


def test_a_failed_export_leaves_nothing(exported, graph, tmp_path):
    cfg, model, _ = exported
    with pytest.raises(FidipError, match="differ"):
        export_onnx(cfg, Small().eval(), tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(DataError, match=r"must end in \.onnx"):
        export_onnx(cfg, model, tmp_path / "net.pth")
    with pytest.raises(DataError, match=r"must end in \.xml"):
        export_openvino(cfg, model, tmp_path / "net.onnx")


def test_a_device_that_is_not_there(exported):
    if "CUDAExecutionProvider" in pytest.importorskip("onnxruntime").get_available_providers():
        pytest.skip("this machine has it")
    with pytest.raises(ConfigError, match="cannot use cuda"):
        OnnxNet(exported[2], "cuda")


def test_ratios_are_those_of_medians():
    setting = {"config": "tiny", "width": 64, "height": 96, "batch": 2, "threads": 1, "turns": 3}
    wall = {EAGER: [0.5, 0.2, 0.3], "onnxruntime": [0.1, 0.9, 0.1]}
    work = {EAGER: [0.2, 0.2, 0.8], "onnxruntime": [0.1, 0.1, 0.08]}
    times = BackendTimes(wall, work, setting)
    assert times.ratio("onnxruntime") == pytest.approx(3.0)
    assert times.median_ms(EAGER) == pytest.approx(300)
    assert times.as_json()["backends"]["onnxruntime"]["all_ms"] == pytest.approx([100, 900, 100])
    line = times.table().splitlines()[-1].split()
    assert line == ["onnxruntime", "100.0", "3.00", "100.0", "2.00"]


@have_openvino
def test_backends_take_turns(exported, monkeypatch):
    cfg, _, file = exported
    monkeypatch.setattr("fidip.benchmark.backends.export_onnx", lambda *_: file)
    times = benchmark_backends(cfg, "tiny", batch=2, turns=3, warmup=1)
    for measured in (times.wall, times.work):
        assert {name: len(measured[name]) for name in measured} == {EAGER: 3, "onnxruntime": 3, "openvino": 3}
        assert all(second > 0 for seconds in measured.values() for second in seconds)
    with pytest.raises(ConfigError, match="at least 1"):
        benchmark_backends(cfg, "tiny", turns=0)
