"""Audit one or several splits: faults of labels and pictures, leaks between splits, diversity of poses.

    python tools/audit_dataset.py train_infant validate_infant --root data/syrip --page audit.html

A split is a name under --root, ROOT/NAME, or a label file, as in a config; a label file whose pictures lie
elsewhere is given with --labels. --fix writes a corrected copy of one split, with --disjoint-from one that shares
no source and no picture with other splits. Exit status: 0 when nothing is found, 1 when something is, 2 on errors;
it speaks of the splits as they are, not of the corrected one.
"""

import argparse
from pathlib import Path
from typing import Any

from fidip.cli import exit_on_error
from fidip.data.audit import (
    DROPPABLE,
    KINDS,
    Audit,
    as_json,
    audit_page,
    audit_splits,
    audit_text,
    change_text,
    count_findings,
    fix_json,
    fix_split,
    recheck,
    write_fixed,
)
from fidip.data.audit.duplicates import NEAR
from fidip.data.audit.page import LIMIT
from fidip.data.audit.table import columns, finding_rows
from fidip.data.records import Split, find_split
from fidip.errors import DataError
from fidip.runtime import provenance, setup_logging, write_json, write_text
from fidip.skeleton import COCO17, find_skeleton


def main(argv: list[str] | None = None) -> int:
    """Parse the command line, audit, print, write what is asked for."""
    parser = make_parser()
    args = parser.parse_args(argv)
    if not args.splits and not args.labels:
        parser.error("give at least one split")
    setup_logging()
    splits = [find_split(entry, args.root) for entry in args.splits]
    splits += [labelled_split(Path(labels), Path(images)) for labels, images in args.labels]
    audit = audit_splits(splits, args.near, args.ignore, find_skeleton(args.skeleton))
    print(audit_text(audit, args.examples))
    report = {**as_json(audit), "provenance": provenance(argv and [parser.prog, *argv])}
    if args.fix:
        report["fix"] = fix(audit, args)
    if args.output:
        write_json(args.output, report)
    if args.page:
        write_text(args.page, audit_page(audit, args.page_limit))
    return 1 if audit.findings else 0


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("splits", nargs="*", metavar="SPLIT", help="name under --root, ROOT/NAME, or label file")
    add("--root", type=Path, default=Path("data/syrip"), help="data set of plain names (%(default)s)")
    add("--labels", nargs=2, action="append", default=[], metavar=("JSON", "IMAGES"), help="any label file and picture folder; repeatable")  # fmt: skip
    add("--skeleton", default=COCO17.name, metavar="NAME|YAML", help="joint set of the labels (%(default)s)")
    add("--output", type=Path, metavar="JSON", help="write every finding and number to this file")
    add("--page", type=Path, metavar="HTML", help="write a page with the pictures; not for publication")
    add("--page-limit", type=int, default=LIMIT, metavar="N", help="findings of a kind on the page, 0: all (%(default)s)")  # fmt: skip
    add("--examples", type=int, default=3, metavar="N", help="printed examples of each kind (%(default)s)")
    add("--ignore", nargs="+", default=[], choices=list(KINDS), metavar="KIND", help="kinds of finding that are accepted")  # fmt: skip
    add("--near", type=float, default=NEAR, help="share of hash bits in which near-identical pictures may differ (%(default)s)")  # fmt: skip
    group = parser.add_argument_group("correction")
    add = group.add_argument
    add("--fix", type=Path, metavar="OUT.json", help="write a corrected label file")
    add("--fix-split", metavar="SPLIT", help="the split to correct; needed when several are audited")
    add("--disjoint-from", nargs="+", default=[], metavar="SPLIT", help="leave out pictures that share a source with these splits, or are (near-)identical to their pictures")  # fmt: skip
    add("--drop", nargs="+", default=[], choices=DROPPABLE, metavar="KIND", help=f"leave out pictures with such findings: {', '.join(DROPPABLE)}")  # fmt: skip
    add("--grow-boxes", action="store_true", help="make boxes hold their labelled joints")
    add("--place", choices=("copy", "hardlink", "symlink"), help="also put the pictures into images/<split> beside it")  # fmt: skip
    return parser


def labelled_split(labels: Path, images: Path) -> Split:
    """A split of a label file and a folder. Raises DataError when the folder is not there."""
    if not images.is_dir():
        raise DataError(f"picture folder {images} does not exist; check the path")
    return Split(labels.stem.removeprefix("person_keypoints_"), labels, images)


def fix(audit: Audit, args: argparse.Namespace) -> dict[str, Any]:
    """Write and print the correction."""
    name = args.fix_split or audit.splits[0].name
    if not args.fix_split and len(audit.splits) > 1:
        raise DataError(
            f"several splits are audited; choose one with --fix-split: {', '.join(audit.composition)}"
        )
    fixed = fix_split(audit, name, args.disjoint_from, args.drop, args.grow_boxes)
    write_fixed(args.fix, fixed, audit.split(name), args.place)
    left = recheck(audit, name, fixed, args.disjoint_from)
    print(f"\n{args.fix}: {name} corrected, {len(fixed.data['images'])} pictures")
    print(change_text(fixed.changes, fixed.counts(), args.examples))
    print("\nleft in it" if left else "\nan audit of it finds nothing")
    if left:
        print(columns(finding_rows(count_findings(left))))
    return fix_json(fixed, args.fix, name, args.disjoint_from, left)


if __name__ == "__main__":
    exit_on_error(main)
