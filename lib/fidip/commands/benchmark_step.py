"""Time an adaptive training step beside the published procedure.

Weights and images are random: no data set is needed. Both sides start from the same weights and see the same batch.

Examples:
  fidip benchmark step --cfg coco/mobilenet/mobile_224x224_adam_lr1e-3_infant.yaml --batch 8
"""

import argparse
import sys
from pathlib import Path

from fidip.commands.options import add_config, add_number, add_setting, config_from


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_config(parser)
    add_setting(
        parser, "OUTPUT_DIR", "--model-dir", "--modelDir", metavar="DIR", text="set the folder of run folders"
    )
    add = parser.add_argument
    add_number(parser, "--steps", 10, "number of timed steps of each side")
    add_number(parser, "--warmup", 2, "number of untimed steps before them")
    add_number(parser, "--batch", 0, "batch size, in images; 0: as in the config")
    add(
        "--classifier-passes",
        type=int,
        choices=(2, 3),
        default=2,
        help="passes of the classifier in a published step: 2 as released, 3 with one for the accuracy "
        "(default: %(default)s)",
    )
    add(
        "--out",
        "--output",
        type=Path,
        metavar="JSON",
        help="write the times to this file (default: print only)",
    )


def run(args: argparse.Namespace) -> int:
    """Time, print the table."""
    from fidip.benchmark.step import BenchmarkOptions, run_benchmark
    from fidip.environment import setup_logging
    from fidip.files import write_json

    setup_logging()
    options = BenchmarkOptions(args.steps, args.warmup, args.batch, args.classifier_passes)
    result = run_benchmark(config_from(args), args.cfg, options)
    sys.stdout.write(result.table() + "\n")
    if args.out is not None:
        write_json(args.out, result.as_json())
    return 0
