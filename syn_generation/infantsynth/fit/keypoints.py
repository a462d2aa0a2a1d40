"""Read 2D keypoints to fit: COCO annotation files, OpenPose files, published 19-joint files; as COCO-17."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from fidip.annotations import is_number, keypoint_fault
from fidip.environment import logger
from fidip.errors import DataError
from fidip.files import read_json
from fidip.repair import same_image
from fidip.skeleton import COCO17

Array = np.ndarray

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
HIDDEN = 0.5  # weight of a joint that COCO flags as hidden: an annotator's guess

# Where each COCO-17 joint stands in a layout, by the layout's number of joints. OpenPose's BODY_25 begins like the
# 19-joint layout: nose, neck, right arm, left arm, middle of the hips, right leg, left leg, eyes, ears.
_OPENPOSE = (0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11)
LAYOUTS: dict[int, tuple[int, ...]] = {
    17: tuple(range(17)),
    18: (0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10),  # OpenPose COCO: no middle of the hips
    19: _OPENPOSE,
    25: _OPENPOSE,
}


@dataclass(frozen=True)
class Subject:
    """One person of one image. name: of the image, for output folders. person: number in the image, from 0.

    keypoints: (17, 3) x and y in px, weight 0..1. size: (W, H) px. image: its file, if at hand. source: file and
    record, for messages. fault: why it cannot be fitted, or empty; then keypoints may be all zero.
    posture: as the image's record names it, lower case, or empty.
    """

    name: str
    person: int
    keypoints: Array
    size: tuple[int, int]
    image: Path | None
    source: str
    fault: str = ""
    posture: str = ""


def to_coco17(keypoints: Array) -> Array:
    """Bring joints (..., J, 3), J one of ``LAYOUTS``, into COCO-17 order (..., 17, 3). Raises DataError otherwise."""
    joints = keypoints.shape[-2]
    if joints not in LAYOUTS:
        raise DataError(f"keypoints of {joints} joints are not known; {known_layouts()}")
    return keypoints[..., LAYOUTS[joints], :]


def known_layouts() -> str:
    """Return what can be read, for messages."""
    return "use COCO-17, OpenPose COCO-18, OpenPose BODY_25 or the published 19 joints"


def ignored_joints(openpose: list[int]) -> Array:
    """Return COCO-17 joints (17,) bool that are named by their OpenPose BODY_25 numbers. Raises DataError outside 0..24."""
    if any(not 0 <= joint < 25 for joint in openpose):
        raise DataError(f"joints {openpose} must be OpenPose BODY_25 numbers, 0 to 24")
    return np.isin(LAYOUTS[25], openpose)


def read_subjects(keypoints: Path, images: Path, max_persons: int = 0) -> list[Subject]:
    """Read all persons of a COCO annotation file, or of a folder with one JSON (<name>_keypoints.json) per image.

    images: folder of the images; sizes that no JSON states are read from there. max_persons: at most so many of
    an image, 0 for all. What is wrong with single records stands in their ``fault``. Raises DataError when
    ``keypoints`` is missing, is no JSON, or holds no person at all.
    """
    if keypoints.is_dir():
        subjects = list(_from_folder(keypoints, images))
    else:
        subjects = list(_from_coco(keypoints, images))
    if not subjects:
        raise DataError(
            f"{keypoints} holds no keypoints; give *_keypoints.json files or a COCO annotation file"
        )
    return [subject for subject in subjects if not max_persons or subject.person < max_persons]


def _from_folder(folder: Path, images: Path) -> Iterator[Subject]:
    files = sorted(folder.glob("*.json"))
    shown = _images_by_name(images)
    names: list[str] = []
    for file in files:
        name = file.stem.removesuffix("_keypoints")
        names.append(file.stem if name in names else name)
    without = sorted(shown.keys() - set(names))
    if without:
        logger.warning("%d images have no keypoints and are left out, e.g. %s", len(without), without[0])
    for name, file in zip(names, files, strict=True):
        yield from _from_file(file, name, shown.get(name))


def _images_by_name(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    return {file.stem: file for file in sorted(folder.iterdir()) if file.suffix.lower() in IMAGE_SUFFIXES}


def _from_file(file: Path, name: str, image: Path | None) -> Iterator[Subject]:
    """Return the persons of one image; a file that cannot be used is one subject with a fault."""
    try:
        persons = _persons(read_json(file, "keypoint file"), file)
        size = image_size(image) if image else (0, 0)
    except DataError as error:
        yield _faulty(name, 0, str(file), str(error), image)
        return
    for index, (values, flags) in enumerate(persons):
        source = f"keypoint file {file}, person {index}"
        fault = f"the size of the image is not known: put {name}.jpg or .png beside" if image is None else ""
        try:
            keypoints = parse_joints(values, flags)
        except DataError as error:
            yield _faulty(name, index, source, str(error), image)
        else:
            yield Subject(name, index, keypoints, size, image, source, fault)


def _persons(content: Any, file: Path) -> list[tuple[Any, bool]]:
    """Return the flat numbers of each person, and whether their third ones are COCO's flags. Raises DataError for none."""
    if isinstance(content, dict) and isinstance(content.get("annotations"), list):
        flat = content["annotations"]  # the published files: one person, numbers only
        thirds = flat[2::3]
        return [(flat, 2 in thirds and all(value in (0, 1, 2) for value in thirds))]
    people = content.get("people") if isinstance(content, dict) else None
    if not isinstance(people, list):
        raise DataError(f"{file} has neither a list people (OpenPose) nor annotations of numbers")
    if not people:
        raise DataError(f"{file} has no person: nothing was detected in this image")
    return [
        (p.get("pose_keypoints_2d", p.get("pose_keypoints")) if isinstance(p, dict) else None, False)
        for p in people
    ]  # the second name is that of OpenPose before version 1.3


