"""Write a model as one file: a bundle for PyTorch, or a graph for onnxruntime or OpenVINO."""

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import nn

from fidip.build import build_model
from fidip.config import Config
from fidip.deploy import bundle, onnx, openvino
from fidip.deploy.backends import load_network
from fidip.errors import DataError
from fidip.models import load_weights

Writer = Callable[[Config, nn.Module, Path], Path]
FORMATS: Mapping[str, tuple[str, Writer]] = {
    "bundle": (bundle.SUFFIX, bundle.save_bundle),
    "onnx": (onnx.SUFFIX, onnx.export_onnx),
    "openvino": (openvino.SUFFIX, openvino.export_openvino),
}


def export_model(config: Config, weights: Path, kind: str, output: Path) -> Path:
    """Write the network of a config with a weights file; returns where.

    kind: bundle, onnx or openvino. output: a file, or a folder that gets one named after the weights. Raises
    FidipError before the work when names or folders are at fault, after it when the result does not compute
    what the network computes.
    """
    file = _target(kind, output, weights.stem)
    model = build_model(config)
    load_weights(model, weights)
    return FORMATS[kind][1](config, model.eval(), file)


def convert_bundle(source: Path, kind: str, output: Path) -> Path:
    """The same for a bundle, which brings its config."""
    file = _target(kind, output, source.stem)
    config, model = load_network(source, "torch")
    return FORMATS[kind][1](config, model, file)


def _target(kind: str, output: Path, name: str) -> Path:
    suffix = FORMATS[kind][0]
    file = output / f"{name}{suffix}" if output.is_dir() else output
    if file.suffix != suffix:
        raise DataError(f"--out {file}: a file of format {kind} ends in {suffix}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        probe = file.with_name(f".{file.name}.probe")
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise DataError(
            f"--out {file} cannot be written ({error.strerror}); choose another folder"
        ) from error
    return file
