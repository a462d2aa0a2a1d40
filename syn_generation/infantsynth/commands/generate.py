"""Generate a labelled set of synthetic infants, or adults, in the layout of SyRIP.

The set appears in DIR/annotations/person_keypoints_<split>.json and DIR/images/<split>/ when all images are made.
Run the same command again to resume; a larger --count adds to a set. Image i of a seed is the same whatever the
number of workers, machines and stops.

Example:
  fidip generate --count 1000 --out data/synthetic --mode raster
"""

import argparse
import sys

from infantsynth.commands.options import (
    add_labels,
    add_look,
    add_scene,
    add_work,
    labels_of,
    look_of,
    order_of,
)


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--count", type=int, required=True, metavar="N", help="number of images in the set")
    add_labels(parser, split="train_infant")
    add_look(parser, mode="path")
    add_scene(parser)
    add_work(parser)


def run(args: argparse.Namespace) -> int:
    """Generate the set and print where it is; return 1 when images failed."""
    from fidip.environment import setup_logging
    from infantsynth.image_set import ImageRecipe, generate

    setup_logging()
    recipe = ImageRecipe(look_of(args), args.seed, args.split, labels_of(args))
    merged = generate(recipe, order_of(args, args.count))
    if merged is None:
        return 0
    sys.stdout.write(f"{merged.summary()}\n")
    return int(bool(merged.failed))
