"""Write a corrected split, and audit it again."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fidip.audit.examine import Audit, examine
from fidip.audit.findings import Finding, count_findings
from fidip.audit.fix import Fixed
from fidip.audit.splits import AuditSplit, load_split
from fidip.data.coco_json import Place as Placement
from fidip.data.coco_json import PreparedSplit, annotation_path, write_split
from fidip.errors import DataError
from fidip.files import write_json


def recheck(audit: Audit, name: str, fixed: Fixed, others: Sequence[str] = ()) -> list[Finding]:
    """What an audit of the corrected split, beside the splits ``others``, still finds in it."""
    split = audit.split(name)
    label = f"{name} (corrected)"
    corrected = load_split(replace(split.split, name=label), split.skeleton, fixed.data)
    again = examine(
        [*(audit.split(other) for other in others), corrected], audit.scans, audit.limit, audit.ignored
    )
    return [finding for finding in again.findings if label in finding.splits]


def write_fixed(path: Path, fixed: Fixed, split: AuditSplit, place: Placement | None = None) -> None:
    """Write the corrected annotation file, and with ``place`` its pictures beside it.

    Raises DataError when ``path`` is the file that was audited, and with ``place`` when ``path`` is not
    ROOT/annotations/person_keypoints_<split>.json or anything of that split is there already.
    """
    if path.resolve() == split.split.annotation_file.resolve():
        raise DataError(f"{path} is the file that was audited; write the corrected one under another name")
    if place is None:
        write_json(path, fixed.data)
        return
    root, name = path.parent.parent, path.stem.removeprefix("person_keypoints_")
    if path != annotation_path(root, name) or path.parent.name != "annotations":
        raise DataError(
            f"{path} is not ROOT/annotations/person_keypoints_SPLIT.json, so there is no place for pictures; "
            "choose such a name, or leave --place out"
        )
    names = [str(image["file_name"]) for image in fixed.data["images"]]
    nested = [file for file in names if Path(file).name != file]
    if nested:
        raise DataError(f"{nested[0]} is in a sub-folder, which --place cannot make; leave --place out")
    pictures = {file: split.split.image_folder / file for file in names}
    write_split(root, name, PreparedSplit(fixed.data, pictures), place)


def fix_json(
    fixed: Fixed, path: Path, name: str, others: Sequence[str], left: Sequence[Finding]
) -> dict[str, Any]:
    """What a correction changed and what it left, as plain values."""
    return {
        "split": name,
        "file": str(path),
        "disjoint_from": list(others),
        "pictures": len(fixed.data["images"]),
        "annotations": len(fixed.data["annotations"]),
        "counts": fixed.counts(),
        "changes": [vars(change) for change in fixed.changes],
        "left": [{**vars(count), "splits": list(count.splits)} for count in count_findings(left)],
    }
