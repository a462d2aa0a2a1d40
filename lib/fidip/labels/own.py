"""Our own COCO keypoint JSON as one of the formats, with joints brought into a skeleton's order by their names."""

from collections import Counter
from pathlib import Path
from typing import Any

from fidip.annotations import check_annotations, raise_faults, require_pictures
from fidip.data.coco_json import category
from fidip.errors import DataError
from fidip.files import read_json, write_json
from fidip.labels.collect import Collector
from fidip.repair import plain_name
from fidip.skeleton import Skeleton


def read_own(path: Path, collector: Collector) -> dict[str, Any]:
    """A COCO file, every field kept. Raises DataError for joint names that are not the skeleton's, and faulty files.

    With ``drop_unknown`` joints are taken by their names: others are left out, missing ones are not labelled.
    """
    data = read_json(path, "annotation file")
    names = _joint_names(data)
    if names and [plain_name(name) for name in names] != [plain_name(n) for n in collector.skeleton.names]:
        data = _mapped(data, names, collector, path)
    checked = check_annotations(data, collector.source, collector.skeleton)
    require_pictures(checked, collector.source)
    faults = []
    for image in checked["images"]:
        try:
            size = (image["width"], image["height"])
            image["file_name"] = collector.pictures.locate([image["file_name"]], size)[0]
        except DataError as error:
            faults.append(f"image {image['id']!r} {error}")
    raise_faults(collector.source, faults, "nothing is converted")
    return {**checked, "categories": [category(collector.skeleton)]}


def write_own(data: dict[str, Any], skeleton: Skeleton, path: Path) -> list[str]:
    """Write a COCO file; nothing is lost."""
    write_json(path, data)
    return []


def _joint_names(data: Any) -> list[str]:
    """The names that the person category lists, empty if it lists none."""
    categories = data.get("categories") if isinstance(data, dict) else None
    for entry in categories if isinstance(categories, list) else ():
        names = entry.get("keypoints") if isinstance(entry, dict) else None
        if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
            return names
    return []


def _mapped(data: dict[str, Any], names: list[str], collector: Collector, path: Path) -> dict[str, Any]:
    """The file with its joints in the skeleton's order."""
    skeleton = collector.skeleton
    if not collector.drop_unknown:
        raise DataError(
            f"annotation file {path} has the joints {', '.join(names)}, which are not those of {skeleton.name} in their "
            "order: choose its skeleton with --skeleton, or take joints by their names with --drop-unknown"
        )
    if twice := [name for name, count in Counter(map(plain_name, names)).items() if count > 1]:
        raise DataError(f"annotation file {path} names the joint {twice[0]} twice: correct its categories")
    known = [plain_name(name) for name in skeleton.names]
    target = [known.index(plain_name(name)) if plain_name(name) in known else None for name in names]
    data = check_annotations(data, collector.source, _bare(names))
    for annotation in data["annotations"]:
        flat = annotation["keypoints"]
        keypoints: list[float] = [0] * (3 * skeleton.num_joints)
        for source, index in enumerate(target):
            if index is not None:
                keypoints[3 * index : 3 * index + 3] = flat[3 * source : 3 * source + 3]
            elif flat[3 * source + 2] > 0:
                collector.counts["joints left out, not in the skeleton"] += 1
        annotation["keypoints"] = keypoints
        annotation["num_keypoints"] = sum(visibility > 0 for visibility in keypoints[2::3])
    return data


def _bare(names: list[str]) -> Skeleton:
    """A skeleton of names alone, to check lengths with."""
    return Skeleton("file", tuple(names), (), (1.0,) * len(names), (), ())
