"""Commands that a config drives: their common options, and the entries of training and testing."""

import argparse
import sys
from pathlib import Path

from yacs.config import CfgNode

from fidip import build
from fidip.commands.test import run_test
from fidip.commands.train import run_training
from fidip.config import defaults, load_config


def config_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with the options that all config-driven scripts share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--cfg", type=Path, required=True, help="a YAML file under experiments/")
    parser.add_argument("--modelDir", default="", help="where run folders are made (OUTPUT_DIR)")
    parser.add_argument("--logDir", default="", help="where tensorboard files go (LOG_DIR)")
    parser.add_argument(
        "--dataDir", default="", help="put in front of relative data and weight paths (DATA_DIR)"
    )
    parser.add_argument("opts", nargs="*", metavar="KEY VALUE", help="overrides, e.g. TRAIN.LR 1e-4")
    return parser


def free_overrides(arguments: argparse.Namespace, *options: str) -> argparse.Namespace:
    """Give ``opts`` back the KEY VALUE pairs that an option with any number of words took for its own.

    options: those of the arguments that are lists of words, in which a key of the config cannot be meant.
    """
    keys = set(defaults())
    for option in options:
        words = getattr(arguments, option)
        begin = next((i for i, word in enumerate(words) if word.partition(".")[0] in keys), len(words))
        arguments.opts = [*words[begin:], *arguments.opts]
        setattr(arguments, option, words[:begin])
    return arguments


def config_from(arguments: argparse.Namespace) -> CfgNode:
    """The config that the arguments of ``config_parser`` ask for."""
    folders = {"OUTPUT_DIR": arguments.modelDir, "LOG_DIR": arguments.logDir, "DATA_DIR": arguments.dataDir}
    overrides = [text for key, value in folders.items() if value for text in (key, value)]
    return load_config(arguments.cfg, [*overrides, *arguments.opts])


def test_main(argv: list[str] | None = None) -> int:
    """Entry of tools/test.py and tools/test_adaptive_model.py: parse, test, print the tables."""
    parser = config_parser(
        "Test a checkpoint on DATASET.TEST_SET: AP and AR, results JSON, metrics.json, pictures."
    )
    parser.add_argument("--save-features", default="", metavar="FILE", help="also write the features, .npy")
    arguments = parser.parse_args(argv)
    if arguments.save_features:
        arguments.opts += ["TEST.SAVE_FEATURES", arguments.save_features]
    outcome = run_test(config_from(arguments), arguments.cfg)
    sys.stdout.write(f"{outcome.tables}\n\nresults: {outcome.folder}\n")
    return 0


def train_main(argv: list[str] | None = None, net: str = "", adaptive: bool = False) -> int:
    """Entry of the tools/train*.py scripts: parse, train, test, print the tables.

    net: the kind that the script's name promises; adaptive: its name promises adaptation. Raises ConfigError
    for a config of another kind.
    """
    text = (
        "Train a pose net"
        + (" with domain adaptation" if adaptive else "")
        + ", then test the best and last model."
    )
    arguments = config_parser(text).parse_args(argv)
    cfg = config_from(arguments)
    build.require_kind(cfg, net, adaptive)
    outcome = run_training(cfg, arguments.cfg)
    for name, test in outcome.tests.items():
        sys.stdout.write(f"\n{name} model\n{test.tables}\n")
    return 0


test_main.__test__ = False  # type: ignore[attr-defined]  # no test, whatever pytest thinks of its name
