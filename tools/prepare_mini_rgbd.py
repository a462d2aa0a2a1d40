"""Prepare MINI-RGBD, a set of rendered infants with exact joint positions, for training.

Reads the unpacked archive (folders 01 to 12) and writes ROOT/annotations/person_keypoints_<split>.json and
ROOT/images/<split>/. The original folder is left as it is.
"""

import argparse
from pathlib import Path

from fidip.cli import exit_on_error
from fidip.data.coco_json import annotation_path, write_split
from fidip.data.mini_rgbd import prepare_mini_rgbd
from fidip.runtime import setup_logging


def main(argv: list[str] | None = None) -> int:
    """Parse the command line, prepare the split, say what was written."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument(
        "--source", type=Path, required=True, help="unpacked MINI-RGBD folder (holds 01 to 12)"
    )
    parser.add_argument(
        "--root", type=Path, default=Path("data/mini_rgbd"), help="where to write (%(default)s)"
    )
    parser.add_argument("--split", default="train_mini_rgbd", help="name of the new set (%(default)s)")
    parser.add_argument(
        "--every", type=int, default=1, metavar="N", help="keep one picture in N (%(default)s)"
    )
    parser.add_argument(
        "--sequences", type=int, nargs="+", metavar="S", help="take only these sequences, e.g. 1 2 5 (all)"
    )
    parser.add_argument(
        "--hard-link", action="store_true", help="do not copy pictures; needs no space, same disk only"
    )
    args = parser.parse_args(argv)
    setup_logging()
    prepared = prepare_mini_rgbd(args.source, args.sequences, args.every)
    write_split(args.root, args.split, prepared, "hardlink" if args.hard_link else "copy")
    print(f"{len(prepared.pictures)} pictures with one infant each: {annotation_path(args.root, args.split)}")
    return 0


if __name__ == "__main__":
    exit_on_error(main)
