"""Render fitted bodies over background pictures, each in several orientations, with labels.

What the published renderer did: --turns pictures of each fit, its root turned by the same sweep, in random clothes
over a random background. syn_generation/fit.py makes the fits. The set appears in
DIR/annotations/person_keypoints_<split>.json and DIR/images/<split>/; the same command goes on after a stop.
"""

import argparse

from fidip.cli import exit_on_error
from fidip.runtime import setup_logging
from infantsynth.arguments import add_labels, add_look, add_work, labels_of, look_of, order_of
from infantsynth.image_set import generate
from infantsynth.turntable import ROTATIONS, TurntableRecipe


def main(argv: list[str] | None = None) -> int:
    """Parse, render, say where the set is; status 1 when pictures failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument(
        "--fits", required=True, metavar="PATH", help="npz file, or folder with any number of them"
    )
    parser.add_argument(
        "--turns", type=int, default=10, metavar="N", help="pictures of each fit (%(default)s)"
    )
    parser.add_argument(
        "--rotation",
        choices=ROTATIONS,
        default="legacy",
        help="the published sweep, uniform, or none (%(default)s)",
    )
    add_labels(parser, split="train_rendered")
    add_look(parser, mode="raster")
    add_work(parser)
    args = parser.parse_args(argv)
    setup_logging()
    recipe = TurntableRecipe(look_of(args), args.seed, args.split, labels_of(args), args.turns, args.rotation)
    merged = generate(recipe, order_of(args, recipe.count()))
    if merged is not None:
        print(merged.summary())
    return int(merged is not None and bool(merged.failed))


if __name__ == "__main__":
    exit_on_error(main)
