"""COCO keypoint annotation files: one place that reads and checks them, for data reading and evaluation."""

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from fidip.environment import logger
from fidip.errors import DataError
from fidip.files import read_json
from fidip.repair import Repairs, plain_name, repaired
from fidip.skeleton import COCO17, Skeleton

Record = dict[str, Any]

REMEDY = "correct or remove these records"
_SHOWN = 5  # faulty records named in one message; the rest is counted


def load_annotations(path: Path | str, skeleton: Skeleton = COCO17, skip_bad: bool = False) -> Record:
    """Read and check a COCO keypoint JSON; see ``check_annotations`` for what comes out and what is refused.

    Raises DataError also for a file that is missing, cut short or not JSON.
    """
    path = Path(path)
    return check_annotations(
        read_json(path, "annotation file"), f"annotation file {path}", skeleton, skip_bad
    )


def check_annotations(data: Any, source: str, skeleton: Skeleton = COCO17, skip_bad: bool = False) -> Record:
    """Return a checked copy of a COCO keypoint dict with ``images``, ``annotations`` and one category.

    Kept: the annotations of the person category (the only one; else the one with ``keypoints``; else the one
    named person), crowds included, with every field they have. Filled in: ``iscrowd`` 0, ``category_id``,
    ``info``, ``licenses``. ``num_keypoints`` is counted: a joint is labelled when its visibility is above 0,
    whatever its x and y. ``source`` opens the messages, e.g. "annotation file a.json".
    Raises one DataError that names the first few faulty records and counts them all: keypoints missing, of
    another length than 3 K, or not finite; a bbox missing, not finite, or (on an annotation with labelled
    joints) of no size; an image id that is unknown, missing or used twice. With ``skip_bad`` faulty
    annotations are left out and the same text is logged as a warning; faulty images are still refused.
    """
    if not isinstance(data, dict):
        raise DataError(f"{source} holds a {type(data).__name__}, not a dict; give a COCO keypoint JSON")
    for key in ("images", "annotations"):
        if not isinstance(data.get(key), list):
            raise DataError(
                f"{source} has no list {key!r}; give a COCO keypoint JSON (person_keypoints_*.json)"
            )
    repairs = Repairs()
    data = repaired(data, skeleton.names, repairs)
    repairs.say(source)
    image_faults = _image_faults(data["images"])
    category = _person_category(data.get("categories"), data["annotations"], source)
    _check_names(category, skeleton, source)
    known = {image["id"] for image in data["images"] if _id_fault(image) is None}
    persons, faults = _sound_annotations(data["annotations"], known, category["id"], skeleton.num_joints)
    if skip_bad and faults:
        raise_faults(source, image_faults, REMEDY)
        logger.warning("%s; these annotations are left out", fault_text(source, faults))
    else:
        raise_faults(source, image_faults + faults, REMEDY)
    return {
        **data,
        "info": data.get("info", {}),
        "licenses": data.get("licenses", []),
        "images": list(data["images"]),
        "annotations": _completed(persons, category["id"], source),
        "categories": [category],
    }


def require_pictures(data: Record, source: str) -> None:
    """Raise DataError for images without file_name, width or height, which reading pixels needs."""
    faults = []
    for index, image in enumerate(data["images"]):
        name = record_name("image", image, index)
        for field in ("file_name", "width", "height"):
            value = image.get(field)
            if field not in image:
                faults.append(f"{name} lacks {field}")
            elif field == "file_name" and not (isinstance(value, str) and value):
                faults.append(f"{name} has the file_name {value!r}, not a text")
            elif field != "file_name" and not (is_number(value) and value > 0):
                faults.append(f"{name} has the {field} {value!r}, not a positive number of px")
    raise_faults(source, faults, "add what is missing and correct what is not")


def fault_text(source: str, faults: Sequence[str]) -> str:
    """Name a file, the number of its faults and the first few of them."""
    number = f"{len(faults)} fault" + ("s" if len(faults) > 1 else "")
    rest = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
    return f"{source} has {number}: " + "; ".join(faults[:_SHOWN]) + rest


def raise_faults(source: str, faults: Sequence[str], remedy: str) -> None:
    """Raise one DataError for all ``faults`` of a file, if there are any; the first few are spelled out."""
    if faults:
        raise DataError(f"{fault_text(source, faults)}: {remedy}")


def record_name(kind: str, record: Record, index: int) -> str:
    """Name a record in a message by its id and its place in the file, 0 being the first."""
    return f"{kind} {record['id']!r} (index {index})" if "id" in record else f"{kind} at index {index}"


def finite_numbers(values: Any) -> np.ndarray | None:
    """Return ``values`` as a flat float64 array, or None unless it is a list of finite numbers."""
    try:
        array = np.asarray(values)
    except ValueError:  # lists of unequal lengths inside
        return None
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iuf") or not np.isfinite(array).all():
        return None
    return array.astype(np.float64)


def is_number(value: Any) -> TypeGuard[float]:
    """Whether ``value`` is a finite number (numpy's included, bool not)."""
    numeric = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    return numeric and math.isfinite(value)


def _id_fault(image: Any) -> str | None:
    if (
        not isinstance(image, dict)
        or isinstance(image.get("id"), bool)
        or not isinstance(image.get("id"), (int, str))
    ):
        return "has no id (a whole number or a text)"
    return None


def _image_faults(images: list[Any]) -> list[str]:
    faults = [f"image at index {i} {fault}" for i, image in enumerate(images) if (fault := _id_fault(image))]
    faults += [
        f"{record_name('image', image, i)} {fault}"
        for i, image in enumerate(images)
        if isinstance(image, dict) and (fault := _flag_fault(image))
    ]
    counts = Counter(image["id"] for image in images if not _id_fault(image))
    return faults + [f"image id {key!r} is used {n} times" for key, n in counts.items() if n > 1]


