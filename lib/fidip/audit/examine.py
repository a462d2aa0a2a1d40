"""The whole audit of one or several splits."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fidip.audit.areas import check_areas
from fidip.audit.checks import check_labels
from fidip.audit.diversity import Diversity, pose_diversity
from fidip.audit.duplicates import NEAR, NearPair, check_duplicates, near_pairs
from fidip.audit.findings import Finding, Place, count_findings
from fidip.audit.kinds import KINDS
from fidip.audit.pictures import Scan, check_pictures, scan_pictures
from fidip.audit.postures import Composition, compose
from fidip.audit.sides import check_sides, detection_rates
from fidip.audit.sources import check_sources
from fidip.audit.splits import AuditSplit, load_split
from fidip.data.records import Split
from fidip.errors import DataError
from fidip.skeleton import COCO17, Skeleton


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    places, near: readable pictures of all splits and the near-identical ones among them, by index in places.
    detection: split -> planted swap of sides -> share that would be found. composition, diversity: by split.
    limit, ignored: the options it was made with.
    """

    splits: tuple[AuditSplit, ...]
    scans: Mapping[Path, Scan]
    findings: tuple[Finding, ...]
    places: tuple[Place, ...]
    near: tuple[NearPair, ...]
    composition: Mapping[str, Composition]
    diversity: Mapping[str, Diversity]
    detection: Mapping[str, Mapping[str, float]]
    limit: float = NEAR
    ignored: tuple[str, ...] = ()

    def split(self, name: str) -> AuditSplit:
        """The split of a name. Raises DataError for another name."""
        for split in self.splits:
            if split.name == name:
                return split
        raise DataError(
            f"split {name!r} is not among those audited: {', '.join(s.name for s in self.splits)}"
        )


def audit_splits(
    splits: Sequence[Split], near: float = NEAR, ignore: Sequence[str] = (), skeleton: Skeleton = COCO17
) -> Audit:
    """Read the files and pictures of splits, and check all.

    near: share (0..1) of hash bits in which near-identical pictures may differ. ignore: kinds of finding to leave
    out. skeleton: joints of the annotations. Splits of the same name go by the path of their annotation file. Raises
    DataError when an annotation file cannot be read, or is given twice.
    """
    loaded = [load_split(split, skeleton) for split in _with_own_names(splits)]
    return examine(loaded, scan_pictures(loaded), near, ignore)


def _with_own_names(splits: Sequence[Split]) -> list[Split]:
    counts = Counter(split.name for split in splits)
    named = [s if counts[s.name] == 1 else replace(s, name=str(s.annotation_file)) for s in splits]
    if len({split.name for split in named}) < len(named):
        raise DataError(f"a split is given twice: {', '.join(split.name for split in named)}; leave one out")
    return named


def examine(
    splits: Sequence[AuditSplit],
    scans: Mapping[Path, Scan],
    near: float = NEAR,
    ignore: Sequence[str] = (),
) -> Audit:
    """Check splits whose files and pictures have been read; see ``audit_splits``."""
    findings: list[Finding] = []
    for split in splits:
        findings += [*split.findings, *check_pictures(split, scans), *check_labels(split)]
        findings += [*check_areas(split), *check_sides(split)]
    readable = [
        (split.image_place(index), scan)
        for split in splits
        for index in split.images
        if (scan := scans[split.picture(index)]).hash is not None
    ]
    places = tuple(place for place, _ in readable)
    pairs = near_pairs([scan.hash for _, scan in readable if scan.hash is not None], near)
    findings += check_duplicates(places, [scan.digest for _, scan in readable], pairs)
    findings += check_sources(splits)
    order = list(KINDS)
    kept = [finding for finding in findings if finding.kind not in ignore]
    return Audit(
        splits=tuple(splits),
        scans=scans,
        findings=tuple(sorted(kept, key=lambda finding: order.index(finding.kind))),
        places=places,
        near=tuple(pairs),
        composition={split.name: compose(split) for split in splits},
        diversity={split.name: pose_diversity(split) for split in splits},
        detection={split.name: detection_rates(split) for split in splits},
        limit=near,
        ignored=tuple(ignore),
    )


def as_json(audit: Audit) -> dict[str, Any]:
    """The audit as plain values: splits, counts, findings."""
    names = audit.splits[0].skeleton.names if audit.splits else ()
    return {
        "clean": not audit.findings,
        "splits": {split.name: _split_json(audit, split) for split in audit.splits},
        "counts": [
            {**vars(count), "splits": list(count.splits), "level": KINDS[count.kind].level}
            for count in count_findings(audit.findings)
        ],
        "findings": [
            {
                "kind": finding.kind,
                "level": KINDS[finding.kind].level,
                "message": finding.message,
                "places": [_place_json(place, names) for place in finding.places],
            }
            for finding in audit.findings
        ],
    }


def _split_json(audit: Audit, split: AuditSplit) -> dict[str, Any]:
    diversity = audit.diversity[split.name]
    spread = {
        joint: round(value, 4) if value == value else None  # NaN is no JSON
        for joint, value in zip(split.skeleton.names, diversity.spread.tolist(), strict=True)
    }
    return {
        "annotation_file": str(split.split.annotation_file),
        "image_folder": str(split.split.image_folder),
        **audit.composition[split.name].as_dict(),
        "pose_spread": {
            "unit": "torso lengths",
            "persons": diversity.persons,
            "left_out": diversity.left_out,
            "overall": diversity.overall,
            "joints": spread,
        },
        "swap_detection": dict(audit.detection[split.name]),
    }


def _place_json(place: Place, names: Sequence[str]) -> dict[str, Any]:
    record: dict[str, Any] = {"split": place.split, "file_name": place.file_name, "image_id": place.image_id}
    if place.annotation is not None:
        record["annotation_id"] = place.annotation_id
        record["annotation_index"] = place.annotation
    if place.joints:
        record["joints"] = [names[joint] for joint in place.joints]
    return record
