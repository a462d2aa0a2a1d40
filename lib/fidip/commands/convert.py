"""Convert annotations between COCO JSON, Label Studio, CVAT and DeepLabCut.

The formats are coco, label-studio, cvat and deeplabcut. --setup writes what a labelling tool must be told before
anyone labels: the labelling config of label-studio, or the labels of cvat.

Examples:
  fidip convert --setup label-studio labels.xml
  fidip convert --from label-studio export.json --images images \\
    --to coco data/own/annotations/person_keypoints_train_own.json
"""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fidip.commands.options import add_skeleton
from fidip.errors import ConfigError, DataError

if TYPE_CHECKING:
    from fidip.skeleton import Skeleton

SETUPS = ("label-studio", "cvat")
LOCAL_FILES = "/data/local-files/?d="  # how Label Studio calls files of its own disk


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add(
        "--from",
        dest="source",
        nargs=2,
        metavar=("FORMAT", "IN"),
        help="read this format from this file (default: none)",
    )
    add(
        "--to",
        dest="target",
        nargs=2,
        metavar=("FORMAT", "OUT"),
        help="write this format to this file (default: none)",
    )
    add_skeleton(parser)
    add(
        "--images",
        type=Path,
        metavar="DIR",
        help="read the size of the images in this folder, which must hold all of them (default: as the file says)",
    )
    add(
        "--drop-unknown",
        action="store_true",
        help="leave out keypoints that the skeleton lacks, and match the others by name",
    )
    add(
        "--url-prefix",
        default=LOCAL_FILES,
        metavar="URL",
        help="put this before file names for Label Studio (default: %(default)s)",
    )
    add(
        "--setup",
        nargs=2,
        metavar=("FORMAT", "OUT"),
        help="write the labels for a labelling tool to this file (default: none)",
    )
    add("--overwrite", action="store_true", help="replace files that exist")


def run(args: argparse.Namespace) -> int:
    """Convert, print what was converted."""
    from fidip.environment import setup_logging
    from fidip.skeleton import find_skeleton

    if not args.setup and not (args.source and args.target):
        args.parser.error("give --from FORMAT IN and --to FORMAT OUT, or --setup FORMAT OUT")
    setup_logging()
    skeleton = find_skeleton(args.skeleton)
    if args.setup:
        write_setup(_known(args.setup[0], SETUPS), _new(args.setup[1], args.overwrite), skeleton)
    if args.source or args.target:
        convert(args, skeleton)
    return 0


def convert(args: argparse.Namespace, skeleton: "Skeleton") -> None:
    """Read, write and print."""
    from fidip.audit.table import columns
    from fidip.labels import FORMATS, Collector, Pictures, summary_rows, write_label_studio

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
    lines = [columns(summary_rows(data, collector)), *(f"note: {line}" for line in lost)]
    if turned := collector.pictures.turned:
        lines.append(
            f"note: EXIF turns {len(turned)} images, e.g. {turned[0]}. Labelling tools show them turned, so train "
            "and test with DATASET.EXIF True"
        )
    sys.stdout.write("\n".join([*lines, f"written: {target}"]) + "\n")


def write_setup(tool: str, path: Path, skeleton: "Skeleton") -> None:
    """Write the labels of a tool."""
    from fidip.files import write_text
    from fidip.labels import cvat_labels, label_studio_config

    if tool == "cvat":
        write_text(path, json.dumps(cvat_labels(skeleton), indent=2) + "\n")
    else:
        write_text(path, label_studio_config(skeleton))
    sys.stdout.write(f"{skeleton.num_joints} keypoints of {skeleton.name}: {path}\n")


def _known(name: str, formats: tuple[str, ...]) -> str:
    if name not in formats:
        raise ConfigError(f"format {name!r} is unknown here; choose from {', '.join(formats)}")
    return name


def _new(path: str, overwrite: bool) -> Path:
    if Path(path).exists() and not overwrite:
        raise DataError(f"{path} exists already; choose another name, or say --overwrite")
    return Path(path)
