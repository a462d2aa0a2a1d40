"""Learn a pose and shape prior from your own fits, or a pose prior from the authored postures.

The result is an npz of plain arrays for `fidip fit --body_prior_type FILE`. It carries the terms of the labels that
the fits were made from.

Example:
  fidip learn-prior --fits output/results --components 4 --out priors/own.npz
"""

import argparse
import sys
from pathlib import Path

from infantsynth.commands.options import adder


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--fits", type=Path, metavar="DIR", help="learn from this results folder of `fidip fit`"
    )
    source.add_argument(
        "--authored", type=int, metavar="N", help="learn from N draws of the authored postures"
    )
    add = adder(parser)
    add(
        "--body",
        text="body of the fits: infant, adult or a SMIL or SMPL file",
        default="infant",
        metavar="NAME|FILE",
    )
    add("--components", text="number of Gaussians in the mixture", type=int, default=1, metavar="N")
    hold = "poses that the hand-set deviations count as (default: number of angles)"
    add("--hold", text=hold, type=float, metavar="N")
    error = "leave out fits of a larger mean error, in per cent of the box's diagonal"
    add("--max-error", text=error, type=float, default=1.5, metavar="PERCENT")
    add("--no-mirror", text="do not add the mirror image of each pose", action="store_true")
    add("--seed", text="seed of the draws and of the mixture's start", type=int, default=0)
    out = "write the prior to this file"
    add("--out", "--output", text=out, type=Path, default=Path("priors/learned.npz"), metavar="FILE")


def run(args: argparse.Namespace) -> int:
    """Learn the prior, write it, and print how well it explains held-out poses."""
    import torch

    from fidip.environment import setup_logging
    from infantsynth.body import load_body
    from infantsynth.fit.outcome import fitted_poses
    from infantsynth.poses.authored import authored_poses
    from infantsynth.priors.learn import Lesson, held_out, learn
    from infantsynth.priors.stored import write_prior

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
    write_prior(args.out, prior)
    if len(poses) >= 10 * args.components:
        sys.stdout.write(f"log density of held-out poses: {held_out(body, poses, lesson):.2f} per pose\n")
    counts = f"{len(prior.weights)} components over {len(prior.names)} joints"
    sys.stdout.write(f"{args.out}: {counts}, from {name}\n")
    return 0
