"""Learn a pose and shape prior from your own fits, or a pose prior from the authored postures.

The result is an npz of plain arrays; use it with fit.py --body_prior_type FILE. It carries the terms of the labels
that the fits were made from.
"""

import argparse
from pathlib import Path

import torch

from fidip.cli import exit_on_error
from fidip.runtime import setup_logging
from infantsynth.body import load_body
from infantsynth.fit.learning import authored_poses, fitted_poses
from infantsynth.priors import write_prior
from infantsynth.priors.learn import Lesson, held_out, learn


def main(argv: list[str] | None = None) -> int:
    """Parse, learn, write."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--fits", type=Path, help="folder of fits, the results folder of fit.py")
    source.add_argument(
        "--authored", type=int, metavar="N", help="draw N poses of the authored postures instead"
    )
    parser.add_argument(
        "--body", default="infant", help="body of the fits: infant, adult or a file (%(default)s)"
    )
    parser.add_argument("--components", type=int, default=1, help="Gaussians of the mixture (%(default)s)")
    parser.add_argument(
        "--hold", type=float, help="poses that the hand-set deviations count as (number of angles)"
    )
    parser.add_argument(
        "--max-error",
        type=float,
        default=1.5,
        help="fits beyond are left out, per cent of the box (%(default)s)",
    )
    parser.add_argument("--no-mirror", action="store_true", help="do not add the mirror image of each pose")
    parser.add_argument(
        "--seed", type=int, default=0, help="of draws and of the mixture's start (%(default)s)"
    )
    parser.add_argument("--output", type=Path, default=Path("priors/learned.npz"), help="(%(default)s)")
    args = parser.parse_args(argv)
    setup_logging()
    torch.set_num_threads(1)
    body = load_body(args.body)
    lesson = Lesson(args.components, args.hold, not args.no_mirror, args.seed)
    if args.fits is not None:
        poses, betas = fitted_poses(args.fits, body, args.max_error)
        name = f"{len(poses)} fits of body {body.name}"
    else:
        poses, betas = authored_poses(body, args.authored, args.seed), None
        name = f"{len(poses)} authored poses, seed {args.seed}"
    prior = learn(body, poses, betas, lesson, name)
    write_prior(args.output, prior)
    if len(poses) >= 10 * args.components:
        print(f"log density of held-out poses: {held_out(body, poses, lesson):.2f} per pose")
    print(f"{args.output}: {len(prior.weights)} components over {len(prior.names)} joints, from {name}")
    return 0


if __name__ == "__main__":
    exit_on_error(main)
