"""Splits without a fault, to plant faults in."""

import json
from pathlib import Path

import cv2
import numpy as np
from figures import write_split

from fidip.audit import Audit, audit_splits
from fidip.data.coco_json import annotation_path, image_folder
from fidip.data.records import find_split


def clean_split(root: Path, name: str = "train", count: int = 4, seed: int = 0, **options) -> dict:
    """Write pictures with backgrounds and sources of their own, and labels without a fault."""
    content = write_split(root, name, count, seed, **options)
    rng = np.random.default_rng([seed, 1])
    for image in content["images"]:
        path = str(image_folder(root, name) / image["file_name"])
        picture = cv2.imread(path).astype(float)
        scenery = rng.uniform(-90, 90, (5, 7, 3))
        scenery = cv2.resize(scenery, (image["width"], image["height"]), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(path, np.clip(picture + scenery, 0, 255).astype(np.uint8))
        image["image_source"] = f"https://example.org/{name}/{image['id']}"
    content["info"] = {}
    return save(root, name, content)


def save(root: Path, name: str, content: dict) -> dict:
    annotation_path(root, name).write_text(json.dumps(content))
    return content


def picture(root: Path, content: dict, index: int, name: str = "train") -> Path:
    return image_folder(root, name) / content["images"][index]["file_name"]


def audit(root: Path, *names: str, **options) -> Audit:
    return audit_splits([find_split(name, root) for name in names or ("train",)], **options)


def found(result: Audit) -> list[tuple[str, tuple[str, ...]]]:
    """Kind and splits of every finding."""
    return [(finding.kind, finding.splits) for finding in result.findings]


def only(result: Audit, kind: str):
    """The one finding, which must be of this kind."""
    assert [finding.kind for finding in result.findings] == [kind]
    return result.findings[0]


def records(finding) -> list[tuple]:
    """Index of picture and annotation of every place."""
    return [(place.image, place.annotation) for place in finding.places]


def move(annotation, joint, x, y):
    annotation["keypoints"][3 * joint : 3 * joint + 2] = [x, y]


def set_box(annotation, box):
    """The area stays right, so that the box alone is wrong."""
    annotation.update(bbox=box, area=box[2] * box[3] * 0.9)


# kind, what is done to the file's content, (picture, annotation) of the places, part of the message
FAULTS = [
    ("info_missing", lambda c: c.pop("info"), [(None, None)], "info"),
    ("record_broken", lambda c: c["annotations"][1].pop("bbox"), [(1, 1)], "no bbox"),
    ("record_broken", lambda c: c["annotations"][1]["keypoints"].pop(), [(1, 1)], "50 numbers"),
    ("record_broken", lambda c: c["annotations"][1].update(bbox=[5, 5, 0, 9]), [(1, 1)], "no size"),
    ("record_broken", lambda c: c["annotations"].append({**c["annotations"][0], "id": 9, "image_id": 77}), [(None, 4)], "77"),
    ("record_broken", lambda c: c["annotations"].append(None), [(None, None)], "annotation 4 is not a dict"),
    ("record_broken", lambda c: c["images"].append({"id": 9, "file_name": "a.png", "width": 0, "height": 1}), [(4, None)], "width"),
    ("image_id_repeated", lambda c: c["images"].append({**c["images"][0], "image_source": "", "file_name": "train00003.png"}) or (c["images"].pop(3) and c["annotations"].pop(3)), [(0, None), (3, None)], "1 is used again"),
    ("annotation_id_zero", lambda c: c["annotations"][2].update(id=0), [(2, 2)], "id 0"),
    ("annotation_id_missing", lambda c: c["annotations"][2].pop("id"), [(2, 2)], "no id"),
    ("annotation_id_repeated", lambda c: c["annotations"][2].update(id=1), [(0, 0), (2, 2)], "1 is used 2 times"),
    ("no_person", lambda c: c["annotations"].pop(1), [(1, None)], "no annotation"),
    ("no_person", lambda c: c["annotations"][1].update(iscrowd=1), [(1, None)], "crowds"),
    ("several_persons", lambda c: c["annotations"].append({**c["annotations"][1], "id": 9}), [(1, None)], "2 persons"),
    ("box_outside", lambda c: set_box(c["annotations"][1], [-2.5, 0, 162.5, 120]), [(1, 1)], "2.50 px beyond the left edge"),
    ("box_outside", lambda c: set_box(c["annotations"][1], [0, 0, 160, 120.75]), [(1, 1)], "0.75 px beyond the lower edge"),
    ("box_outside", lambda c: set_box(c["annotations"][1], [170, 0, 20, 20]), [(1, 1)], "wholly"),
    ("joint_outside_picture", lambda c: move(c["annotations"][3], 9, 161, 60), [(3, 3)], "picture: left_wrist"),
    ("joint_outside_box", lambda c: set_box(c["annotations"][3], [60, 10, 40, 100]), [(3, 3)], "left_wrist"),
    ("num_keypoints_wrong", lambda c: c["annotations"][1].update(num_keypoints=16), [(1, 1)], "16, but 17"),
    ("area_impossible", lambda c: c["annotations"][1].pop("area"), [(1, 1)], "has no area"),
    ("area_impossible", lambda c: c["annotations"][1].update(area=0), [(1, 1)], "not a number above 0"),
    ("area_impossible", lambda c: c["annotations"][1].update(area="12 px"), [(1, 1)], "'12 px' is not"),
    ("area_impossible", lambda c: c["annotations"][1].update(area=50_000), [(1, 1)], "times the box"),
    ("area_small", lambda c: c["annotations"][1].update(area=200), [(1, 1)], "of the box"),
    ("domain_unclear", lambda c: c["images"][1].pop("is_synthetic"), [(1, 1)], "1 of 4 persons"),
    ("domain_unclear", lambda c: c["images"][1].update(is_synthetic="perhaps"), [(1, 1)], "1 of 4 persons"),
    ("domain_unclear", lambda c: c["annotations"][1].update(is_synthetic=True), [(1, 1)], "not that of the image"),
]  # fmt: skip
