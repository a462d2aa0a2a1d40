"""Prepare MINI-RGBD, a data set of rendered infants, for training.

Reads the unpacked archive (folders 01 to 12). Writes ROOT/annotations/person_keypoints_<split>.json and
ROOT/images/<split>/. The original folder is left as it is.

Examples:
  fidip prepare mini-rgbd --source MINI-RGBD_web --root data/mini_rgbd --every 10
"""

import argparse
import sys
from pathlib import Path

from fidip.commands.options import add_number


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add(
        "--source",
        type=Path,
        required=True,
        metavar="DIR",
        help="read the unpacked MINI-RGBD, which holds 01 to 12",
    )
    add(
        "--root",
        "--out",
        type=Path,
        default=Path("data/mini_rgbd"),
        metavar="DIR",
        help="write the data set to this folder (default: %(default)s)",
    )
    add(
        "--split",
        default="train_mini_rgbd",
        metavar="NAME",
        help="name of the new split (default: %(default)s)",
    )
    add_number(parser, "--every", 1, "keep one image in N")
    add(
        "--sequences",
        type=int,
        nargs="+",
        metavar="S",
        help="take these sequences only, e.g. 1 2 5 (default: all)",
    )
    add("--hard-link", action="store_true", help="link images instead of copying them, on the same disk only")


def run(args: argparse.Namespace) -> int:
    """Prepare the split, print what was written."""
    from fidip.data.coco_json import annotation_path, write_split
    from fidip.data.mini_rgbd import prepare_mini_rgbd
    from fidip.environment import setup_logging

    setup_logging()
    prepared = prepare_mini_rgbd(args.source, args.sequences, args.every)
    write_split(args.root, args.split, prepared, "hardlink" if args.hard_link else "copy")
    target = annotation_path(args.root, args.split)
    sys.stdout.write(f"{len(prepared.pictures)} images with one infant each: {target}\n")
    return 0
