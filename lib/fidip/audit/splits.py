"""Read a split as it is: what a strict reader would refuse becomes findings."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fidip.annotations import (
    Record,
    check_annotations,
    finite_numbers,
    is_number,
    keypoint_fault,
    labelled_joints,
)
from fidip.audit.findings import Finding, Place
from fidip.data.records import Split
from fidip.errors import DataError
from fidip.files import read_json
from fidip.repair import Repairs, repaired
from fidip.skeleton import COCO17, Skeleton


@dataclass(frozen=True)
class Person:
    """A sound annotation that is no crowd. index, image: its place and its picture's in the file's lists.

    box: (x, y, w, h) image px as annotated. keypoints: (K, 3) x, y in image px, visibility.
    """

    index: int
    image: int
    annotation: Record
    box: np.ndarray
    keypoints: np.ndarray

    @property
    def labelled(self) -> np.ndarray:
        """Which joints are labelled, (K,) bool."""
        return self.keypoints[:, 2] > 0

    @property
    def box_area(self) -> float:
        """Box width x height, px^2."""
        return float(self.box[2] * self.box[3])


@dataclass
class AuditSplit:
    """A split's file, sorted into what can be checked. Keys of images and annotations: index in the file.

    annotations: of persons, crowds and broken ones included. findings: what is wrong with the records' form.
    """

    split: Split
    data: Record
    skeleton: Skeleton
    images: dict[int, Record] = field(default_factory=dict)
    annotations: dict[int, Record] = field(default_factory=dict)
    persons: list[Person] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    by_id: dict[Any, int] = field(default_factory=dict)  # image id -> index of the first image that has it

    @property
    def name(self) -> str:
        """The split's name, unlike that of any other split in the same audit."""
        return self.split.name

    def picture(self, image: int) -> Path:
        """Where the picture should be."""
        return self.split.image_folder / str(self.images[image]["file_name"])

    def image_place(self, image: int) -> Place:
        """The place of a picture."""
        record = self.images[image]
        return Place(self.name, str(record["file_name"]), image, record["id"])

    def place(self, index: int, joints: Sequence[int] = ()) -> Place:
        """The place of an annotation."""
        annotation = self.annotations[index]
        image = self.image_of(annotation)
        record = {} if image is None else self.images[image]
        key = annotation.get("id")
        return Place(
            split=self.name,
            file_name=str(record.get("file_name", "")),
            image=image,
            image_id=record.get("id"),
            annotation=index,
            annotation_id=key if isinstance(key, (int, str)) else None,
            joints=tuple(joints),
        )

    def image_of(self, annotation: Record) -> int | None:
        """Index of the sound picture that an annotation names."""
        image_id = annotation.get("image_id")
        return self.by_id.get(image_id) if isinstance(image_id, (int, str)) else None

    def add(self, kind: str, message: str, *places: Place) -> None:
        """Note a finding."""
        self.findings.append(Finding(kind, message, places))


def load_split(split: Split, skeleton: Skeleton = COCO17, data: Any = None) -> AuditSplit:
    """Read a split's annotation file (or take ``data``), broken records and all.

    Raises DataError for a file that is missing, no JSON, or has no lists of images and annotations.
    """
    source = f"annotation file {split.annotation_file}"
    data = read_json(split.annotation_file, "annotation file") if data is None else data
    if not isinstance(data, dict) or not all(
        isinstance(data.get(k), list) for k in ("images", "annotations")
    ):
        raise DataError(
            f"{source} has no lists 'images' and 'annotations'; give a COCO keypoint JSON "
            "(person_keypoints_*.json)"
        )
    repairs = Repairs()
    data = repaired(data, skeleton.names, repairs)
    loaded = AuditSplit(split, data, skeleton)
    for what in repairs.lines():
        loaded.add("record_repaired", what, Place(split.name, "", None))
    if "info" not in data:
        loaded.add("info_missing", "the file has no key 'info'", Place(split.name, "", None))
    _sort_images(loaded)
    _sort_annotations(loaded, _person_category(data, source))
    return loaded


def _person_category(data: Record, source: str) -> Any:
    """Id of the category that is scored; None without categories: all annotations are persons then."""
    if not data.get("categories"):
        return None
    empty = {"images": [], "annotations": [], "categories": data["categories"]}
    return check_annotations(empty, source)["categories"][0]["id"]


def _sort_images(loaded: AuditSplit) -> None:
    for index, image in enumerate(loaded.data["images"]):
        fault = _image_fault(image)
        if fault:
            file_name = str(image.get("file_name", "")) if isinstance(image, dict) else ""
            loaded.add("record_broken", f"image {fault}", Place(loaded.name, file_name, index))
            continue
        loaded.images[index] = image
        first = loaded.by_id.setdefault(image["id"], index)
        if first != index:
            places = (loaded.image_place(first), loaded.image_place(index))
            loaded.add("image_id_repeated", f"image id {image['id']!r} is used again", *places)


def _image_fault(image: Any) -> str:
    if not isinstance(image, dict):
        return "is not a dict"
    if not isinstance(image.get("id"), (int, str)):
        return "has no id (a whole number or a text)"
    if not isinstance(image.get("file_name"), str) or not image["file_name"]:
        return "has no file_name"
    if not all(is_number(image.get(side)) and image[side] > 0 for side in ("width", "height")):
        return "has no width and height above 0"
    return ""


def _sort_annotations(loaded: AuditSplit, category: Any) -> None:
    for index, annotation in enumerate(loaded.data["annotations"]):
        if not isinstance(annotation, dict):
            loaded.add("record_broken", f"annotation {index} is not a dict", Place(loaded.name, "", None))
            continue
        if category is not None and annotation.get("category_id", category) != category:
            continue
        loaded.annotations[index] = annotation
        if annotation.get("iscrowd"):
            continue
        fault = _annotation_fault(loaded, annotation)
        if fault:
            loaded.add("record_broken", f"annotation {fault}", loaded.place(index))
            continue
        loaded.persons.append(
            Person(
                index=index,
                image=loaded.by_id[annotation["image_id"]],
                annotation=annotation,
                box=np.array(annotation["bbox"], dtype=np.float64),
                keypoints=np.array(annotation["keypoints"], dtype=np.float64).reshape(-1, 3),
            )
        )


def _annotation_fault(loaded: AuditSplit, annotation: Record) -> str:
    if loaded.image_of(annotation) is None:
        return f"names the image_id {annotation.get('image_id')!r}, which no sound image has"
    box = finite_numbers(annotation.get("bbox"))
    if box is None or box.size != 4:
        return "has no bbox of 4 finite numbers"
    fault = keypoint_fault(annotation, loaded.skeleton.num_joints)
    if fault:
        return fault
    if box[2:].min() <= 0 and labelled_joints(annotation).any():
        return f"has a bbox of no size (width {box[2]:g}, height {box[3]:g})"
    return ""
