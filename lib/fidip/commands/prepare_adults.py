"""Join data sets of adults (Leeds Sports Pose, COCO) to pretrain a pose network.

Writes two splits: one to train on (the Leeds set and COCO's training images) and one to test on (COCO's validation
images with every annotation kept). --coco can be repeated, e.g. for COCO's two annotation files.

Examples:
  fidip prepare adults --lspet LSPET --coco person_keypoints.json COCO_IMAGES --root data/adults
"""

import argparse
import sys
from pathlib import Path

from fidip.commands.options import add_number


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add(
        "--lspet",
        type=Path,
        metavar="DIR",
        help="read Leeds Sports Pose Extended, with person_keypoints.json and images/ (default: leave it out)",
    )
    add(
        "--coco",
        type=Path,
        nargs=2,
        action="append",
        required=True,
        metavar=("JSON", "IMAGES"),
        help="read a COCO annotation file and its folder of images",
    )
    add(
        "--coco-split",
        default="train2017",
        metavar="NAME",
        help="train on this part of COCO (default: %(default)s)",
    )
    add(
        "--val-split",
        default="val2017",
        metavar="NAME",
        help="test on this part of COCO, and name the test split so (default: %(default)s)",
    )
    add(
        "--root",
        "--out",
        type=Path,
        default=Path("data/adults"),
        metavar="DIR",
        help="write the data set to this folder (default: %(default)s)",
    )
    add(
        "--split",
        default="train_adults",
        metavar="NAME",
        help="name of the training split (default: %(default)s)",
    )
    add_number(parser, "--min-joints", 5, "leave out COCO training persons with fewer labelled keypoints")
    add(
        "--drop-pseudo-face",
        action="store_true",
        help="drop face keypoints of the Leeds set that a model filled in",
    )
    add("--link", action="store_true", help="link images instead of copying them")


def run(args: argparse.Namespace) -> int:
    """Join the sets, write both splits."""
    from fidip.data.adult import join_adult_sets
    from fidip.data.coco_json import annotation_path, write_split
    from fidip.environment import setup_logging

    setup_logging()
    splits = join_adult_sets(
        args.lspet,
        [(annotations, folder) for annotations, folder in args.coco],
        args.coco_split,
        args.val_split,
        args.min_joints,
        args.drop_pseudo_face,
    )
    for split, prepared in zip((args.split, args.val_split), splits, strict=True):
        write_split(args.root, split, prepared, "symlink" if args.link else "copy")
        persons, target = len(prepared.data["annotations"]), annotation_path(args.root, split)
        sys.stdout.write(f"{split}: {len(prepared.pictures)} images, {persons} persons: {target}\n")
    return 0
