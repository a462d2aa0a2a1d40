"""Time inference of networks in PyTorch, onnxruntime and OpenVINO.

The backends run in one process, in turns. Weights and images are random: neither a checkpoint nor a data set is needed.

Examples:
  fidip benchmark backends --cfg movenet/thunder_256x256.yaml movenet/lightning_192x192.yaml --turns 50
"""

import argparse
import sys
from pathlib import Path

from fidip.commands.options import add_number, free_overrides


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add(
        "--cfg",
        nargs="+",
        required=True,
        metavar="FILE",
        help="time the networks of these YAML files; names below experiments/ are enough",
    )
    add_number(parser, "--batch", 1, "batch size, in crops")
    add_number(parser, "--turns", 20, "number of timed passes of each backend")
    add_number(parser, "--warmup", 3, "number of untimed passes before them")
    add_number(parser, "--threads", 1, "number of threads of each backend")
    add(
        "--out",
        "--output",
        type=Path,
        metavar="JSON",
        help="write the times to this file (default: print only)",
    )
    add(
        "opts",
        nargs="*",
        metavar="KEY VALUE",
        help="override keys of all configs, e.g. MODEL.EXTRA.WIDTH_MULT 0.5",
    )


def run(args: argparse.Namespace) -> int:
    """Time, print the tables."""
    from fidip.benchmark.backends import benchmark_backends
    from fidip.config import load_config
    from fidip.environment import provenance, setup_logging
    from fidip.files import write_json

    free_overrides(args, "cfg")
    setup_logging()
    results = []
    for file in map(Path, args.cfg):
        cfg = load_config(file, args.opts)
        times = benchmark_backends(cfg, file.stem, args.batch, args.turns, args.warmup, args.threads)
        sys.stdout.write(f"{times.table()}\n")
        results.append(times.as_json())
    if args.out is not None:
        write_json(args.out, {"runs": results, "provenance": provenance()})
    return 0
