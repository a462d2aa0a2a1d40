"""Draw a contact sheet of a labelled split: images with their keypoints, to look at before you use them.

Keypoints are filled where they are seen and rings where they are hidden; left is red, right blue, the nose green.
The box is yellow, the outline white.

Example:
  fidip preview --root data/synthetic --split train_infant --count 24
"""

import argparse
import sys
from pathlib import Path


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add(
        "--root",
        type=Path,
        required=True,
        metavar="DIR",
        help="read annotations/ and images/ below this folder",
    )
    add("--split", default="train_synthetic", metavar="NAME", help="name of the split (default: %(default)s)")
    add(
        "--count",
        type=int,
        default=40,
        metavar="N",
        help="number of images, evenly spread over the split (default: %(default)s)",
    )
    add("--columns", type=int, default=8, metavar="N", help="number of images a row (default: %(default)s)")
    add("--tile", type=int, default=240, metavar="PX", help="side of an image, in px (default: %(default)s)")
    add("--posture", default="", metavar="NAME", help="show only this posture, e.g. Supine (default: all)")
    add("--no-joints", action="store_true", help="draw no keypoints")
    add("--outline", action="store_true", help="draw the outline and the box too")
    add(
        "--out",
        "--output",
        type=Path,
        metavar="FILE",
        help="write the sheet to this file (default: ROOT/preview_SPLIT.png)",
    )


def run(args: argparse.Namespace) -> int:
    """Draw the sheet, write it as PNG, and print where it is."""
    from fidip.runtime import setup_logging
    from infantsynth.overlay import SheetOptions, contact_sheet, write_png

    setup_logging()
    options = SheetOptions(
        args.count, args.columns, args.tile, not args.no_joints, args.outline, args.posture
    )
    out = args.out or args.root / f"preview_{args.split}.png"
    write_png(out, contact_sheet(args.root, args.split, options))
    sys.stdout.write(f"{out}\n")
    return 0
