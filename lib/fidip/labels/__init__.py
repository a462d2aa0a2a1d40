"""Annotations of labelling tools, to and from our COCO keypoint JSON. One format a module."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fidip.labels.collect import Collector
from fidip.labels.cvat import read_cvat
from fidip.labels.cvat_export import write_cvat
from fidip.labels.deeplabcut import read_deeplabcut, write_deeplabcut
from fidip.labels.label_config import cvat_labels, label_studio_config
from fidip.labels.label_studio import read_label_studio
from fidip.labels.label_studio_export import LOCAL_FILES, write_label_studio
from fidip.labels.own import read_own, write_own
from fidip.labels.pictures import Pictures
from fidip.skeleton import Skeleton

__all__ = [
    "FORMATS",
    "LOCAL_FILES",
    "Collector",
    "Format",
    "Pictures",
    "cvat_labels",
    "label_studio_config",
    "summary_rows",
    "write_label_studio",
]


@dataclass(frozen=True)
class Format:
    """A file format. read: fills a collector and returns its COCO JSON. write: returns what is lost, in words."""

    read: Callable[[Path, Collector], dict[str, Any]]
    write: Callable[[dict[str, Any], Skeleton, Path], list[str]]


FORMATS = {
    "coco": Format(read_own, write_own),
    "label-studio": Format(read_label_studio, write_label_studio),
    "cvat": Format(read_cvat, write_cvat),
    "deeplabcut": Format(read_deeplabcut, write_deeplabcut),
}


def summary_rows(data: dict[str, Any], collector: Collector) -> list[list[str]]:
    """What was converted: a row for each count, and below those of what was left out or made up on the way."""
    annotations = data["annotations"]
    flags = [flag for annotation in annotations for flag in annotation["keypoints"][2::3]]
    with_person = {annotation["image_id"] for annotation in annotations}
    rows = [
        ("pictures", len(data["images"])),
        ("pictures without a person", len(data["images"]) - len(with_person)),
        ("persons", len(annotations)),
        ("joints visible", flags.count(2)),
        ("joints hidden", flags.count(1)),
        ("joints not labelled", flags.count(0)),
        *sorted(collector.counts.items()),
        ("pictures turned by EXIF", len(collector.pictures.turned)),
    ]
    return [["what", "number"], *([name, str(count)] for name, count in rows)]
