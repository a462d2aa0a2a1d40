"""CVAT: "CVAT for images 1.1", persons as skeletons or single points, each grouped with a rectangle.

A joint with outside="1", or that is not there, is not labelled (visibility 0); occluded="1" means hidden (1), any
other visible (2). A skeleton or point belongs to the rectangle of its group, else to the only one, else to the only
one around it. Positions are px, 0 at the picture's edge; CVAT itself keeps two decimals.

Ids and the fields of SyRIP are attributes: those of the picture of a tag "picture", those of a person of its rectangle.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from fidip.errors import DataError
from fidip.labels.collect import (
    DIGITS,
    HIDDEN,
    PIXEL_CENTRE,
    VISIBLE,
    Collector,
    FoundPerson,
    FoundPicture,
)
from fidip.labels.group import Box, Point, contains, group_points, person_labels
from fidip.labels.safe_xml import read_xml

Element = ElementTree.Element


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise ValueError(text)
    return text.lower() in ("true", "1")


# attributes by the fields they hold, and how their text is read
IMAGE_FIELDS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "image_id": ("id", int),
    "is_synthetic": ("is_synthetic", _truth),
    "posture": ("posture", str),
    "image_source": ("image_source", str),
}
PERSON_FIELDS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "annotation_id": ("id", int),
    "area": ("area", float),
    "iscrowd": ("iscrowd", int),
    "is_synthetic": ("is_synthetic", _truth),
}


def read_cvat(path: Path, collector: Collector) -> dict[str, Any]:
    """annotations.xml of an export. Raises DataError that names file and pictures."""
    root = read_xml(path, "CVAT file")
    if root.tag != "annotations" or root.find("track") is not None:
        raise DataError(f"{collector.source} is no file of pictures: export as 'CVAT for images 1.1'")
    with collector.record("the file"):
        _leave_out_others(root, collector)
    for index, image in enumerate(root.iter("image")):
        name = image.get("name", "")
        with collector.record(f"image {image.get('id', index)} {name!r}"):
            size = int(_number(image, "width")), int(_number(image, "height"))
            located, size = collector.pictures.locate([name], size)
            fields: dict[str, Any] = {}
            for tag in image.iter("tag"):
                fields |= _attributes(tag, IMAGE_FIELDS)
            fallback = int(image.get("id", index)) + 1 if image.get("id", "0").isdigit() else index + 1
            collector.add(FoundPicture(located, size, _persons(image, collector), fallback, fields))
    return collector.data()


def _leave_out_others(root: Element, collector: Collector) -> None:
    """Remove the boxes and skeletons that are labelled as something else than the persons."""
    shapes = [shape for image in root.iter("image") for shape in image if shape.tag in ("box", "skeleton")]
    persons = person_labels(shape.get("label", "") for shape in shapes)
    for image in root.iter("image"):
        for shape in list(image):
            if shape.tag in ("box", "skeleton") and shape.get("label", "") not in persons:
                image.remove(shape)
                collector.counts[f"{shape.tag} regions left out, labelled {shape.get('label', '')!r}"] += 1


def _number(element: Element, key: str) -> float:
    try:
        return float(element.get(key, ""))
    except ValueError as error:
        raise DataError(
            f"has a {element.tag} whose {key} {element.get(key)!r} is no number: export it again"
        ) from error


def _attributes(element: Element, known: Mapping[str, tuple[str, Callable[[str], Any]]]) -> dict[str, Any]:
    """Fields of the attributes that are known and not empty."""
    fields = {}
    for attribute in element.iter("attribute"):
        name, text = attribute.get("name", ""), (attribute.text or "").strip()
        if name in known and text:
            field, parse = known[name]
            try:
                fields[field] = parse(text)
            except ValueError as error:
                raise DataError(
                    f"has the attribute {name} {text!r}, which cannot be read: correct it"
                ) from error
    return fields


def _persons(image: Element, collector: Collector) -> list[FoundPerson]:
    boxes: dict[str, Box] = {}
    groups: dict[str, str] = {}  # group id -> key of its box
    fields: dict[str | None, dict[str, Any]] = {}
    for number, element in enumerate(image.iter("box")):
        key = f"box {number}"
        boxes[key] = _box(element)
        fields[key] = _attributes(element, PERSON_FIELDS)
        if (group := _group(element)) and groups.setdefault(group, key) != key:
            raise DataError(f"has two boxes in group {group}: give each person its own group")
    skeletons = [(_joints(e.iter("points"), collector), _group(e)) for e in image.iter("skeleton")]
    owners = _owners(skeletons, boxes, groups)
    found = [(owner, joints) for owner, (joints, _) in zip(owners, skeletons, strict=True)]
    free = {key: box for key, box in boxes.items() if key not in owners}
    found += _loose(image, free, groups, collector)
    return [_person(joints, boxes.get(key or ""), fields.get(key, {}), collector) for key, joints in found]


def _box(element: Element) -> Box:
    left, top, right, bottom = (_number(element, key) for key in ("xtl", "ytl", "xbr", "ybr"))
    if right <= left or bottom <= top:
        raise DataError("has a box of no size: delete it and draw it again")
    if _turn(element):
        raise DataError("has a box that is turned: draw boxes upright")
    return round(left, DIGITS), round(top, DIGITS), round(right - left, DIGITS), round(bottom - top, DIGITS)


def _turn(element: Element) -> float:
    return _number(element, "rotation") if element.get("rotation") else 0.0


def _group(element: Element) -> str:
    """Group id, empty for none."""
    group = element.get("group_id", "0")
    return "" if group == "0" else group


def _joints(elements: Any, collector: Collector) -> list[Point]:
    """The labelled joints among points."""
    joints = []
    for element in elements:
        name = element.get("label", "")
        index = collector.joint(name)
        if index is None or element.get("outside") == "1":
            continue
        try:
            x, y = (float(value) for value in element.get("points", "").split(","))
        except ValueError as error:
            raise DataError(
                f"has {name} at {element.get('points')!r}, which is not one point x,y: draw it again"
            ) from error
        seen = HIDDEN if element.get("occluded") == "1" else VISIBLE
        at = round(x - PIXEL_CENTRE, DIGITS), round(y - PIXEL_CENTRE, DIGITS)
        joints.append(Point(index, name, *at, seen, _group(element) or None))
    return joints


def _owners(
    skeletons: Sequence[tuple[list[Point], str]], boxes: dict[str, Box], groups: Mapping[str, str]
) -> list[str | None]:
    """Key of each skeleton's box, None without one. Raises DataError when it is not clear."""
    owners: list[str | None] = [groups.get(group) for _, group in skeletons]
    for number, (joints, _) in enumerate(skeletons):
        if owners[number] is not None:
            continue
        free = [key for key in boxes if key not in owners]
        if len(skeletons) > 1 or len(boxes) > 1:
            free = [key for key in free if all(contains(boxes[key], j.x, j.y) for j in joints)]
        if len(free) > 1:
            raise DataError("has a skeleton in several boxes: group each skeleton with its box")
        owners[number] = free[0] if free else None
    given = [owner for owner in owners if owner is not None]
    if len(set(given)) < len(given):
        raise DataError("has two skeletons in the group of one box: give each person its own group")
    return owners


