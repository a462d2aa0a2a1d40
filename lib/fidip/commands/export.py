"""Export a model: a bundle for PyTorch, or a graph for onnxruntime or OpenVINO.

A bundle is one file of weights and config. It is enough for `fidip predict --model FILE`.

Examples:
  fidip export --cfg movenet/thunder_syrip.yaml --weights model_best.pth --out infant.safetensors
  fidip export --weights infant.safetensors --format onnx --out infant.onnx
"""

import argparse
import sys
from pathlib import Path

from fidip.errors import ConfigError

FORMATS = ("bundle", "onnx", "openvino")


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add(
        "--cfg",
        type=Path,
        metavar="FILE",
        help="read the config from this YAML file; a name below experiments/ is enough (default: that of the bundle)",
    )
    add(
        "--weights",
        type=Path,
        required=True,
        metavar="FILE",
        help="export this checkpoint, or convert this bundle",
    )
    add("--format", choices=FORMATS, default="bundle", help="write this format (default: %(default)s)")
    add(
        "--out",
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help="write to this file, or into this folder if it exists",
    )
    add("opts", nargs="*", metavar="KEY VALUE", help="override keys of --cfg, e.g. TEST.FLIP_TEST False")


def run(args: argparse.Namespace) -> int:
    """Export, print where the file is."""
    from fidip.config import load_config
    from fidip.deploy.model_files import convert_bundle, export_model
    from fidip.environment import setup_logging

    setup_logging()
    if args.cfg is not None:
        file = export_model(load_config(args.cfg, args.opts), args.weights, args.format, args.out)
    elif args.opts:
        raise ConfigError(f"{' '.join(args.opts)}: overrides need --cfg")
    else:
        file = convert_bundle(args.weights, args.format, args.out)
    sys.stdout.write(f"{file}: {file.stat().st_size / 1e6:.1f} MB\n")
    return 0
