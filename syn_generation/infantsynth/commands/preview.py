"""Draw a contact sheet of a labelled split: images with their keypoints, to look at before you use them.

Keypoints are filled where they are seen and rings where they are hidden; left is red, right blue, the nose green.
The box is yellow, the outline white.

Example:
  fidip preview --root data/synthetic --split train_infant --count 24
"""

import argparse
import sys
from pathlib import Path

from infantsynth.commands.options import adder


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = adder(parser)
    add(
        "--root",
        text="read annotations/ and images/ below this folder",
        type=Path,
        required=True,
        metavar="DIR",
    )
    add("--split", text="name of the split", default="train_synthetic", metavar="NAME")
    add("--count", text="number of images, evenly spread over the split", type=int, default=40, metavar="N")
    add("--columns", text="number of images a row", type=int, default=8, metavar="N")
    add("--tile", text="side of an image, in px", type=int, default=240, metavar="PX")
    add("--posture", text="show only this posture, e.g. Supine (default: all)", default="", metavar="NAME")
    add("--no-joints", text="draw no keypoints", action="store_true")
    add("--outline", text="draw the outline and the box too", action="store_true")
    out = "write the sheet to this file (default: ROOT/preview_SPLIT.png)"
    add("--out", "--output", text=out, type=Path, metavar="FILE")


def run(args: argparse.Namespace) -> int:
    """Draw the sheet, write it as PNG, and print where it is."""
    from fidip.environment import setup_logging
    from infantsynth.overlay import SheetOptions, contact_sheet, write_png

    setup_logging()
    options = SheetOptions(
        args.count, args.columns, args.tile, not args.no_joints, args.outline, args.posture
    )
    out = args.out or args.root / f"preview_{args.split}.png"
    write_png(out, contact_sheet(args.root, args.split, options))
    sys.stdout.write(f"{out}\n")
    return 0
