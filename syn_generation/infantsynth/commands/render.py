"""Render fitted bodies over background images, each in several orientations, with labels.

This is what the published renderer did: --turns images of each fit, its root turned by the same sweep, in random
clothes over a random background. `fidip fit` makes the fits. The set appears in
DIR/annotations/person_keypoints_<split>.json and DIR/images/<split>/. Run the same command again to resume.

Example:
  fidip render --fits output/results --backgrounds photographs --out data/rendered --turns 10
"""

import argparse
import sys

from infantsynth.commands.options import add_labels, add_look, add_work, adder, labels_of, look_of, order_of
from infantsynth.scene.places import TURNS


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = adder(parser)
    add(
        "--fits",
        text="read fits from this npz file, or from all in this folder",
        required=True,
        metavar="PATH",
    )
    add("--turns", text="number of images of each fit", type=int, default=10, metavar="N")
    rotation = "turn bodies by the published sweep, uniformly, or not at all"
    add("--rotation", text=rotation, choices=TURNS, default="legacy")
    add_labels(parser, split="train_rendered")
    add_look(parser, mode="raster")
    add_work(parser)


def run(args: argparse.Namespace) -> int:
    """Render the set and print where it is; return 1 when images failed."""
    from fidip.environment import setup_logging
    from infantsynth.image_set import generate
    from infantsynth.turntable import TurntableRecipe

    setup_logging()
    recipe = TurntableRecipe(look_of(args), args.seed, args.split, labels_of(args), args.turns, args.rotation)
    merged = generate(recipe, order_of(args, recipe.count()))
    if merged is None:
        return 0
    sys.stdout.write(f"{merged.summary()}\n")
    return int(bool(merged.failed))
