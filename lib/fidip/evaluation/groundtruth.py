"""Make a COCO keypoint file fit for COCOeval: ids it can tell apart, and the object area that OKS needs."""

import contextlib
import io
from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal, get_args

import numpy as np
from pycocotools.coco import COCO

from fidip.annotations import Record, is_number, labelled_joints, raise_faults, record_name
from fidip.environment import logger
from fidip.errors import ConfigError

AreaMode = Literal["annotation", "bbox", "keypoints"]
AREA_MODES: tuple[AreaMode, ...] = get_args(AreaMode)


def ground_truth(data: Record, area: AreaMode, source: str) -> COCO:
    """Turn a dict from ``check_annotations`` into a COCO object that is safe to score against.

    Ids are renumbered from 1 when COCOeval would misread them. ``area`` (px^2) comes from
    ``annotation``: the field; ``bbox``: box width x height; ``keypoints``: width x height of the box around
    the labelled joints (of the bbox where they span none: fewer than two joints, or all in one line).
    Raises DataError when the field is asked for and missing, ConfigError for an unknown ``area``.
    """
    if area not in AREA_MODES:
        raise ConfigError(f"area {area!r} is unknown; choose from {', '.join(AREA_MODES)}")
    annotations = _renumbered([dict(annotation) for annotation in data["annotations"]], source)
    if area == "annotation":
        _check_areas(annotations, source)
        _warn_of_constant_areas(annotations, source)
    for annotation in annotations:
        annotation["area"] = _area(annotation, area)
    return index_coco({**data, "annotations": annotations})


def index_coco(data: Record) -> COCO:
    """A COCO object over a dict, without printing."""
    with silence():
        coco = COCO()
        coco.dataset = data
        coco.createIndex()
    return coco


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Drop what pycocotools prints; errors pass."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def joint_box(keypoints: np.ndarray) -> np.ndarray | None:
    """Box (x, y, w, h) in image px around the joints of (K, 3) whose visibility is above 0, None without one."""
    xy = keypoints[keypoints[:, 2] > 0, :2]
    return np.concatenate([xy.min(axis=0), np.ptp(xy, axis=0)]) if len(xy) else None


def _renumbered(annotations: list[Record], source: str) -> list[Record]:
    """Give all annotations new ids 1..N if any id is 0, missing or used twice, and say so."""
    counts = Counter(annotation.get("id") for annotation in annotations)
    zero = counts.pop(0, 0)
    repeated = sum(n for n in counts.values() if n > 1)
    reasons = []
    if zero:
        reasons.append(
            f"{zero} with id 0, which COCOeval reads as 'unmatched' (a perfect detection counts as missed)"
        )
    if repeated:
        reasons.append(
            f"{repeated} with an id that is used twice, of which COCOeval would drop all but the last"
        )
    if reasons:
        logger.warning(
            "%s: of %d annotations %s; all ids are renumbered from 1 for scoring",
            source,
            len(annotations),
            ", ".join(reasons),
        )
        for number, annotation in enumerate(annotations, start=1):
            annotation["id"] = number
    return annotations


def _check_areas(annotations: list[Record], source: str) -> None:
    faults = []
    for index, annotation in enumerate(annotations):
        area = annotation.get("area")
        name = record_name("annotation", annotation, index)
        if "area" not in annotation:
            faults.append(f"{name} has no area")
        elif not is_number(area) or area < 0 or (area == 0 and annotation["num_keypoints"]):
            faults.append(f"{name} has the area {area!r}, not a positive number")
    raise_faults(source, faults, "add the objects' areas in px^2, or score with TEST.AREA bbox (--area bbox)")


def _warn_of_constant_areas(annotations: list[Record], source: str) -> None:
    """SyRIP's public files repeat one area over pictures of every size; the numbers then mean little."""
    scored = [a for a in annotations if a["num_keypoints"] and not a["iscrowd"]]
    counts = Counter(a["area"] for a in scored)
    repeated = sum(n for _, n in counts.most_common(4) if n > 1)
    if len(scored) < 2 or repeated <= len(scored) / 2:
        return
    extent = "all have the same area" if len(counts) == 1 else f"{repeated} share {min(len(counts), 4)} areas"
    ratio = float(np.median([a["area"] / _area(a, "bbox") for a in scored]))
    effect = "inflates AP" if ratio > 1 else "deflates AP against box areas"
    logger.warning(
        "%s: of %d annotations %s, so it does not follow the size of the person; its median is %.3g times the "
        "box's width x height, which %s (OKS forgives errors in proportion to the area's root); "
        "score with TEST.AREA bbox (--area bbox)",
        source,
        len(scored),
        extent,
        ratio,
        effect,
    )


def _area(annotation: Record, mode: AreaMode) -> float:
    if mode == "annotation":
        return float(annotation["area"])
    box: Any = annotation["bbox"]
    if mode == "keypoints" and labelled_joints(annotation).any():
        joints = joint_box(np.reshape(annotation["keypoints"], (-1, 3)))
        if joints is not None and joints[2:].min() > 0:
            box = joints
    return float(box[2] * box[3])
