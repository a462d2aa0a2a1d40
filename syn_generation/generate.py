"""Make a labelled set of synthetic infants, or adults, in the layout of SyRIP.

The set appears in DIR/annotations/person_keypoints_<split>.json and DIR/images/<split>/ when all pictures are made.
The same command goes on after a stop, and a larger --count adds to a set. Picture i of a seed is the same whatever
the number of workers, machines and stops. docs/synthetic.md has examples.
"""

import argparse

from fidip.cli import exit_on_error
from fidip.runtime import setup_logging
from infantsynth.arguments import add_labels, add_look, add_scene, add_work, labels_of, look_of, order_of
from infantsynth.image_set import PictureRecipe, generate


def main(argv: list[str] | None = None) -> int:
    """Parse, generate, say where the set is; status 1 when pictures failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--count", type=int, required=True, metavar="N", help="pictures in the set")
    add_labels(parser, split="train_infant")
    add_look(parser, mode="path")
    add_scene(parser)
    add_work(parser)
    args = parser.parse_args(argv)
    setup_logging()
    recipe = PictureRecipe(look_of(args), args.seed, args.split, labels_of(args))
    merged = generate(recipe, order_of(args, args.count))
    if merged is not None:
        print(merged.summary())
    return int(merged is not None and bool(merged.failed))


if __name__ == "__main__":
    exit_on_error(main)
