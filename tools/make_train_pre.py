"""Make the set that teaches the domain classifier to tell real from synthetic pictures (train_pre_infant).

The published recipe takes 1904 adults from COCO val2017 as the real half, and 2000 rendered adults of SURREAL
as the synthetic half. Other sets may be used. SURREAL comes as videos; take single pictures out of them first:

    ffmpeg -i 01_01_c0001.mp4 -vf fps=1 frames/01_01_c0001_%04d.jpg

and give the folder of pictures with --synthetic-folder.
"""

import argparse
from pathlib import Path

from fidip.cli import exit_on_error
from fidip.data.coco_json import annotation_path, write_split
from fidip.data.pretrain_set import (
    PUBLISHED_REAL,
    PUBLISHED_SYNTHETIC,
    build_pretrain_set,
    persons_of_coco,
    persons_of_folder,
)
from fidip.runtime import setup_logging
from fidip.skeleton import COCO17, find_skeleton


def main(argv: list[str] | None = None) -> int:
    """Parse the command line, choose persons, write the split."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    pair = ("JSON", "IMAGES")
    parser.add_argument(
        "--real", type=Path, nargs=2, metavar=pair, required=True, help="COCO label file and folder of photos"
    )
    synthetic = parser.add_mutually_exclusive_group(required=True)
    synthetic.add_argument(
        "--synthetic",
        type=Path,
        nargs=2,
        metavar=pair,
        help="COCO label file and folder of rendered pictures",
    )
    synthetic.add_argument(
        "--synthetic-folder",
        type=Path,
        metavar="DIR",
        help="rendered pictures without labels, one person each",
    )
    parser.add_argument("--root", type=Path, default=Path("data/syrip"), help="where to write (%(default)s)")
    parser.add_argument("--split", default="train_pre_infant", help="name of the new set (%(default)s)")
    parser.add_argument("--num-real", type=int, default=PUBLISHED_REAL, help="real persons (%(default)s)")
    parser.add_argument(
        "--num-synthetic", type=int, default=PUBLISHED_SYNTHETIC, help="synthetic persons (%(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="same number, same choice of persons (%(default)s)"
    )
    parser.add_argument(
        "--skeleton", default=COCO17.name, metavar="NAME|YAML", help="joint set of the config that will use it; joints are kept for coco17 only (%(default)s)"
    )  # fmt: skip
    args = parser.parse_args(argv)
    setup_logging()
    skeleton = find_skeleton(args.skeleton)
    real = persons_of_coco(args.real[0], args.real[1], synthetic=False, skeleton=skeleton)
    if args.synthetic_folder is not None:
        rendered = persons_of_folder(args.synthetic_folder)
    else:
        rendered = persons_of_coco(args.synthetic[0], args.synthetic[1], synthetic=True, skeleton=skeleton)
    prepared = build_pretrain_set(real, rendered, args.num_real, args.num_synthetic, args.seed, skeleton)
    write_split(args.root, args.split, prepared)
    persons, target = len(prepared.data["annotations"]), annotation_path(args.root, args.split)
    print(f"{len(prepared.pictures)} pictures with {persons} persons: {target}")
    return 0


if __name__ == "__main__":
    exit_on_error(main)
