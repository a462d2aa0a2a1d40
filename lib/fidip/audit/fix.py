"""Correct a split's annotation file, and say what was changed."""

import copy
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fidip.annotations import Record, labelled_joints
from fidip.audit.areas import impossible_area, is_small_area
from fidip.audit.checks import BOX_SLACK, box_excess, is_outside, joints_outside
from fidip.audit.disjoint import tied_pictures
from fidip.audit.examine import Audit
from fidip.audit.kinds import DROPPABLE
from fidip.audit.splits import AuditSplit, Person
from fidip.errors import ConfigError

ALWAYS_LEFT_OUT = ("picture_missing", "picture_unreadable")
KEEP_ONE = ("duplicate_within", "near_duplicate_within")

CHANGES = {
    "picture_left_out": "pictures left out",
    "person_left_out": "annotations left out",
    "joint_unlabelled": "joints outside the picture marked as not labelled",
    "box_grown": "boxes grown to hold their joints",
    "box_clipped": "boxes clipped to the picture",
    "area_replaced": "areas replaced by the box's width x height",
    "num_keypoints_counted": "num_keypoints counted anew",
    "id_renumbered": "annotation ids changed, now from 1 in the order of the file",
    "info_added": "key 'info' added",
}


@dataclass(frozen=True)
class Change:
    """kind: a key of ``CHANGES``. record: the picture or annotation, by its name and its old id."""

    kind: str
    record: str
    message: str


@dataclass
class Fixed:
    """A corrected file: data, COCO JSON; changes, every one."""

    data: Record
    changes: list[Change] = field(default_factory=list)

    def note(self, kind: str, record: str, message: str) -> None:
        """Add a change."""
        self.changes.append(Change(kind, record, message))

    def counts(self) -> dict[str, int]:
        """Changes by kind, in the order of ``CHANGES``."""
        counts = Counter(change.kind for change in self.changes)
        return {kind: counts[kind] for kind in CHANGES if counts[kind]}


def fix_split(
    audit: Audit,
    name: str,
    disjoint_from: Sequence[str] = (),
    drop: Collection[str] = (),
    grow_boxes: bool = False,
) -> Fixed:
    """A corrected copy of an audited split's file.

    Boxes are clipped, joints outside the picture marked as not labelled, areas replaced (all where they are
    constant, else the faulty ones) by the box's width x height, num_keypoints counted, ids given from 1; broken
    records and pictures that cannot be read are left out. disjoint_from: splits whose pictures, near-identical
    ones and sources the result must not share. drop: kinds of finding (``DROPPABLE``) whose pictures are left out;
    of duplicates one stays. grow_boxes: make boxes hold their joints. Left and right are never exchanged.
    Raises ConfigError for a kind that cannot be dropped or a split disjoint from itself, DataError for a split that was not audited.
    """
    wrong = sorted(set(drop) - set(DROPPABLE))
    if wrong:
        raise ConfigError(f"cannot drop {', '.join(wrong)}; choose from {', '.join(DROPPABLE)}")
    if name in disjoint_from:
        raise ConfigError(f"split {name!r} cannot be made disjoint from itself; name other splits")
    split = audit.split(name)
    fixed = Fixed(copy.deepcopy({k: v for k, v in split.data.items() if k not in ("images", "annotations")}))
    if "info" not in fixed.data:
        fixed.data["info"] = {"description": f"{name}, corrected"}
        fixed.note("info_added", name, "pycocotools' loadRes reads it")
    unfit = _unfit_annotations(split)
    out = _left_out(audit, split, unfit, disjoint_from, drop)
    for index, reason in sorted(out.items()):
        record = split.images.get(index)
        fixed.note("picture_left_out", str(record["file_name"]) if record else f"image {index}", reason)
    kept = [index for index in split.images if index not in out]
    fixed.data["images"] = [copy.deepcopy(split.images[index]) for index in kept]
    all_areas = any(f.kind == "area_constant" and name in f.splits for f in audit.findings)
    fixed.data["annotations"] = _annotations(split, set(kept), unfit, (all_areas, grow_boxes), fixed)
    return fixed


def _unfit_annotations(split: AuditSplit) -> dict[int, str]:
    """Annotations (index in the file) that nothing can be made of, and why."""
    persons = {person.index: person for person in split.persons}
    unfit = {}
    for index, annotation in enumerate(split.data["annotations"]):
        image = split.image_of(annotation) if isinstance(annotation, dict) else None
        if image is None:
            unfit[index] = "it has no picture"
        elif index in persons:
            if is_outside(persons[index].box, _size(split, image)):
                unfit[index] = "its box lies wholly outside the picture"
        elif index in split.annotations and not annotation.get("iscrowd"):
            unfit[index] = "broken record"
    return unfit


def _size(split: AuditSplit, image: int) -> np.ndarray:
    return np.array([split.images[image][side] for side in ("width", "height")], dtype=np.float64)


