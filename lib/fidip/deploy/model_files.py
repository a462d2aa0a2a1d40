"""A model as one file: a bundle for PyTorch, or a graph for onnxruntime or OpenVINO; written, and read to be run."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from torch import nn

from fidip.build import build_model
from fidip.config import Config, Settings
from fidip.deploy import bundle, onnx, openvino
from fidip.errors import ConfigError, DataError
from fidip.models import load_weights

# what can run a file, by how its name ends; the first is used unless another is asked for
BACKENDS: Mapping[str, Sequence[str]] = {
    bundle.SUFFIX: ("torch",),
    onnx.SUFFIX: ("onnxruntime", "openvino"),
    openvino.SUFFIX: ("openvino",),
}
NAMES = tuple(dict.fromkeys(name for names in BACKENDS.values() for name in names))

Writer = Callable[[Config, nn.Module, Path], Path]
FORMATS: Mapping[str, tuple[str, Writer]] = {
    "bundle": (bundle.SUFFIX, bundle.save_bundle),
    "onnx": (onnx.SUFFIX, onnx.export_onnx),
    "openvino": (openvino.SUFFIX, openvino.export_openvino),
}


def load_network(
    path: str | Path, backend: str = "auto", device: str = "auto", threads: int = 0
) -> tuple[Settings, nn.Module]:
    """Config and network of a file that `fidip export` wrote: .safetensors, .onnx or .xml.

    backend: auto, torch, onnxruntime or openvino. device and threads are for the exported networks; one of
    PyTorch is moved by whoever uses it. Raises ConfigError for a file and a backend that do not go together,
    DataError for a file that is faulty.
    """
    path = Path(path)
    if path.suffix not in BACKENDS:
        raise ConfigError(
            f"{path}: a network's file ends in {', '.join(BACKENDS)}; give other weights together with --cfg"
        )
    able = BACKENDS[path.suffix]
    chosen = able[0] if backend == "auto" else backend
    if chosen not in able:
        raise ConfigError(
            f"{path} cannot be run by {backend!r}, only by {' or '.join(able)}; "
            "`fidip export --format` makes other files"
        )
    if chosen == "torch":
        return bundle.load_bundle(path)
    if chosen == "onnxruntime":
        return onnx.load_onnx(path, device, threads)
    return openvino.load_openvino(path, threads)


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
