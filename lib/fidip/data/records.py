"""COCO-style JSON -> records: one labelled or detected person each."""

import json
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision.ops import nms

from fidip.annotations import is_number, load_annotations, require_pictures
from fidip.data.coco_json import annotation_path, image_folder
from fidip.data.image_source import source_key
from fidip.errors import DataError
from fidip.files import read_json
from fidip.geometry import clip_box
from fidip.repair import Meaningless, as_category, same_image
from fidip.skeleton import Skeleton

logger = logging.getLogger("fidip")

_ENDS = {"JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "PNG": b"IEND"}  # markers of a whole file, by format


@dataclass(frozen=True)
class Split:
    """Where one part of a dataset lies."""

    name: str
    annotation_file: Path
    image_folder: Path


@dataclass(frozen=True)
class Record:
    """One person in one picture.

    box: (x, y, w, h) image px, clipped to the picture. keypoints: (K, 3) x, y in image px and visible 0/1.
    area: px^2 as annotated. synthetic: the domain label. score: of the box, 1 for annotated ones.
    """

    image: Path
    image_id: int
    annotation_id: int
    box: np.ndarray
    keypoints: np.ndarray
    area: float
    image_size: tuple[int, int]
    synthetic: bool = False
    score: float = 1.0
    posture: str = ""
    source: str = field(default="", repr=False)


def find_split(entry: str, root: Path) -> Split:
    """Resolve a split entry: a name under ``root``, ``other_root/name``, or a path to a .json.

    Pictures are looked for in images/<split>/ and then in images/ beside the annotations.
    Raises DataError that lists the paths tried.
    """
    path = Path(entry)
    if path.suffix == ".json":
        file = path
        folder = path.parent.parent if path.parent.name == "annotations" else path.parent
        name = path.stem.removeprefix("person_keypoints_")
    else:
        folder = path.parent if path.parent != Path() else root
        name = path.name
        file = annotation_path(folder, name)
    if not file.is_file():
        raise DataError(f"split {entry!r}: annotation file {file} does not exist; see data/README.md")
    pictures = next((p for p in (image_folder(folder, name), folder / "images") if p.is_dir()), None)
    if pictures is None:
        raise DataError(
            f"split {entry!r}: no picture folder {image_folder(folder, name)} nor {folder / 'images'}"
        )
    return Split(name, file, pictures)


def read_split(split: Split, skeleton: Skeleton, skip_bad: bool = False) -> dict[str, Any]:
    """The checked annotations of a split, for ``load_records``, ``load_detections`` and the evaluator."""
    return load_annotations(split.annotation_file, skeleton, skip_bad)


def load_records(
    split: Split,
    content: dict[str, Any],
    skeleton: Skeleton,
    skip_bad: bool = False,
    need_joints: bool = True,
) -> list[Record]:
    """Every annotated person of ``read_split``'s content, crowds left out.

    need_joints: leave persons without a labelled joint out; the domain classifier can learn from these too.
    Raises DataError that names pictures without name or size and boxes outside their picture; ``skip_bad``
    leaves the latter out with a warning instead.
    """
    require_pictures(content, f"annotation file {split.annotation_file}")
    images = {image["id"]: image for image in content["images"]}
    records, outside, unknown_domain, left_out = [], [], 0, Counter[str]()
    for annotation in content["annotations"]:
        keypoints = _keypoints(annotation["keypoints"], skeleton)
        if annotation["iscrowd"] or (need_joints and not keypoints[:, 2].any()):
            left_out["crowds" if annotation["iscrowd"] else "persons without a labelled keypoint"] += 1
            continue
        image = images[annotation["image_id"]]
        unknown_domain += "is_synthetic" not in annotation and "is_synthetic" not in image
        box = clip_box(annotation["bbox"], image["width"], image["height"])
        if min(box[2:]) < 0 or max(box[2:]) == 0:
            outside.append(f"annotation {annotation['id']} in {image['file_name']}")
            continue
        records.append(_record(split, image, annotation, box, keypoints))
    _report_outside(split, outside, skip_bad)
    if left_out:
        counted = ", ".join(f"{count} {kind}" for kind, count in left_out.items())
        logger.info("%s: left out: %s", split.annotation_file, counted)
    if unknown_domain:
        logger.warning(
            "%s: %d of %d persons have no is_synthetic, neither in the annotation nor in the image; taken as real",
            split.annotation_file, unknown_domain, len(content["annotations"]),
        )  # fmt: skip
    if not records:
        raise DataError(
            f"{split.annotation_file}: no person {'with a labelled joint' if need_joints else ''}".rstrip()
        )
    return records


def _keypoints(flat: Sequence[float], skeleton: Skeleton) -> np.ndarray:
    keypoints = np.array(flat, dtype=np.float64).reshape(skeleton.num_joints, 3)
    keypoints[:, 2] = np.minimum(
        keypoints[:, 2], 1
    )  # labelled but hidden (2 means visible) counts as labelled
    return keypoints


def _record(
    split: Split, image: dict[str, Any], annotation: dict[str, Any], box: np.ndarray, keypoints: np.ndarray
) -> Record:
    area = annotation.get("area")
    return Record(
        image=split.image_folder / image["file_name"],
        image_id=image["id"],
        annotation_id=annotation["id"],
        box=box,
        keypoints=keypoints,
        area=float(area) if is_number(area) and area > 0 else float(box[2] * box[3]),
        image_size=(image["width"], image["height"]),
        synthetic=annotation.get("is_synthetic", image.get("is_synthetic", False)),
        posture=image.get("posture", ""),
        source=source_key(image.get("image_source")),
    )


def _report_outside(split: Split, outside: list[str], skip_bad: bool) -> None:
    if not outside:
        return
    message = (
        f"{split.annotation_file}: {len(outside)} boxes lie outside their picture: {', '.join(outside[:5])}"
    )
    if not skip_bad:
        raise DataError(f"{message}; correct them or set DATASET.SKIP_BAD True")
    logger.warning("%s; left out", message)


def load_detections(
    split: Split,
    content: dict[str, Any],
    file: Path,
    skeleton: Skeleton,
    min_score: float = 0.0,
    nms_iou: float = 1.0,
) -> list[Record]:
    """Boxes of a detector (COCO results JSON: image_id, category_id 1, bbox, score) as records without joints.

    min_score: weaker boxes are left out. nms_iou: of two boxes that overlap more, the weaker is left out.
    Raises DataError for ids that are not in the annotations and for broken entries.
    """
    require_pictures(content, f"annotation file {split.annotation_file}")
    images = {image["id"]: image for image in content["images"]}
    find = same_image(content["images"])
    detections = read_json(file, "detections file")
    if not isinstance(detections, list):
        raise DataError(f"detections file {file} must be a list of boxes (COCO results format)")
    wanted = {1, content["categories"][0]["id"]}
    records, dropped, others, weak = [], 0, Counter[Any](), 0
    for number, entry in enumerate(detections):
        raw_box, score, image, category = _detection(entry, images, find, file, number)
        if category not in wanted or score < min_score:
            others[category] += category not in wanted
            weak += category in wanted
            continue
        box = clip_box(raw_box, image["width"], image["height"])
        if min(box[2:]) < 0 or max(box[2:]) == 0:
            dropped += 1
            continue
        annotation = {"id": number, "area": box[2] * box[3]}
        record = _record(split, image, annotation, box, np.zeros((skeleton.num_joints, 3)))
        records.append(Record(**{**record.__dict__, "score": score}))
    if dropped:
        logger.warning("%s: %d boxes outside their picture are left out", file, dropped)
    if not records:
        raise DataError(_no_detection(file, len(detections), +others, weak, min_score))
    empty = len(images) - len({record.image_id for record in records})
    if +others or empty:
        logger.warning("%s: %d boxes of other categories than person are left out; %d of %d images have no box",
                       file, others.total(), empty, len(images))  # fmt: skip
    return _suppress(records, nms_iou)


def _no_detection(file: Path, count: int, others: Counter[Any], weak: int, min_score: float) -> str:
    """Say why no detection is left."""
    if not count:
        return f"detections file {file} is empty: run the detector again"
    parts = [f"{number} of category {name!r}" for name, number in others.most_common(3)]
    parts += [f"{weak} with a score below {min_score:g}"] if weak else []
    return (
        f"detections file {file}: no person box is left of {count} ({', '.join(parts) or 'outside'}); "
        "persons have category_id 1; lower TEST.IMAGE_THRE or correct the file"
    )


def _detection(
    entry: Any, images: Mapping[Any, dict[str, Any]], find: Callable[[Any], Any], file: Path, number: int
) -> tuple[list[float], float, dict[str, Any], Any]:
    """Box, score, image and category of a detection."""
    where = f"detections file {file}, entry {number}"
    try:
        box, score, image_id = (
            [float(v) for v in entry["bbox"]],
            float(entry["score"]),
            find(entry["image_id"]),
        )
        category = as_category(entry.get("category_id", 1))
    except (KeyError, TypeError, ValueError, Meaningless) as error:
        raise DataError(
            f"{where}: needs image_id, bbox (4 numbers) and score: {json.dumps(entry)[:80]}"
        ) from error
    if len(box) != 4 or not np.isfinite([*box, score]).all():
        raise DataError(f"{where}: bbox must be 4 finite numbers and score finite")
    if not isinstance(image_id, (int, str)) or image_id not in images:
        raise DataError(
            f"{where}: image_id {image_id!r} is not in the annotations; is it the file of another split?"
        )
    return box, score, images[image_id], category


def _suppress(records: list[Record], iou: float) -> list[Record]:
    if iou >= 1:
        return records
    kept: list[Record] = []
    groups: dict[int, list[Record]] = defaultdict(list)
    for record in records:
        groups[record.image_id].append(record)
    for group in groups.values():
        corners = torch.tensor(np.array([[*r.box[:2], *(r.box[:2] + r.box[2:])] for r in group]))
        kept += [
            group[i] for i in nms(corners, torch.tensor([r.score for r in group]).double(), iou).tolist()
        ]
    return kept


def shared_sources(first: Sequence[Record], second: Sequence[Record]) -> set[str]:
    """Sources (videos, web pages) that two sets both have pictures of; unknown sources do not count."""
    return {record.source for record in first if record.source} & {record.source for record in second}


def check_pictures(records: Sequence[Record], exif: bool = False, skip_bad: bool = False) -> list[Record]:
    """Check every image before the work: it must be there, readable, and whole.

    Warns of images that have another size than the JSON says, or an EXIF flag that turns them: labels may be off.

    Args:
        records: whose images are checked.
        exif: whether images are turned by their EXIF flag.
        skip_bad: leave records of faulty images out, with a warning, instead of stopping.

    Returns:
        The records whose images are sound.

    Raises:
        DataError: that names faulty images, and how many there are.
    """
    bad, resized, turned = {}, [], []
    for path, size in {record.image: record.image_size for record in records}.items():
        fault, actual, orientation = inspect_image(path)
        if fault:
            bad[path] = f"{path} ({fault})"
            continue
        if orientation > 1 and not exif:
            turned.append(path.name)
        actual = actual[::-1] if exif and orientation >= 5 else actual
        if actual != size:
            resized.append(f"{path.name} is {actual[0]}x{actual[1]}, labelled as {size[0]}x{size[1]}")
    if bad:
        shown = ", ".join(list(bad.values())[:10]) + (", ..." if len(bad) > 10 else "")
        message = f"{len(bad)} images are missing, cut short or unreadable: {shown}"
        if not skip_bad or len(bad) == len({record.image for record in records}):
            raise DataError(f"{message}; restore them, or set DATASET.SKIP_BAD True")
        logger.warning("%s; their persons are left out", message)
    if resized:
        logger.warning(
            "%d images have another size than their JSON says: %s", len(resized), "; ".join(resized[:5])
        )
    if turned:
        logger.warning(
            "%d images have an EXIF flag that turns them, e.g. %s: if they were labelled as they are shown, set "
            "DATASET.EXIF True", len(turned), turned[0],
        )  # fmt: skip
    return [record for record in records if record.image not in bad]


def inspect_image(path: Path) -> tuple[str, tuple[int, int], int]:
    """Return what is wrong with an image file ("" for nothing), its size (W, H) in px, and its EXIF orientation.

    Pixels are decoded only where the end of a JPEG or PNG file does not look like one.
    """
    try:
        with Image.open(path) as image:
            size, orientation = image.size, int(image.getexif().get(0x0112, 1) or 1)
            end = _ENDS.get(image.format or "")
            if end is not None and end not in _tail(path):
                image.load()
    except FileNotFoundError:
        return "missing", (0, 0), 1
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return ("cut short" if "truncated" in str(error) else type(error).__name__), (0, 0), 1
    return "", size, orientation


def _tail(path: Path) -> bytes:
    """The last bytes of a file; cameras append some of their own."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 65536))
        return file.read()
