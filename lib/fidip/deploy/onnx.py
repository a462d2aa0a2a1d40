"""Networks as ONNX graphs: written with torch.onnx, run by onnxruntime.

A graph takes crops as the network does, RGB (or BGR, as the config says) minus the ImageNet mean over its deviation
(fidip.pixels.normalise), and gives heatmaps. Flipping and decoding stay outside, where all networks share them.
"""

import json
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fidip.build import image_size
from fidip.config import Config, Settings, read_settings
from fidip.deploy.bundle import describe, read_config
from fidip.errors import ConfigError, DataError, FidipError, require
from fidip.files import atomic_path
from fidip.models.weights import first_sentence
from fidip.pixels import IMAGENET_MEAN, IMAGENET_STD

SUFFIX = ".onnx"
OPSET = 18  # the oldest that torch's exporter writes; onnxruntime >= 1.14 and openvino >= 2023.1 run it
INPUT, OUTPUT = "images", "heatmaps"
TOLERANCE = 1e-4  # largest difference between graph and network, relative to the highest heatmap value
_TRIAL_BATCHES = (1, 5)


class Heatmaps(nn.Module):
    """A pose network without its first output, the features."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """Normalised pixels (B, 3, H, W) -> heatmaps (B, K, H/4, W/4)."""
        return self.model(images)[1]


class OnnxNet(nn.Module):
    """An ONNX file in the place of a pose net: pixels (B, 3, H, W) float -> (no features (B, 0, 0, 0), heatmaps).

    device: "cpu", "cuda", or "auto": cuda where this onnxruntime has it. threads: of one call, 0: as onnxruntime
    sees fit. Raises ConfigError without onnxruntime or the device, DataError for a file that is no such graph.
    """

    def __init__(self, path: str | Path, device: str = "auto", threads: int = 0) -> None:
        super().__init__()
        runtime = require("onnxruntime", "deploy")
        path = Path(path)
        if not path.is_file():
            raise DataError(f"network {path} does not exist; check the path")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors; what is wrong is raised anyway
        runtime.disable_telemetry_events()
        providers = _providers(runtime, device)
        try:
            self.session = runtime.InferenceSession(path, options, providers=providers)
        except Exception as error:  # onnxruntime has a class for each way to fail
            raise DataError(
                f"{path} is not an ONNX network that can be run ({first_sentence(error)}); "
                "copy it again, or make one with `fidip export --format onnx`"
            ) from error
        self.metadata: dict[str, str] = dict(self.session.get_modelmeta().custom_metadata_map)
        self.inputs = [one.name for one in self.session.get_inputs()]
        self.outputs = [one.name for one in self.session.get_outputs()]
        if self.inputs != [INPUT] or OUTPUT not in self.outputs:
            raise DataError(
                f"{path} takes {self.inputs} and gives {self.outputs}; a pose net here takes {INPUT} and gives {OUTPUT}"
            )

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised pixels (B, 3, H, W) -> features (B, 0, 0, 0), heatmaps (B, K, H/4, W/4), on the same device."""
        array = np.ascontiguousarray(pixels.detach().float().cpu().numpy())
        heatmaps = torch.from_numpy(self.session.run([OUTPUT], {INPUT: array})[0])
        return no_features(pixels), heatmaps.to(pixels.device)


def no_features(pixels: Tensor) -> Tensor:
    """Empty features (B, 0, 0, 0) of networks that give heatmaps alone."""
    return pixels.new_empty((len(pixels), 0, 0, 0))


def load_onnx(path: str | Path, device: str = "auto", threads: int = 0) -> tuple[Settings, OnnxNet]:
    """The config that an ONNX file carries, and its network. Raises as OnnxNet, and DataError without a config."""
    net = OnnxNet(path, device, threads)
    return read_config(net.metadata, Path(path)), net


def export_onnx(config: Config, model: nn.Module, path: str | Path) -> Path:
    """Write ``model`` as an ONNX file for any batch size that carries its config, whole or not at all.

    Checked before it appears: by ONNX's own checker, and by running it beside the network. Raises FidipError
    when the network cannot be written as a graph, or when the graph's heatmaps differ from the network's.
    """
    path = Path(path)
    if path.suffix != SUFFIX:
        raise DataError(f"network {path}: the name must end in {SUFFIX}")
    onnx = require("onnx", "deploy")
    content = _graph(model, image_size(config))
    for key, value in {**describe(config), "input": json.dumps(_input_facts(config))}.items():
        content.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(content, full_check=True)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.SerializeToString())
        check_same(OnnxNet(temporary, "cpu"), model, image_size(config))
    return path


def check_same(net: nn.Module, model: nn.Module, size: tuple[int, int]) -> float:
    """Largest difference of two networks' heatmaps on noise, relative to the highest value; at several batch sizes.

    Raises FidipError above ``TOLERANCE`` and where one of them cannot run.
    """
    worst = 0.0
    generator = torch.Generator().manual_seed(0)
    for count in _TRIAL_BATCHES:
        pixels = torch.randn((count, 3, size[1], size[0]), generator=generator)
        with torch.inference_mode():
            expected = model.eval()(pixels)[1]
            try:
                found = net(pixels)[1]
            except Exception as error:  # whatever the other runtime raises
                raise FidipError(
                    f"the exported network does not run at batch size {count}: {first_sentence(error)}"
                ) from error
        worst = max(worst, float((found - expected).abs().max() / expected.abs().max().clamp_min(1e-12)))
    if not worst < TOLERANCE:
        raise FidipError(
            f"the exported network's heatmaps differ from the original's by {worst:.1e} of their maximum, more than "
            f"{TOLERANCE}; use --format bundle"
        )
    return worst


def _graph(model: nn.Module, size: tuple[int, int]) -> Any:
    """The network as an ONNX ModelProto."""
    require("onnxscript", "deploy")
    example = torch.zeros(2, 3, size[1], size[0])
    log = logging.getLogger("torch.onnx")
    before = log.level
    log.setLevel(logging.ERROR)  # it reports parts of torchvision that nothing here uses
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                Heatmaps(model).eval(),
                (example,),
                dynamo=True,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
                opset_version=OPSET,
                verbose=False,
            )
    except Exception as error:  # each operation may fail in its own way
        raise FidipError(
            f"this network cannot be written as ONNX ({first_sentence(error)}); use --format bundle"
        ) from error
    finally:
        log.setLevel(before)
    if program is None:
        raise FidipError("this network cannot be written as ONNX; use --format bundle")
    return program.model_proto


def _input_facts(config: Config) -> dict[str, Any]:
    """How other programs have to prepare a crop."""
    return {
        "colours": "RGB" if read_settings(config).DATASET.COLOR_RGB else "BGR",
        "mean": [255 * value for value in IMAGENET_MEAN],
        "std": [255 * value for value in IMAGENET_STD],
        "size": list(image_size(config)),
    }


def _providers(runtime: Any, device: str) -> list[str]:
    cpu, cuda = "CPUExecutionProvider", "CUDAExecutionProvider"
    available = runtime.get_available_providers()
    if device.startswith("cuda") and cuda not in available:
        raise ConfigError(
            f"this onnxruntime cannot use cuda (it has {', '.join(available)}): install onnxruntime-gpu, or use cpu"
        )
    return [cuda, cpu] if device != "cpu" and cuda in available else [cpu]
