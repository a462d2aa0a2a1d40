"""Find faults in annotations and images, and leaks between splits.

The audit also describes the postures and the diversity of poses. A split is a name below --root, ROOT/NAME, or an annotation file. An annotation file whose images lie elsewhere is
given with --labels. --fix writes a corrected copy of one split; with --disjoint-from the copy shares no source and no
image with other splits.

The exit status is 0 when nothing is found, 1 when something is found in the splits as they are, and 2 on errors.

Examples:
  fidip audit train_infant validate_infant --root data/syrip --page audit.html
  fidip audit train_infant validate_infant --fix fixed.json --fix-split train_infant --disjoint-from validate_infant
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fidip.commands.options import add_number, add_skeleton
from fidip.errors import DataError

if TYPE_CHECKING:
    from fidip.audit import Audit
    from fidip.data.records import Split

NEAR, LIMIT = 0.1, 60  # defaults of --near and --page-limit


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add("splits", nargs="*", metavar="SPLIT", help="name below --root, ROOT/NAME, or annotation file")
    add(
        "--root",
        type=Path,
        default=Path("data/syrip"),
        metavar="DIR",
        help="read splits given by name from this data set (default: %(default)s)",
    )
    add(
        "--labels",
        nargs=2,
        action="append",
        default=[],
        metavar=("JSON", "IMAGES"),
        help="audit this annotation file with this folder of images; can be repeated (default: none)",
    )
    add_skeleton(parser)
    add(
        "--out",
        "--output",
        type=Path,
        metavar="JSON",
        help="write every finding and number to this file (default: print only)",
    )
    add(
        "--page",
        type=Path,
        metavar="HTML",
        help="write a page with the images of findings; not for publication (default: none)",
    )
    add(
        "--page-limit",
        type=int,
        default=LIMIT,
        metavar="N",
        help="maximum number of findings of one kind on the page; 0: all (default: %(default)s)",
    )
    add_number(parser, "--examples", 3, "number of printed examples of each kind")
    add(
        "--ignore",
        nargs="+",
        default=[],
        metavar="KIND",
        help="accept these kinds of finding, as the audit prints them (default: none)",
    )
    add(
        "--near",
        type=float,
        default=NEAR,
        metavar="SHARE",
        help="share of hash bits, 0..1, in which near-identical images may differ (default: %(default)s)",
    )
    _add_correction(parser.add_argument_group("correction"))


def _add_correction(group: "argparse._ArgumentGroup") -> None:
    add = group.add_argument
    add("--fix", type=Path, metavar="JSON", help="write a corrected annotation file (default: none)")
    add("--fix-split", metavar="SPLIT", help="correct this split (default: the only one)")
    add(
        "--disjoint-from",
        nargs="+",
        default=[],
        metavar="SPLIT",
        help="leave out images that share a source with these splits, or nearly equal one of their images "
        "(default: none)",
    )
    add(
        "--drop",
        nargs="+",
        default=[],
        metavar="KIND",
        help="leave out images with findings of these kinds (default: none)",
    )
    add("--grow-boxes", action="store_true", help="grow boxes until they hold their labelled keypoints")
    add(
        "--place",
        choices=("copy", "hardlink", "symlink"),
        help="also put the images into images/<split> beside the file (default: leave them)",
    )


def run(args: argparse.Namespace) -> int:
    """Audit, print, write what is asked for."""
    from fidip.audit import as_json, audit_page, audit_splits, audit_text
    from fidip.data.records import find_split
    from fidip.environment import provenance, setup_logging
    from fidip.files import write_json, write_text
    from fidip.skeleton import find_skeleton

    _check_kinds(args)
    setup_logging()
    splits = [find_split(entry, args.root) for entry in args.splits]
    splits += [labelled_split(Path(labels), Path(images)) for labels, images in args.labels]
    audit = audit_splits(splits, args.near, args.ignore, find_skeleton(args.skeleton))
    sys.stdout.write(audit_text(audit, args.examples) + "\n")
    report = {**as_json(audit), "provenance": provenance()}
    if args.fix:
        report["fix"] = fix(audit, args)
    if args.out:
        write_json(args.out, report)
    if args.page:
        write_text(args.page, audit_page(audit, args.page_limit))
    return 1 if audit.findings else 0


def _check_kinds(args: argparse.Namespace) -> None:
    """Refuse kinds of finding that do not exist, and a command without splits."""
    from fidip.audit import DROPPABLE, KINDS

    if not args.splits and not args.labels:
        args.parser.error("give at least one split")
    for option, given, known in (("--ignore", args.ignore, KINDS), ("--drop", args.drop, DROPPABLE)):
        for kind in given:
            if kind not in known:
                args.parser.error(
                    f"argument {option}: invalid choice: {kind!r} (choose from {', '.join(known)})"
                )


def labelled_split(labels: Path, images: Path) -> "Split":
    """Make a split of an annotation file and a folder, which must exist."""
    from fidip.data.records import Split

    if not images.is_dir():
        raise DataError(f"picture folder {images} does not exist; check the path")
    return Split(labels.stem.removeprefix("person_keypoints_"), labels, images)


def fix(audit: "Audit", args: argparse.Namespace) -> dict[str, Any]:
    """Write and print the correction; returns what the report says of it."""
    from fidip.audit import change_text, count_findings, fix_json, fix_split, recheck, write_fixed
    from fidip.audit.table import columns, finding_rows

    name = args.fix_split or audit.splits[0].name
    if not args.fix_split and len(audit.splits) > 1:
        raise DataError(
            f"several splits are audited; choose one with --fix-split: {', '.join(audit.composition)}"
        )
    fixed = fix_split(audit, name, args.disjoint_from, args.drop, args.grow_boxes)
    write_fixed(args.fix, fixed, audit.split(name), args.place)
    left = recheck(audit, name, fixed, args.disjoint_from)
    lines = [
        f"\n{args.fix}: {name} corrected, {len(fixed.data['images'])} images",
        change_text(fixed.changes, fixed.counts(), args.examples),
        "\nleft in it" if left else "\nan audit of it finds nothing",
    ]
    lines += [columns(finding_rows(count_findings(left)))] if left else []
    sys.stdout.write("\n".join(lines) + "\n")
    return fix_json(fixed, args.fix, name, args.disjoint_from, left)
