"""Make the set that pretrains the domain classifier, train_pre_infant.

The classifier learns to tell real from synthetic images. The published recipe takes 1904 adults from COCO val2017 as the real half, and 2000 rendered adults of SURREAL as the
synthetic half. Other sets may be used. SURREAL comes as videos. Extract single images first, and give their folder
with --synthetic-folder.

Examples:
  ffmpeg -i 01_01_c0001.mp4 -vf fps=1 frames/01_01_c0001_%04d.jpg
  fidip prepare pretraining --real person_keypoints_val2017.json val2017 --synthetic-folder frames --root data/syrip
"""

import argparse
import sys
from pathlib import Path

from fidip.commands.options import add_number, add_skeleton


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add, pair = parser.add_argument, ("JSON", "IMAGES")
    add(
        "--real",
        type=Path,
        nargs=2,
        metavar=pair,
        required=True,
        help="take real persons from this COCO annotation file and its folder of images",
    )
    synthetic = parser.add_mutually_exclusive_group(required=True)
    synthetic.add_argument(
        "--synthetic",
        type=Path,
        nargs=2,
        metavar=pair,
        help="take rendered persons from this COCO annotation file and its folder of images (default: none)",
    )
    synthetic.add_argument(
        "--synthetic-folder",
        type=Path,
        metavar="DIR",
        help="take rendered persons from this folder of images without annotations, one person each (default: none)",
    )
    add(
        "--root",
        "--out",
        type=Path,
        default=Path("data/syrip"),
        metavar="DIR",
        help="write the split to this data set (default: %(default)s)",
    )
    add(
        "--split",
        default="train_pre_infant",
        metavar="NAME",
        help="name of the new split (default: %(default)s)",
    )
    add_number(parser, "--num-real", 1904, "number of real persons")
    add_number(parser, "--num-synthetic", 2000, "number of synthetic persons")
    add_number(parser, "--seed", 0, "seed of the choice of persons")
    add_skeleton(parser)


def run(args: argparse.Namespace) -> int:
    """Choose persons, write the split; keypoints are kept for coco17 only."""
    from fidip.data.coco_json import annotation_path, write_split
    from fidip.data.pretrain_set import build_pretrain_set, persons_of_coco, persons_of_folder
    from fidip.environment import setup_logging
    from fidip.skeleton import find_skeleton

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
    sys.stdout.write(f"{len(prepared.pictures)} images with {persons} persons: {target}\n")
    return 0