def _loose(
    image: Element, boxes: dict[str, Box], groups: Mapping[str, str], collector: Collector
) -> list[tuple[str | None, list[Point]]]:
    """Persons of single points, and boxes without any."""
    nested = {id(points) for skeleton in image.iter("skeleton") for points in skeleton.iter("points")}
    joints = _joints((e for e in image.iter("points") if id(e) not in nested), collector)
    alone: dict[str, list[Point]] = {}
    others = []
    for joint in joints:
        if joint.parent is not None and joint.parent not in groups:
            alone.setdefault(joint.parent, []).append(Point(*_bare(joint)))
        else:
            others.append(Point(*_bare(joint), groups.get(joint.parent or "")))
    found = list(group_points(others, boxes).items())
    return found + [(None, group_points(members, {})[None]) for members in alone.values()]


def _bare(point: Point) -> tuple[int, str, float, float, int]:
    return point.index, point.name, point.x, point.y, point.visibility


def _person(
    joints: Sequence[Point], box: Box | None, fields: dict[str, Any], collector: Collector
) -> FoundPerson:
    keypoints = collector.nothing()
    for joint in joints:
        if keypoints[joint.index, 2]:
            raise DataError(f"has {joint.name} more than once in one skeleton: delete one")
        keypoints[joint.index] = joint.x, joint.y, joint.visibility
    return FoundPerson(keypoints, box, fields)
