"""Train a network from a config, then test its best and its last model.

The config chooses fine-tuning or domain adaptation (ADAPT.METHOD). Weights, logs and results go to a run folder,
whose name holds a hash of all that changes the result. Run the same command again to resume a stopped training.

Examples:
  fidip train --cfg movenet/thunder_syrip.yaml DATASET.ROOT data/syrip
  fidip train --cfg movenet/thunder_syrip.yaml --out runs SEED 1
  torchrun --nproc_per_node 4 -m fidip train --cfg movenet/thunder_syrip.yaml
"""

import argparse
import sys

from fidip.commands.options import add_config, add_setting, config_from


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options.

    Two settings have none. net: the kind of network that a script's name promises. adaptive: it promises adaptation.
    """
    add_config(parser)
    add_setting(
        parser, "OUTPUT_DIR", "--out", "--modelDir", metavar="DIR", text="write run folders below this folder"
    )
    add_setting(
        parser,
        "MODEL.PRETRAINED",
        "--weights",
        metavar="NAME|FILE",
        text="start from these weights: packaged ones or a checkpoint",
    )
    parser.set_defaults(net="", adaptive=False)


def run(args: argparse.Namespace) -> int:
    """Train, test, print the tables.

    Raises:
        ConfigError: for a config of another kind than a script's name promises.
    """
    from fidip.training import run_training

    cfg = config_from(args)
    from fidip.stages import require_kind

    require_kind(cfg, args.net, args.adaptive)
    outcome = run_training(cfg, args.cfg)
    for name, test in outcome.tests.items():
        sys.stdout.write(f"\n{name} model\n{test.tables}\n")
    return 0
