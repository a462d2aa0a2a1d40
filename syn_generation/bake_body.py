"""Make the packaged bodies anew out of Anny: needs the extra `bake`, minutes, and a gigabyte of cache.

Nobody needs this to generate images: its three files come with the package. The same seed gives the same bytes on
the same machine and libraries; elsewhere the last digits of the linear algebra may differ.
"""

import argparse
import logging
import sys
from pathlib import Path

from fidip.errors import FidipError
from infantsynth.body.bake.bake import BakeOptions, bake
from infantsynth.commands.options import adder

_DATA = Path(__file__).resolve().parent / "infantsynth" / "body" / "data"


def main(argv: list[str] | None = None) -> int:
    """Parse, bake, say where the files are and how large."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    add = adder(parser)
    add(
        "--out",
        "--output",
        text="write the three files to this folder",
        type=Path,
        default=_DATA,
        metavar="DIR",
    )
    add("--people", text="number of people drawn for each body", type=int, default=400, metavar="N")
    add("--seed", text="seed of the draw", type=int, default=0)
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        bake(args.out, BakeOptions(people=args.people, seed=args.seed))
    except FidipError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    for file in sorted(args.out.glob("*.npz")):
        print(f"{file}: {file.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
