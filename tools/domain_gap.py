"""Measure how far apart two domains are in the features of a network: probes, A-distance, MMD, Frechet, t-SNE.

    python tools/domain_gap.py --cfg FILE --weights before=START.pth after=RUN/model_best.pth --splits REAL SYNTHETIC

All checkpoints are of the config's network and see the same crops; the table has a column for each.
"""

import argparse
from pathlib import Path

from fidip.cli import exit_on_error
from fidip.commands.config_scripts import config_from, config_parser, free_overrides
from fidip.commands.domain_gap import GapRequest, run_domain_gap
from fidip.domain_gap import EMBEDDINGS, POOLS, GapOptions
from fidip.errors import ConfigError


def main(argv: list[str] | None = None) -> int:
    """Parse, measure, print the tables."""
    args = free_overrides(make_parser().parse_args(argv), "weights", "splits", "adults")
    request = GapRequest(
        folder=args.output or Path("output") / "domain_gap" / args.cfg.stem,
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
    print(f"{outcome.tables}\n\nresults: {outcome.folder}")
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = config_parser(__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--weights", nargs="+", default=[], metavar="[NAME=]FILE", help="checkpoints to compare (as tools/test.py takes it)")  # fmt: skip
    add("--splits", nargs="+", default=[], metavar="SPLIT", help="splits of both domains (DATASET.TRAIN_SET)")
    add("--adults", nargs="+", default=[], metavar="SPLIT", help="splits of a third group, the adults")
    add("--names", nargs=2, default=["real", "synthetic"], metavar="NAME", help="of the two domains (real synthetic)")  # fmt: skip
    add("--pool", choices=list(POOLS), default="mean", help="feature map -> vector (%(default)s)")
    add("--embedding", choices=list(EMBEDDINGS), default="tsne", help="kind of picture (%(default)s)")
    add("--limit", type=int, default=1000, metavar="N", help="most persons of a group, 0: all (%(default)s)")
    add("--folds", type=int, default=5, metavar="N", help="of the probes' cross-validation (%(default)s)")
    add("--repeats", type=int, default=3, metavar="N", help="times that the folds are drawn (%(default)s)")
    add("--permutations", type=int, default=1000, metavar="N", help="of the MMD test (%(default)s)")
    add("--seed", type=int, default=0, help="of everything random (%(default)s)")
    add("--output", type=Path, metavar="FOLDER", help="for gap.json, gap.md, embedding.png (output/domain_gap/CONFIG)")  # fmt: skip
    return parser


def named_weights(entries: list[str]) -> dict[str, Path]:
    """Checkpoints by name; a file without one goes by its stem. Raises ConfigError for a name used twice."""
    weights: dict[str, Path] = {}
    for entry in entries:
        name, _, file = entry.rpartition("=")
        path = Path(file)
        name = name or path.stem
        if name in weights:
            raise ConfigError(f"--weights: {name!r} is named twice; write NAME=FILE with different names")
        weights[name] = path
    return weights


if __name__ == "__main__":
    exit_on_error(main)