def parse_joints(values: Any, flags: bool) -> Array:
    """Convert flat x, y, confidence of any known layout to (17, 3) with weights 0..1.

    flags: the third numbers are COCO's (0 not labelled, 1 hidden, 2 seen). Raises DataError for anything else.
    """
    if not isinstance(values, list) or not all(is_number(value) for value in values) or len(values) % 3:
        raise DataError("has keypoints that are not a list of finite numbers x, y, confidence")
    if len(values) // 3 not in LAYOUTS:
        raise DataError(f"has {len(values)} numbers in its keypoints; {known_layouts()}")
    keypoints = to_coco17(np.array(values, dtype=np.float64).reshape(-1, 3))
    weight = keypoints[:, 2]
    keypoints[:, 2] = (
        np.select([weight >= 2, weight >= 1], [1.0, HIDDEN], 0.0) if flags else weight.clip(0, 1)
    )
    return keypoints


def image_size(image: Path) -> tuple[int, int]:
    """Read width and height in px as stored, without decoding. Raises DataError for what is no image."""
    try:
        with Image.open(image) as opened:
            return opened.size
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise DataError(f"image {image} cannot be read ({error}); replace it") from error


def _from_coco(file: Path, images: Path) -> Iterator[Subject]:
    content = _with_images(read_json(file, "annotation file"), images)
    if not isinstance(content, dict) or not all(
        isinstance(content.get(key), list) and all(isinstance(item, dict) for item in content[key])
        for key in ("images", "annotations")
    ):
        raise DataError(f"{file} is not a COCO keypoint JSON with lists of images and annotations")
    records = {
        record.get("id"): record for record in content["images"] if isinstance(record.get("id"), (int, str))
    }
    names = _unique_names(records)
    flags = _are_flags(content["annotations"])
    seen: dict[Any, int] = {}
    for number, annotation in enumerate(content["annotations"]):
        key = annotation.get("image_id")
        source = f"annotation {annotation.get('id', number)!r} of {file}"
        if not isinstance(key, (int, str)) or key not in records:
            yield _faulty(f"annotation{number}", 0, source, f"has the image_id {key!r}, which no image has")
            continue
        person = seen.get(key, 0)
        seen[key] = person + 1
        yield _coco_subject(annotation, records[key], names[key], person, source, images, flags)


def _with_images(content: Any, images: Path) -> Any:
    """A list of results, as `fidip predict --export coco` writes it, together with the images of its folder.

    Their ids are the places of the images in the order of their names, or the names without ending.
    """
    if not isinstance(content, list):
        return content
    files = list(_images_by_name(images).values())
    numbered = [{"id": number, "file_name": file.name} for number, file in enumerate(files)]
    find = same_image(numbered)
    results = [
        {**one, "image_id": find(one.get("image_id"))} if isinstance(one, dict) else one for one in content
    ]
    return {"images": numbered, "annotations": results}


def _are_flags(annotations: list[dict[str, Any]]) -> bool:
    """Whether third numbers are COCO's flags 0, 1, 2, not confidences, which have decimals."""
    lists = (one["keypoints"][2::3] for one in annotations if isinstance(one.get("keypoints"), list))
    return all(value in (0, 1, 2) for thirds in lists for value in thirds)


def _coco_subject(
    annotation: dict[str, Any],
    record: dict[str, Any],
    name: str,
    person: int,
    source: str,
    images: Path,
    flags: bool,
) -> Subject:
    image = images / str(record.get("file_name", ""))
    shown = image if image.is_file() else None
    size = record.get("width"), record.get("height")
    if shown is not None and not all(map(is_number, size)):
        size = image_size(shown)
    fault = keypoint_fault(annotation, COCO17.num_joints)
    if fault is None and not all(is_number(length) and length >= 1 for length in size):
        fault = f"its image {record['id']!r} has no width and height"
    if fault is not None:
        return _faulty(name, person, source, fault, shown)
    width, height = (int(length) for length in size if length is not None)
    keypoints, posture = (
        parse_joints(annotation["keypoints"], flags),
        str(record.get("posture") or "").lower(),
    )
    return Subject(name, person, keypoints, (width, height), shown, source, posture=posture)


def _unique_names(records: dict[Any, dict[str, Any]]) -> dict[Any, str]:
    """Return a folder name for each image id: the file name without suffix; the id joins in where that is not unique."""
    names: dict[Any, str] = {}
    for key, record in records.items():
        path = PurePosixPath(str(record.get("file_name") or key))
        name = "_".join(part for part in path.with_suffix("").parts if part not in ("/", "..")) or str(key)
        names[key] = f"{name}-{key}" if name in names.values() else name
    return names


def _faulty(name: str, person: int, source: str, fault: str, image: Path | None = None) -> Subject:
    return Subject(name, person, np.zeros((17, 3)), (0, 0), image, source, fault)
