"""Writes CVAT's "CVAT for images 1.1"; what stands where is said in ``fidip.labels.cvat``."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from fidip.files import write_text
from fidip.labels.collect import DIGITS, HIDDEN, PIXEL_CENTRE
from fidip.labels.cvat import IMAGE_FIELDS, PERSON_FIELDS, Element
from fidip.labels.label_config import BOX, IMAGE_TAG, PERSON, cvat_labels
from fidip.skeleton import Skeleton


def write_cvat(data: dict[str, Any], skeleton: Skeleton, path: Path) -> list[str]:
    """Write "CVAT for images 1.1"; the task needs the labels of ``cvat_labels``. Returns what is lost."""
    root = Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    _write_labels(root, skeleton)
    for number, image in enumerate(data["images"]):
        size = {"width": str(image["width"]), "height": str(image["height"])}
        element = ElementTree.SubElement(
            root, "image", {"id": str(number), "name": image["file_name"], **size}
        )
        tag = ElementTree.SubElement(element, "tag", label=IMAGE_TAG, source="manual")
        _write_attributes(tag, image, IMAGE_FIELDS)
        persons = [a for a in data["annotations"] if a["image_id"] == image["id"]]
        for group, person in enumerate(persons, start=1):
            _write_person(element, person, skeleton, str(group))
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    write_text(path, f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n')
    return _lost(data)


def _write_labels(root: Element, skeleton: Skeleton) -> None:
    meta = ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task")
    labels = ElementTree.SubElement(meta, "labels")
    for label in cvat_labels(skeleton):
        parts = [(label, None), *((part, label["name"]) for part in label.get("sublabels", ()))]
        for part, parent in parts:
            element = ElementTree.SubElement(labels, "label")
            for key in ("name", "type"):
                ElementTree.SubElement(element, key).text = part[key]
            if parent:
                ElementTree.SubElement(element, "parent").text = parent


def _write_attributes(
    element: Element, record: Mapping[str, Any], known: Mapping[str, tuple[str, Callable[[str], Any]]]
) -> None:
    for name, (field, _) in known.items():
        if record.get(field) not in (None, ""):
            value = record[field]
            text = str(value).lower() if isinstance(value, bool) else str(value)
            ElementTree.SubElement(element, "attribute", name=name).text = text


def _write_person(image: Element, person: Mapping[str, Any], skeleton: Skeleton, group: str) -> None:
    x, y, w, h = person["bbox"]
    corners = {"xtl": _text(x), "ytl": _text(y), "xbr": _text(x + w), "ybr": _text(y + h)}
    drawn = {"source": "manual", "occluded": "0", "z_order": "0", "group_id": group}
    box = ElementTree.SubElement(image, "box", {"label": BOX, **drawn, **corners})
    _write_attributes(box, person, PERSON_FIELDS)
    flat = person["keypoints"]
    if not any(flat[2::3]):
        return
    element = ElementTree.SubElement(image, "skeleton", {"label": PERSON, **drawn})
    for name, px, py, seen in zip(skeleton.names, flat[::3], flat[1::3], flat[2::3], strict=True):
        at = (px + PIXEL_CENTRE, py + PIXEL_CENTRE) if seen else (x + w / 2, y + h / 2)
        flags = {"outside": str(int(not seen)), "occluded": str(int(seen == HIDDEN))}
        place = f"{_text(at[0])},{_text(at[1])}"
        ElementTree.SubElement(
            element, "points", {"label": name, "source": "manual", **flags, "points": place}
        )


def _text(value: float) -> str:
    """A number with at most DIGITS decimals."""
    return f"{value:.{DIGITS}f}".rstrip("0").rstrip(".")


def _lost(data: dict[str, Any]) -> list[str]:
    drawn = {"file_name", "width", "height", "image_id", "category_id", "bbox", "keypoints", "num_keypoints"}
    lost = {
        f"{what} field {key} is lost"
        for what, records, known in (
            ("image", data["images"], IMAGE_FIELDS),
            ("person", data["annotations"], PERSON_FIELDS),
        )
        for record in records
        for key, value in record.items()
        if key not in drawn
        and key not in {field for field, _ in known.values()}
        and value not in ("", None, [], {})
    }
    return sorted(lost)
