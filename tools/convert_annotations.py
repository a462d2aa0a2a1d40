"""Convert annotations between our COCO JSON, Label Studio, CVAT and DeepLabCut.

    python tools/convert_annotations.py --from label-studio export.json --images pictures \\
        --to coco data/own/annotations/person_keypoints_train_own.json
    python tools/convert_annotations.py --setup label-studio labels.xml

--setup writes what the tool must be told before anyone labels: Label Studio's labelling config or CVAT's labels.
"""

import argparse
import json
from pathlib import Path

from fidip.cli import exit_on_error
from fidip.data.audit.table import columns
from fidip.data.foreign import (
    FORMATS,
    LOCAL_FILES,
    Collector,
    Pictures,
    cvat_labels,
    label_studio_config,
    summary_rows,
    write_label_studio,
)
from fidip.errors import ConfigError, DataError
from fidip.runtime import setup_logging, write_text
from fidip.skeleton import COCO17, Skeleton, find_skeleton

SETUPS = ("label-studio", "cvat")


def main(argv: list[str] | None = None) -> int:
    """Parse the command line, convert, print what was converted."""
    parser = make_parser()
    args = parser.parse_args(argv)
    if not args.setup and not (args.source and args.target):
        parser.error("give --from FORMAT IN and --to FORMAT OUT, or --setup FORMAT OUT")
    setup_logging()
    skeleton = find_skeleton(args.skeleton)
    if args.setup:
        write_setup(_known(args.setup[0], SETUPS), _new(args.setup[1], args.overwrite), skeleton)
    if args.source or args.target:
        convert(args, skeleton)
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    formats = ", ".join(FORMATS)
    add = parser.add_argument
    add("--from", dest="source", nargs=2, metavar=("FORMAT", "IN"), help=f"what to read: {formats}")
    add("--to", dest="target", nargs=2, metavar=("FORMAT", "OUT"), help="what to write; the same formats")
    add("--skeleton", default=COCO17.name, metavar="NAME|YAML", help="joint set (%(default)s)")
    add(
        "--images",
        type=Path,
        metavar="DIR",
        help="folder of the pictures: all must be there, with their size",
    )
    add(
        "--drop-unknown",
        action="store_true",
        help="leave out joints that the skeleton lacks; take others by name",
    )
    add(
        "--url-prefix",
        default=LOCAL_FILES,
        metavar="URL",
        help="put before file names for Label Studio (%(default)s)",
    )
    add(
        "--setup",
        nargs=2,
        metavar=("FORMAT", "OUT"),
        help=f"write the labels for a tool: {', '.join(SETUPS)}",
    )
    add("--overwrite", action="store_true", help="replace files that exist")
    return parser


def convert(args: argparse.Namespace, skeleton: Skeleton) -> None:
    """Read, write and print."""
    if not (args.source and args.target):
        raise ConfigError("--from and --to belong together")
    read, write = (_known(name, tuple(FORMATS)) for name in (args.source[0], args.target[0]))
    source, target = Path(args.source[1]), _new(args.target[1], args.overwrite)
    collector = Collector(f"{read} file {source}", skeleton, Pictures(args.images), args.drop_unknown)
    data = FORMATS[read].read(source, collector)
    if write == "label-studio":
        lost = write_label_studio(data, skeleton, target, args.url_prefix)
    else:
        lost = FORMATS[write].write(data, skeleton, target)
    print(columns(summary_rows(data, collector)))
    for line in lost:
        print(f"note: {line}")
    if collector.pictures.turned:
        print(
            f"note: EXIF turns {len(collector.pictures.turned)} pictures, e.g. {collector.pictures.turned[0]}: labelling "
            "tools show them turned, so train and test with DATASET.EXIF True"
        )
    print(f"written: {target}")


def write_setup(tool: str, path: Path, skeleton: Skeleton) -> None:
    """Write the labels of a tool."""
    if tool == "cvat":
        write_text(path, json.dumps(cvat_labels(skeleton), indent=2) + "\n")
    else:
        write_text(path, label_studio_config(skeleton))
    print(f"{skeleton.num_joints} joints of {skeleton.name}: {path}")


def _known(name: str, formats: tuple[str, ...]) -> str:
    if name not in formats:
        raise ConfigError(f"format {name!r} is unknown here; choose from {', '.join(formats)}")
    return name


def _new(path: str, overwrite: bool) -> Path:
    if Path(path).exists() and not overwrite:
        raise DataError(f"{path} exists already; choose another name, or say --overwrite")
    return Path(path)


if __name__ == "__main__":
    exit_on_error(main)
