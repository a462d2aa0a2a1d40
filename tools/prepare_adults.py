"""Join adult pose sets (Leeds Sports Pose Extended, COCO) into one set to start a pose network on.

Writes two sets: one to train on (the Leeds set and COCO's training pictures) and one to test on (COCO's
validation pictures with every label kept). --coco may be given several times, e.g. for COCO's two label files.
"""

import argparse
from pathlib import Path

from fidip.cli import exit_on_error
from fidip.data.adult import MIN_JOINTS, join_adult_sets
from fidip.data.coco_json import annotation_path, write_split
from fidip.runtime import setup_logging


def main(argv: list[str] | None = None) -> int:
    """Parse the command line, join the sets, write both splits."""
    args = _parse(argv)
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
        persons = len(prepared.data["annotations"])
        print(
            f"{split}: {len(prepared.pictures)} pictures, {persons} persons: {annotation_path(args.root, split)}"
        )
    return 0


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument(
        "--lspet", type=Path, metavar="DIR", help="folder with person_keypoints.json and images/"
    )
    parser.add_argument(
        "--coco",
        type=Path,
        nargs=2,
        action="append",
        required=True,
        metavar=("JSON", "IMAGES"),
        help="COCO label file and folder of its pictures",
    )
    parser.add_argument(
        "--coco-split", default="train2017", metavar="NAME", help="part of COCO to train on (%(default)s)"
    )
    parser.add_argument(
        "--val-split",
        default="val2017",
        metavar="NAME",
        help="part of COCO to test on, also the name of the test set (%(default)s)",
    )
    parser.add_argument("--root", type=Path, default=Path("data/adults"), help="where to write (%(default)s)")
    parser.add_argument("--split", default="train_adults", help="name of the training set (%(default)s)")
    parser.add_argument(
        "--min-joints",
        type=int,
        default=MIN_JOINTS,
        metavar="N",
        help="leave out COCO training persons with fewer labelled joints (%(default)s)",
    )
    parser.add_argument(
        "--drop-pseudo-face", action="store_true", help="forget Leeds face joints that a model has filled in"
    )
    parser.add_argument("--link", action="store_true", help="link to the pictures instead of copying them")
    return parser.parse_args(argv)


if __name__ == "__main__":
    exit_on_error(main)
