"""Render a labelled video of a synthetic infant who lies on its back and moves.

The video is DIR/SPLIT.mp4; its frames and labels are in DIR/images/SPLIT/ and
DIR/annotations/person_keypoints_SPLIT.json, as `fidip generate` makes them. Run the same command again to resume;
more --seconds add to a video.

Example:
  fidip film --seconds 4 --rate 15 --out data/film
"""

import argparse
import sys
from dataclasses import replace

from infantsynth.commands.options import add_labels, add_look, add_work, adder, labels_of, look_of, order_of


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = adder(parser)
    add("--seconds", text="length, in seconds", type=float, default=4.0, metavar="S")
    add("--rate", text="frames per second", type=float, default=15.0, metavar="FPS")
    vigour = "factor on how far limbs swing; 0 keeps them still"
    add("--vigour", text=vigour, type=float, default=1.0, metavar="F")
    add_labels(parser, split="film")
    add_look(parser, mode="path", size=(320, 240))
    add_work(parser)
    parser.set_defaults(prefix="frame", first_id=1, fits="")


def run(args: argparse.Namespace) -> int:
    """Render frames and video and print where they are; return 1 when frames failed."""
    from fidip.environment import setup_logging
    from fidip.errors import ConfigError
    from infantsynth.motion import POSTURE, VideoRecipe, video_path, write_video

    setup_logging()
    if args.backgrounds:
        raise ConfigError("a film shows a room: leave --backgrounds out")
    look = replace(look_of(args), place="scene", postures=(POSTURE,), blanket=0.0, toys=0.0)
    recipe = VideoRecipe(look, args.seed, args.split, labels_of(args), args.rate, args.vigour)
    merged = write_video(recipe, order_of(args, round(args.seconds * args.rate)), args.rate)
    if merged is None:
        return 0
    sys.stdout.write(f"{merged.summary()}\n")
    if merged.failed:
        return 1
    sys.stdout.write(f"film: {video_path(args.out, args.split)}\n")
    return 0
