"""Measure the movement in the poses of a video.

Speed, acceleration, jerk, range, symmetry and correlation of the sides go to tables and figures. Research use, not
diagnostic.

Examples:
  fidip movement output/predictions/clip.poses.jsonl --out output/movement
"""

import argparse
import sys
from pathlib import Path

from fidip.commands.options import add_number


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add("poses", type=Path, metavar="POSES", help="NAME.poses.jsonl of a video, as `fidip predict` writes it")
    add(
        "--out",
        type=Path,
        metavar="DIR",
        help="write tables and figures to this folder (default: beside POSES)",
    )
    add_number(parser, "--window", 0.5, "window of the local polynomials, in s", metavar="S")
    add_number(parser, "--order", 5, "order of the local polynomials")
    add(
        "--threshold",
        "--min-score",
        type=float,
        default=0.2,
        metavar="SCORE",
        help="keypoints scored below this count as not detected (default: %(default)s)",
    )
    add_number(parser, "--max-lag", 1.0, "maximum lag between left and right, in s", metavar="S")
    add("--body-length", type=float, metavar="PX", help="body length, in px (default: measured)")


def run(args: argparse.Namespace) -> int:
    """Measure, print and write the tables."""
    from fidip.environment import setup_logging
    from fidip.files import require_writable
    from fidip.motion.movement import MovementOptions, measure, write_movement
    from fidip.motion.outputs import movement_text
    from fidip.predict.pose_file import PoseFile

    setup_logging()
    options = MovementOptions(args.window, args.order, args.threshold, args.max_lag, args.body_length)
    poses, out = PoseFile(args.poses), args.out or args.poses.parent
    require_writable(out)
    movement = measure(poses, options)
    paths = write_movement(movement, out, poses.stem)
    sys.stdout.write(f"{movement_text(movement.tracks)}\n\nwritten: {', '.join(map(str, paths))}\n")
    return 0
