"""Networks run by OpenVINO, from an ONNX file or from OpenVINO's own .xml with its .bin beside it."""

import logging
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fidip.build import image_size
from fidip.config import Config, Settings
from fidip.deploy.bundle import read_config
from fidip.deploy.onnx import INPUT, OUTPUT, Heatmaps, check_same, export_onnx, no_features
from fidip.errors import DataError, FidipError, require
from fidip.files import atomic_path
from fidip.models.weights import first_sentence

logger = logging.getLogger("fidip")

SUFFIX = ".xml"
_SECTION = "fidip"  # of the run-time information in an .xml


class CompiledNet(nn.Module):
    """A graph, compiled by OpenVINO, in the place of a pose net: pixels (B, 3, H, W) float -> (no features, heatmaps).

    Runs on the CPU in float32, as the network does.

    Args:
        graph: an OpenVINO model with one input, and the heatmaps as its first output.
        threads: of one call; 0: as OpenVINO sees fit.
    """

    def __init__(self, graph: Any, threads: int = 0) -> None:
        super().__init__()
        # processors with bfloat16 units would use them unasked, at the cost of the third digit
        settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        if threads:
            settings["INFERENCE_NUM_THREADS"] = str(threads)
        self.request = (
            require("openvino", "deploy").Core().compile_model(graph, "CPU", settings).create_infer_request()
        )

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised pixels (B, 3, H, W) -> features (B, 0, 0, 0), heatmaps (B, K, H/4, W/4), on the same device."""
        array = np.ascontiguousarray(pixels.detach().float().cpu().numpy())
        found = self.request.infer([array])[0]
        return no_features(pixels), torch.from_numpy(found.copy()).to(pixels.device)


class OpenVinoNet(CompiledNet):
    """An OpenVINO or ONNX file as a ``CompiledNet``.

    Raises ConfigError without openvino, DataError for a file that is no such network.
    """

    def __init__(self, path: str | Path, threads: int = 0) -> None:
        core = require("openvino", "deploy").Core()
        path = Path(path)
        _check_files(path)
        try:
            model = core.read_model(path)
            names = [model.inputs[0].any_name, model.outputs[0].any_name]
            super().__init__(model, threads)
        except Exception as error:  # openvino raises RuntimeError and classes of its own
            raise DataError(
                f"{path} is not a network that OpenVINO can run ({first_sentence(error)}); "
                "copy it again, or make one with `fidip export --format openvino`"
            ) from error
        if names != [INPUT, OUTPUT]:
            raise DataError(
                f"{path} takes and gives {names}; a pose net here takes {INPUT} and gives {OUTPUT}"
            )
        self.metadata = _metadata(model)


def compile_net(model: nn.Module, size: tuple[int, int]) -> CompiledNet:
    """Compile a network of PyTorch with OpenVINO, in memory, and compare the two.

    Args:
        model: pixels (B, 3, H, W) -> (features, heatmaps), on the CPU.
        size: of its input, (W, H) px.

    Raises:
        ConfigError: without openvino.
        FidipError: where the network cannot be converted, or computes something else then.
    """
    require("openvino", "deploy")
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    width, height = size
    try:
        with (
            warnings.catch_warnings(),
            torch.no_grad(),
        ):  # gradients may be computed in ways that no graph has
            warnings.simplefilter("ignore")
            example = torch.zeros(1, 3, height, width)
            traced = torch.jit.trace(Heatmaps(model).eval(), example, check_trace=False)  # compared below
        reader = FrontEndManager().load_by_framework("pytorch")
        decoder = TorchScriptPythonDecoder(traced)  # must live until the end of the conversion
        graph = reader.convert(reader.load(decoder))
        graph.reshape({graph.inputs[0]: [-1, 3, height, width]})
        net = CompiledNet(graph, torch.get_num_threads())
    except Exception as error:  # each operation may fail in its own way
        raise FidipError(f"OpenVINO cannot run this network ({first_sentence(error)})") from error
    check_same(net, model, size)
    return net


def load_openvino(path: str | Path, threads: int = 0) -> tuple[Settings, OpenVinoNet]:
    """The config that an .xml or .onnx carries, and its network. Raises as OpenVinoNet, and DataError without one."""
    net = OpenVinoNet(path, threads)
    return read_config(net.metadata, Path(path)), net


def export_openvino(config: Config, model: nn.Module, path: str | Path) -> Path:
    """Write ``model`` as an .xml that carries its config and a .bin beside it, checked against the network.

    Raises FidipError when the network cannot be exported or computes something else.
    """
    path = Path(path)
    if path.suffix != SUFFIX:
        raise DataError(f"network {path}: the name must end in {SUFFIX}")
    openvino = require("openvino", "deploy")
    with tempfile.TemporaryDirectory() as folder:
        source = export_onnx(config, model, Path(folder) / "graph.onnx")
        graph = openvino.Core().read_model(source)
        for key, value in _metadata(graph).items():
            graph.set_rt_info(value, [_SECTION, key])
        trial = Path(folder) / "graph.xml"
        # kept in float32: halved weights would change the third digit
        openvino.save_model(graph, trial, compress_to_fp16=False)
        check_same(OpenVinoNet(trial), model, image_size(config))
        for suffix in (".bin", SUFFIX):  # the .xml last: it is the one that is opened
            with atomic_path(path.with_suffix(suffix)) as temporary:
                temporary.write_bytes(trial.with_suffix(suffix).read_bytes())
    return path


def _check_files(path: Path) -> None:
    wanted = [path, path.with_suffix(".bin")] if path.suffix == SUFFIX else [path]
    for file in wanted:
        if not file.is_file():
            raise DataError(f"network {path}: {file} does not exist; an .xml needs its .bin beside it")


def _metadata(model: Any) -> dict[str, str]:
    """The description in a network: under ``_SECTION`` in an .xml, under "framework" in what was read from ONNX."""
    info = model.get_rt_info()
    for section in (_SECTION, "framework"):
        if section in info:
            found = info[section]
            found = found.astype(dict) if hasattr(found, "astype") else found
            return {str(key): str(getattr(value, "value", value)) for key, value in found.items()}
    return {}