def _left_out(
    audit: Audit,
    split: AuditSplit,
    unfit: Collection[int],
    disjoint_from: Sequence[str],
    drop: Collection[str],
) -> dict[int, str]:
    """Pictures (index in the file) that are left out, and why."""
    first = set(split.by_id.values())
    out = {i: "broken record" for i in range(len(split.data["images"])) if i not in split.images}
    out |= {i: "its image id is used before" for i in split.images if i not in first}
    left: dict[int, bool] = {}  # picture -> whether a person stays
    for index, annotation in split.annotations.items():
        image = split.image_of(annotation)
        if image is not None and not annotation.get("iscrowd"):
            left[image] = left.get(image, False) or index not in unfit
    out |= {image: "none of its persons can be used" for image, any_left in left.items() if not any_left}
    if disjoint_from:
        out |= tied_pictures(audit, split.name, disjoint_from)
    wanted = [f for f in audit.findings if f.kind in ALWAYS_LEFT_OUT or f.kind in drop]
    # duplicates last: of those that nothing else leaves out one stays
    for finding in sorted(wanted, key=lambda f: f.kind in KEEP_ONE):
        images = [p.image for p in finding.places if p.split == split.name and p.image is not None]
        images = [image for image in images if image not in out]
        for image in images[1:] if finding.kind in KEEP_ONE else images:
            out[image] = f"{finding.kind}: {finding.message}"
    return out


def _annotations(
    split: AuditSplit, kept: set[int], unfit: dict[int, str], options: tuple[bool, bool], fixed: Fixed
) -> list[Record]:
    """Corrected copies of the annotations of the kept pictures: persons, crowds, and other categories.

    options: whether all areas are replaced, whether boxes grow.
    """
    persons = {person.index: person for person in split.persons}
    annotations: list[Record] = []
    for index, original in enumerate(split.data["annotations"]):
        place = split.place(index).name if index in split.annotations else f"annotation at index {index}"
        if index in unfit:
            fixed.note("person_left_out", place, unfit[index])
        elif split.image_of(original) in kept:
            annotation = copy.deepcopy(original)
            if index in persons:
                _correct(split, persons[index], annotation, options[1], fixed)
                _replace_area(annotation, options[0], fixed, place)
            _renumber(annotation, len(annotations) + 1, fixed, place)
            annotations.append(annotation)
    return annotations


def _correct(split: AuditSplit, person: Person, annotation: Record, grow_boxes: bool, fixed: Fixed) -> None:
    """Correct joints, box and num_keypoints of ``annotation``, a copy of the person's."""
    place, size = split.place(person.index).name, _size(split, person.image)
    keypoints, box = person.keypoints.copy(), person.box.copy()
    beyond = joints_outside(keypoints, np.zeros(2), size - 1)
    if beyond.any():
        keypoints[beyond] = 0
        annotation["keypoints"] = keypoints.ravel().tolist()
        names = ", ".join(split.skeleton.names[joint] for joint in np.flatnonzero(beyond))
        fixed.note("joint_unlabelled", place, names)
    if grow_boxes and joints_outside(keypoints, box[:2], box[:2] + box[2:]).any():
        box = _around(box, keypoints)
        fixed.note("box_grown", place, f"{_numbers(person.box)} -> {_numbers(box)}")
    if box_excess(box, size).max() > BOX_SLACK:
        low, high = np.maximum(box[:2], 0), np.minimum(box[:2] + box[2:], size)
        clipped = np.concatenate([low, high - low])
        fixed.note("box_clipped", place, f"{_numbers(box)} -> {_numbers(clipped)}")
        box = clipped
    if (box != person.box).any():
        annotation["bbox"] = box.tolist()
    count = int(labelled_joints(annotation).sum())
    if annotation.get("num_keypoints") != count:
        fixed.note("num_keypoints_counted", place, f"{annotation.get('num_keypoints')!r} -> {count}")
        annotation["num_keypoints"] = count


def _around(box: np.ndarray, keypoints: np.ndarray) -> np.ndarray:
    """The smallest box around a box (x, y, w, h) and the labelled joints of (K, 3)."""
    points = np.vstack([keypoints[keypoints[:, 2] > 0, :2], box[:2], box[:2] + box[2:]])
    return np.concatenate([points.min(axis=0), np.ptp(points, axis=0)])


def _replace_area(annotation: Record, always: bool, fixed: Fixed, place: str) -> None:
    """By the size of the corrected box: what was right before may be too large for a clipped one."""
    old: Any = annotation.get("area")
    box_area = float(annotation["bbox"][2] * annotation["bbox"][3])
    faulty = bool(impossible_area(old, box_area)) or is_small_area(old, box_area)
    if (always or faulty) and old != box_area:
        fixed.note("area_replaced", place, f"{old!r} -> {box_area:g}")
        annotation["area"] = box_area


def _renumber(annotation: Record, number: int, fixed: Fixed, place: str) -> None:
    old = annotation.get("id")
    if old != number:
        fixed.note("id_renumbered", place, f"{old!r} -> {number}")
        annotation["id"] = number


def _numbers(box: np.ndarray) -> str:
    return "[" + ", ".join(f"{value:.2f}" for value in box) + "]"
