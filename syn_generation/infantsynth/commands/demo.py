"""Run the whole chain on synthetic infants.

Generate images, train with adaptation, test, and estimate keypoints in videos. No data, no downloads and no GPU are needed. Two renderers stand for the two domains: path-traced scenes for real
images, plain renders for synthetic ones. Training starts from the packaged MoveNet Lightning, which was pretrained on
adults. Run the same command again to resume.

Examples:
  fidip demo
  fidip demo --out output/quick --scenes 16 --renders 16 TRAIN.END_STEP 60
"""

import argparse
import sys
from pathlib import Path


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--out",
        "--root",
        type=Path,
        default=Path("output/demo"),
        metavar="DIR",
        help="write data and results to this folder (default: %(default)s)",
    )
    for name, default, text in (
        ("scenes", 96, "path-traced images of infants"),
        ("renders", 64, "plain renders of infants"),
        ("adults", 16, "images of adults, by each renderer"),
        ("videos", 2, "videos of one infant each"),
        ("frames", 20, "frames of each video"),
    ):
        parser.add_argument(
            f"--{name}",
            type=int,
            default=default,
            metavar="N",
            help=f"number of {text} (default: %(default)s)",
        )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="number of processes that render (default: one for each CPU core)",
    )
    parser.add_argument(
        "opts", nargs="*", metavar="KEY VALUE", help="override keys of the config, e.g. TRAIN.END_STEP 600"
    )


def run(args: argparse.Namespace) -> int:
    """Run the demo, print the table, and at last where the overlays are."""

    from fidip.environment import setup_logging
    from infantsynth import whole_chain as demo
    from infantsynth.commands.options import cores
    from infantsynth.shards import Crew

    setup_logging()
    wanted = demo.parts(args.scenes, args.renders, args.adults)
    videos = demo.video_recipes(args.videos, len(wanted))
    crew = Crew(cores() if args.workers is None else args.workers)
    result = demo.run(args.out, wanted, videos, args.frames, crew, demo.CONFIG, args.opts)
    sys.stdout.write("\n".join(["", result["table"], "", demo.where(result["overlays"]), ""]))
    return 0
