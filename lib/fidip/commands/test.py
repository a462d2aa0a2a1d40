"""Test a checkpoint on the split DATASET.TEST_SET of a config.

Prints AP and AR with 95 % intervals. Writes results as COCO JSON, metrics.json, tables, and images of the best and
the worst predictions to a run folder. Without --weights the best model of the config's training is tested.

Examples:
  fidip test --cfg movenet/thunder_256x256.yaml DATASET.ROOT data/syrip
  fidip test --cfg runs/RUN/config.yaml --weights runs/RUN/model_last.pth TEST.USE_GT_BBOX True
"""

import argparse
import sys

from fidip.commands.options import add_config, add_setting, config_from


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_config(parser)
    add_setting(
        parser, "OUTPUT_DIR", "--out", "--modelDir", metavar="DIR", text="write run folders below this folder"
    )
    add_setting(
        parser,
        "TEST.MODEL_FILE",
        "--weights",
        metavar="NAME|FILE",
        text="test these weights: packaged ones or a checkpoint",
    )
    add_setting(
        parser,
        "TEST.SAVE_FEATURES",
        "--save-features",
        metavar="FILE",
        text="write the features to this .npy file",
    )


def run(args: argparse.Namespace) -> int:
    """Test, print the tables."""
    from fidip.testing import run_test

    outcome = run_test(config_from(args), args.cfg)
    sys.stdout.write(f"{outcome.tables}\n\nresults: {outcome.folder}\n")
    return 0
