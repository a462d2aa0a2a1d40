"""Measure the gap between two domains in the features of a network.

Probes, proxy A-distance, MMD and Frechet distance are printed and written as gap.json and gap.md, an embedding of
the features as embedding.png. All checkpoints are of the config's network and see the same crops; the table has one
column for each.

Examples:
  fidip domain-gap --cfg cpu/real_synthetic_fidip.yaml \\
    --weights before=START.pth after=RUN/model_best.pth --splits train_infant synthetic_infant
"""

import argparse
import sys
from pathlib import Path

from fidip.commands.options import add_config, add_number, add_setting, config_from, free_overrides
from fidip.errors import ConfigError

POOLS = ("mean", "moments", "grid")
EMBEDDINGS = ("tsne", "umap")


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_config(parser)
    add_setting(
        parser,
        "OUTPUT_DIR",
        "--model-dir",
        "--modelDir",
        metavar="DIR",
        text="search the config's run folder below this folder",
    )
    _add_domains(parser)
    _add_measures(parser.add_argument_group("measures"))


def _add_domains(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--out",
        "--output",
        type=Path,
        metavar="DIR",
        help="write results to this folder (default: output/domain_gap/CONFIG)",
    )
    add(
        "--weights",
        nargs="+",
        default=[],
        metavar="[NAME=]FILE",
        help="compare these checkpoints (default: the one that `fidip test` would test)",
    )
    add(
        "--splits",
        nargs="+",
        default=[],
        metavar="SPLIT",
        help="take both domains from these splits (default: DATASET.TRAIN_SET of the config)",
    )
    add(
        "--adults",
        nargs="+",
        default=[],
        metavar="SPLIT",
        help="add a third group, adults, from these splits (default: none)",
    )
    add(
        "--names",
        nargs=2,
        default=["real", "synthetic"],
        metavar="NAME",
        help="name the two domains (default: real synthetic)",
    )


def _add_measures(group: "argparse._ArgumentGroup") -> None:
    add = group.add_argument
    add(
        "--pool",
        choices=POOLS,
        default="mean",
        help="pool feature maps to vectors like this (default: %(default)s)",
    )
    add(
        "--embedding",
        choices=EMBEDDINGS,
        default="tsne",
        help="embed the features like this (default: %(default)s)",
    )
    add_number(group, "--limit", 1000, "maximum number of persons in a group; 0: all")
    add_number(group, "--folds", 5, "number of folds in the probes' cross-validation")
    add_number(group, "--repeats", 3, "number of times that the folds are drawn")
    add_number(group, "--permutations", 1000, "number of permutations in the MMD test")
    add_number(group, "--seed", 0, "seed of everything random")


def run(args: argparse.Namespace) -> int:
    """Measure, print the tables."""
    from fidip.domain_gap import GapOptions
    from fidip.gap import GapRequest, run_domain_gap

    free_overrides(args, "weights", "splits", "adults")
    request = GapRequest(
        folder=args.out or Path("output") / "domain_gap" / args.cfg.stem,
        weights=named_weights(args.weights),
        splits=args.splits,
        adults=args.adults,
        names=tuple(args.names),
        pool=args.pool,
        method=args.embedding,
        limit=args.limit,
        options=GapOptions(args.seed, args.folds, args.repeats, args.permutations),
    )
    outcome = run_domain_gap(config_from(args), args.cfg, request)
    sys.stdout.write(f"{outcome.tables}\n\nresults: {outcome.folder}\n")
    return 0


def named_weights(entries: list[str]) -> dict[str, Path]:
    """Read checkpoints by name; a file without a name goes by its stem.

    Raises:
        ConfigError: for a name that is used twice.
    """
    weights: dict[str, Path] = {}
    for entry in entries:
        name, _, file = entry.rpartition("=")
        path = Path(file)
        name = name or path.stem
        if name in weights:
            raise ConfigError(f"--weights: {name!r} is named twice; write NAME=FILE with different names")
        weights[name] = path
    return weights
