"""One file in, config and network out, whatever runs it: PyTorch, onnxruntime or OpenVINO."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import nn

from fidip.config import Settings
from fidip.deploy import bundle, onnx, openvino
from fidip.errors import ConfigError

# what can run a file, by how its name ends; the first is used unless another is asked for
BACKENDS: Mapping[str, Sequence[str]] = {
    bundle.SUFFIX: ("torch",),
    onnx.SUFFIX: ("onnxruntime", "openvino"),
    openvino.SUFFIX: ("openvino",),
}
NAMES = tuple(dict.fromkeys(name for names in BACKENDS.values() for name in names))


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
