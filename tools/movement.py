"""Measure the movement in a file of poses: speed, acceleration, jerk, range, symmetry, correlation of the sides.

    python tools/movement.py output/clip.poses.jsonl --out output

Research use, not diagnostic.
"""

import argparse
from pathlib import Path

from fidip.cli import exit_on_error
from fidip.commands.predict import require_writable
from fidip.media.export.naming import stem
from fidip.media.frames import PoseFile
from fidip.media.movement import MovementOptions, measure, write_movement
from fidip.media.movement_table import movement_text
from fidip.runtime import setup_logging


def main(argv: list[str] | None = None) -> int:
    """Parse, measure, print and write the tables."""
    defaults = MovementOptions()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "poses", type=Path, metavar="POSES", help="NAME.poses.jsonl of a video, as tools/predict.py writes it"
    )
    add("--out", type=Path, metavar="DIR", help="where tables and pictures go (beside POSES)")
    add(
        "--window",
        type=float,
        default=defaults.window,
        metavar="S",
        help="of the local polynomials (%(default)s)",
    )
    add(
        "--order",
        type=int,
        default=defaults.order,
        metavar="N",
        help="of the local polynomials (%(default)s)",
    )
    add("--min-score", type=float, default=defaults.min_score, metavar="P", help="joints scored lower are not seen (%(default)s)")  # fmt: skip
    add(
        "--max-lag",
        type=float,
        default=defaults.max_lag,
        metavar="S",
        help="between left and right (%(default)s)",
    )
    add("--body-length", type=float, metavar="PX", help="instead of the measured one")
    args = parser.parse_args(argv)
    setup_logging()
    options = MovementOptions(args.window, args.order, args.min_score, args.max_lag, args.body_length)
    poses, out = PoseFile(args.poses), args.out or args.poses.parent
    require_writable(out)
    movement = measure(poses, options)
    paths = write_movement(movement, out, stem(poses))
    print(f"{movement_text(movement.tracks)}\n\nwritten: {', '.join(map(str, paths))}")
    return 0


if __name__ == "__main__":
    exit_on_error(main)
