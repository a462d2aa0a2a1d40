"""Render annotated images of synthetic infants, and draw a contact sheet of them.

Shows: use a command of the package from Python, with the same resume and the same checks. Needs the extra `synth`.
--plain renders without path tracing, which is faster and needs no LLVM.

Example: python examples/make_synthetic_infants.py data/synthetic --count 12
"""

import argparse
from pathlib import Path

from fidip.cli import main as fidip


def main() -> None:
    """Render and preview."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", type=Path, help="folder of the dataset")
    parser.add_argument(
        "--count", type=int, default=12, help="number of images; a larger one extends the set"
    )
    parser.add_argument("--size", nargs=2, default=["320", "240"], metavar=("W", "H"), help="in px")
    parser.add_argument("--seed", default="0", help="seed; another one gives other images")
    parser.add_argument("--workers", default="1", help="number of processes")
    parser.add_argument("--plain", action="store_true", help="render without path tracing")
    args = parser.parse_args()

    place = ["--out", str(args.out), "--split", "synthetic"]
    look = ["--mode", "raster" if args.plain else "path", "--size", *args.size, "--seed", args.seed]
    status = fidip(["generate", "--count", str(args.count), *place, *look, "--workers", args.workers])
    sheet = ["--count", str(args.count), "--columns", "4", "--outline"]
    fidip(["preview", "--root", str(args.out), "--split", "synthetic", *sheet])
    raise SystemExit(status)


if __name__ == "__main__":
    main()
