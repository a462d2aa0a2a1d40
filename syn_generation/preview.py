"""Draw a contact sheet of a generated split: pictures with their joints, to be looked at before they are used."""

import argparse
from pathlib import Path

import cv2

from fidip.cli import exit_on_error
from fidip.runtime import atomic_path, setup_logging
from infantsynth.preview import SheetOptions, contact_sheet


def main(argv: list[str] | None = None) -> int:
    """Parse, draw, write the PNG."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--root", type=Path, required=True, help="folder with annotations/ and images/")
    parser.add_argument("--split", default="train_synthetic", help="name of the split (%(default)s)")
    parser.add_argument(
        "--count", type=int, default=40, help="pictures, evenly spread over the split (%(default)s)"
    )
    parser.add_argument("--columns", type=int, default=8, help="pictures a row (%(default)s)")
    parser.add_argument("--tile", type=int, default=240, help="side of one, px (%(default)s)")
    parser.add_argument("--posture", default="", help="only this one, e.g. Supine")
    parser.add_argument("--no-joints", action="store_true", help="draw no joints")
    parser.add_argument("--outline", action="store_true", help="draw the outline and the box too")
    parser.add_argument("--output", type=Path, help="where to write (ROOT/preview_SPLIT.png)")
    args = parser.parse_args(argv)
    setup_logging()
    options = SheetOptions(
        args.count, args.columns, args.tile, not args.no_joints, args.outline, args.posture
    )
    sheet = contact_sheet(args.root, args.split, options)
    output = args.output or args.root / f"preview_{args.split}.png"
    with atomic_path(output) as temporary:
        temporary.write_bytes(cv2.imencode(".png", sheet[..., ::-1])[1].tobytes())
    print(output)
    return 0


if __name__ == "__main__":
    exit_on_error(main)