def _sound_annotations(
    annotations: list[Any], known: set[int | str], category_id: Any, joints: int
) -> tuple[list[Record], list[str]]:
    """Annotations of the category that have no fault, and the faults of the others."""
    sound, faults = [], []
    for index, annotation in enumerate(annotations):
        if not isinstance(annotation, dict):
            faults.append(f"annotation at index {index} is not a dict")
        elif annotation.get("category_id", category_id) == category_id:
            problems = _annotation_faults(annotation, known, joints)
            faults += [f"{record_name('annotation', annotation, index)} {problem}" for problem in problems]
            if not problems:
                sound.append(annotation)
    return sound, faults


def _flag_fault(record: Record) -> str:
    """What is wrong with a yes or no of a record that ``repaired`` could not read."""
    if not isinstance(record.get("is_synthetic", False), bool):
        return f"has the is_synthetic {record['is_synthetic']!r}, which is neither true nor false"
    if record.get("iscrowd", 0) not in (0, 1) or not isinstance(record.get("iscrowd", 0), (int, bool)):
        return f"has the iscrowd {record['iscrowd']!r}, which is neither 0 nor 1"
    return ""


def _annotation_faults(annotation: Record, known: set[int | str], joints: int) -> list[str]:
    faults = [flag] if (flag := _flag_fault(annotation)) else []
    image_id = annotation.get("image_id")
    if not isinstance(image_id, (int, str)) or image_id not in known:
        faults.append(f"has the image_id {image_id!r}, which no image has")
    box = finite_numbers(annotation.get("bbox"))
    if "bbox" not in annotation:
        faults.append("has no bbox")
    elif box is None or box.size != 4:
        faults.append("has a bbox that is not 4 finite numbers (x, y, width, height)")
    fault = keypoint_fault(annotation, joints)
    if fault:
        faults.append(fault)
    elif box is not None and box.size == 4 and box[2:].min() <= 0 and labelled_joints(annotation).any():
        faults.append(f"has a bbox of no size (width {box[2]:g}, height {box[3]:g})")
    return faults


def keypoint_fault(record: Record, joints: int) -> str | None:
    """What is wrong with the ``keypoints`` of an annotation or result, or None."""
    if "keypoints" not in record:
        return "has no keypoints"
    values = record["keypoints"]
    if not isinstance(values, list):
        return "has keypoints that are not a list"
    if len(values) != 3 * joints:
        return f"has {len(values)} numbers in keypoints instead of {3 * joints} ({joints} joints x 3)"
    if finite_numbers(values) is None:
        return "has keypoints that are not all finite numbers (NaN, infinite, null or text)"
    return None


def labelled_joints(annotation: Record) -> np.ndarray:
    """Which joints are labelled, (K,) bool: COCO visibility 1 (hidden) or 2 (visible)."""
    return np.asarray(annotation["keypoints"][2::3]) > 0


def _person_category(categories: Any, annotations: list[Any], source: str) -> Record:
    """The category that is scored. Without ``categories``, the only category_id in use (1 if there is none)."""
    if not categories:
        used = {a.get("category_id", 1) for a in annotations if isinstance(a, dict)} or {1}
        if len(used) > 1:
            raise DataError(f"{source} has no categories but several category_id; add its list of categories")
        return {"id": used.pop(), "name": "person"}
    if not isinstance(categories, list) or any(_id_fault(one) for one in categories):
        raise DataError(f"{source} has categories that are not a list of dicts with an id; correct them")
    for chosen in (
        categories,
        [c for c in categories if c.get("keypoints")],
        [c for c in categories if str(c.get("name")).lower() == "person"],
    ):
        if len(chosen) == 1:
            return dict(chosen[0])
    raise DataError(
        f"{source} has {len(categories)} categories and not one person; name one of them 'person'"
    )


def _check_names(category: Record, skeleton: Skeleton, source: str) -> None:
    """Raise DataError for a category whose keypoints have other names: taken by position they would be others."""
    names = category.get("keypoints")
    if not isinstance(names, list) or not names or len(names) != skeleton.num_joints:
        return  # a wrong number is found in the annotations
    foreign = [
        str(name) for name in names if plain_name(str(name)) not in set(map(plain_name, skeleton.names))
    ]
    if foreign:
        raise DataError(
            f"{source} has keypoints that {skeleton.name} does not: {', '.join(foreign[:5])}; "
            "name its own skeleton (DATASET.SKELETON, --skeleton), or convert it with `fidip convert --drop-unknown`"
        )


def _completed(annotations: list[Record], category_id: Any, source: str) -> list[Record]:
    """Copies with the fields that readers rely on; says when a stated num_keypoints is not true."""
    completed, differing = [], 0
    new = itertools.count(1 + max((a["id"] for a in annotations if "id" in a), default=0))
    for annotation in annotations:
        count = int(labelled_joints(annotation).sum())
        differing += annotation.get("num_keypoints", count) != count
        given = {
            "id": annotation["id"] if "id" in annotation else next(new),
            "iscrowd": 0,
            "category_id": category_id,
        }
        completed.append({**given, **annotation, "num_keypoints": count})
    if missing := sum("id" not in annotation for annotation in annotations):
        logger.warning(
            "%s: %d of %d annotations have no id and get a new one", source, missing, len(annotations)
        )
    if differing:
        logger.warning(
            "%s: %d of %d annotations state a num_keypoints that is not their number of labelled joints; "
            "counted from the visibilities instead",
            source,
            differing,
            len(annotations),
        )
    return completed
