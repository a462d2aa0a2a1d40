"""Make a film of a synthetic infant who lies on its back and moves, with the labels of every frame.

The film is DIR/SPLIT.mp4; its frames and labels are in DIR/images/SPLIT/ and
DIR/annotations/person_keypoints_SPLIT.json, as syn_generation/generate.py makes them. The same command goes on after a
stop, and more --seconds add to a film. docs/synthetic.md has an example.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from fidip.errors import ConfigError
from fidip.media.export.naming import require
from fidip.media.export.video import encode
from fidip.pixels import read_rgb
from fidip.runtime import read_json, setup_logging
from infantsynth.arguments import add_labels, add_look, add_work, labels_of, look_of, order_of
from infantsynth.dataset import Merged, image_folder
from infantsynth.image_set import Order, SetRecipe, generate
from infantsynth.motion import POSTURE, FilmRecipe


def film_parser() -> argparse.ArgumentParser:
    """The options of syn_generation/film.py."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--seconds", type=float, default=4.0, metavar="S", help="length (%(default)s)")
    parser.add_argument("--rate", type=float, default=15.0, metavar="FPS", help="frames/s (%(default)s)")
    parser.add_argument(
        "--vigour", type=float, default=1.0, metavar="F", help="how far limbs swing, 0: not (%(default)s)"
    )
    add_labels(parser, split="film")
    add_look(parser, mode="path")
    add_work(parser)
    parser.set_defaults(size=(320, 240), prefix="frame", first_id=1, fits="")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Parse, make frames and film, say where they are; status 1 when frames failed."""
    args = film_parser().parse_args(argv)
    setup_logging()
    if args.backgrounds:
        raise ConfigError("a film shows a room: leave --backgrounds out")
    look = replace(look_of(args), place="scene", postures=(POSTURE,), blanket=0.0, toys=0.0)
    recipe = FilmRecipe(look, args.seed, args.split, labels_of(args), args.rate, args.vigour)
    merged = write_film(recipe, order_of(args, round(args.seconds * args.rate)), args.rate)
    if merged is None:
        return 0
    sys.stdout.write(f"{merged.summary()}\n")
    if merged.failed:
        return 1
    sys.stdout.write(f"film: {film_path(args.out, args.split)}\n")
    return 0


def film_path(root: Path, split: str) -> Path:
    """Where the video of a split is."""
    return root / f"{split}.mp4"


def write_film(recipe: SetRecipe, order: Order, rate: float) -> Merged | None:
    """Make what is missing of the frames and, when all are there, the video. rate: frames/s.

    Returns None while other parts are missing; no video appears where frames failed. Raises ConfigError without PyAV.
    """
    require("av")
    merged = generate(recipe, order)
    if merged is not None and not merged.failed:
        frames = labelled_frames(merged, image_folder(order.root, order.split), rate)
        encode(film_path(order.root, order.split), frames, rate)
    return merged


def labelled_frames(merged: Merged, folder: Path, rate: float) -> Iterator[tuple[float, np.ndarray]]:
    """Times in s and pictures RGB uint8 (H, W, 3) of a film's frames, in the order of their labels."""
    for index, image in enumerate(read_json(merged.annotation_file, "annotation file")["images"]):
        yield index / rate, read_rgb(folder / image["file_name"])
