"""Checks of the labels alone: ids, persons, boxes, joints, counts, domains."""

from collections import Counter

import numpy as np

from fidip.audit.findings import Finding, Place
from fidip.audit.splits import AuditSplit, Person

BOX_SLACK = 0.01  # px; less is rounding
JOINT_SLACK = 1.0  # px beyond the outermost pixel centres, or beyond the box: a matter of conventions


def check_labels(split: AuditSplit) -> list[Finding]:
    """All findings of this module for one split."""
    findings = [*_ids(split), *_persons(split)]
    for person in split.persons:
        findings += _person(split, person)
    return [*findings, *_domain(split)]


def _ids(split: AuditSplit) -> list[Finding]:
    findings: list[Finding] = []
    places: dict[int | str, list[Place]] = {}
    for index, annotation in split.annotations.items():
        key = annotation.get("id")
        if not isinstance(key, (int, str)):
            findings.append(Finding("annotation_id_missing", "has no id", (split.place(index),)))
            continue
        if key == 0:
            findings.append(Finding("annotation_id_zero", "has the id 0", (split.place(index),)))
        places.setdefault(key, []).append(split.place(index))
    for key, group in places.items():
        if len(group) > 1:
            message = f"id {key!r} is used {len(group)} times"
            findings.append(Finding("annotation_id_repeated", message, tuple(group)))
    return findings


def _persons(split: AuditSplit) -> list[Finding]:
    """Crowds are no persons; broken annotations are, however little can be said of them."""
    images = (split.image_of(a) for a in split.annotations.values() if not a.get("iscrowd"))
    counts = Counter(image for image in images if image is not None)
    findings = []
    for image in split.by_id.values():
        place = (split.image_place(image),)
        if counts[image] == 0:
            findings.append(Finding("no_person", "no annotation but crowds, if any", place))
        elif counts[image] > 1:
            findings.append(Finding("several_persons", f"{counts[image]} persons", place))
    return findings


def _person(split: AuditSplit, person: Person) -> list[Finding]:
    image = split.images[person.image]
    size = np.array([image["width"], image["height"]], dtype=np.float64)
    findings = []
    excess = box_excess(person.box, size)
    if excess.max() > BOX_SLACK:
        message = _excess_text(excess)
        if is_outside(person.box, size):
            message = "box lies wholly outside the picture"
        findings.append(Finding("box_outside", message, (split.place(person.index),)))
    beyond = joints_outside(person.keypoints, np.zeros(2), size - 1)
    if beyond.any():
        findings.append(_joint_finding(split, person, beyond, "picture"))
    astray = joints_outside(person.keypoints, person.box[:2], person.box[:2] + person.box[2:]) & ~beyond
    if astray.any() and not is_outside(person.box, size):
        findings.append(_joint_finding(split, person, astray, "box"))
    stated, counted = person.annotation.get("num_keypoints"), int(person.labelled.sum())
    if stated is not None and stated != counted:
        message = f"num_keypoints {stated!r}, but {counted} joints are labelled"
        findings.append(Finding("num_keypoints_wrong", message, (split.place(person.index),)))
    return findings


def box_excess(box: np.ndarray, size: np.ndarray) -> np.ndarray:
    """How far a box reaches beyond the left, upper, right, lower edge of a (W, H) picture, px; (4,)."""
    return np.concatenate([-box[:2], box[:2] + box[2:] - size])


def is_outside(box: np.ndarray, size: np.ndarray) -> bool:
    """Whether a box has nothing of the picture in it."""
    return bool((box[:2] >= size).any() or (box[:2] + box[2:] <= 0).any())


def joints_outside(keypoints: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Labelled joints of (K, 3) farther than ``JOINT_SLACK`` outside low..high (x, y in image px); (K,) bool."""
    xy = keypoints[:, :2]
    outside = (xy < low - JOINT_SLACK).any(axis=1) | (xy > high + JOINT_SLACK).any(axis=1)
    return outside & (keypoints[:, 2] > 0)


def _excess_text(excess: np.ndarray) -> str:
    sides = zip(("left", "upper", "right", "lower"), excess, strict=True)
    parts = [f"{pixels:.2f} px beyond the {side} edge" for side, pixels in sides if pixels > BOX_SLACK]
    return "box reaches " + ", ".join(parts)


def _joint_finding(split: AuditSplit, person: Person, joints: np.ndarray, what: str) -> Finding:
    indices = np.flatnonzero(joints).tolist()
    names = ", ".join(split.skeleton.names[joint] for joint in indices)
    return Finding(
        f"joint_outside_{what}", f"outside the {what}: {names}", (split.place(person.index, indices),)
    )


def _domain(split: AuditSplit) -> list[Finding]:
    """One finding for all persons without a domain, one for each whose picture has another."""
    missing, findings = [], []
    for person in split.persons:
        stated = [
            record["is_synthetic"]
            for record in (person.annotation, split.images[person.image])
            if record.get("is_synthetic") in (True, False)
        ]
        if not stated:
            missing.append(split.place(person.index))
        elif bool(stated[0]) != bool(stated[-1]):
            message = "is_synthetic of the annotation is not that of the image"
            findings.append(Finding("domain_unclear", message, (split.place(person.index),)))
    if missing:
        message = f"{len(missing)} of {len(split.persons)} persons have no is_synthetic true or false"
        findings.append(Finding("domain_unclear", message, tuple(missing)))
    return findings
