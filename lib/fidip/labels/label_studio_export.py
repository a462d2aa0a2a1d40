"""Writes Label Studio's tasks; what stands where is said in ``fidip.labels.label_studio``."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

from fidip.files import write_json
from fidip.labels.collect import HIDDEN, PIXEL_CENTRE
from fidip.skeleton import Skeleton

LOCAL_FILES = "/data/local-files/?d="  # how Label Studio calls files of its own disk


def write_label_studio(
    data: dict[str, Any], skeleton: Skeleton, path: Path, prefix: str = LOCAL_FILES
) -> list[str]:
    """Write tasks with annotations; ``prefix`` comes before the file names. Returns what is lost."""
    tasks = []
    for image in data["images"]:
        persons = [a for a in data["annotations"] if a["image_id"] == image["id"]]
        # what stands first lies on top in the tool: joints can be clicked and dragged inside every box
        results = [region for person in persons for region in _joints(person, image, skeleton)]
        results += [_box(person, image) for person in persons]
        # the import marks what says nothing as ground truth, which would outweigh a correction made beside it
        annotation = {"result": results, "ground_truth": False}
        tasks.append({"data": _task_data(image, persons, prefix), "annotations": [annotation]})
    write_json(path, tasks)
    return lost_fields(data)


def _task_data(image: dict[str, Any], persons: list[dict[str, Any]], prefix: str) -> dict[str, Any]:
    return {
        **{key: value for key, value in plain_fields(image).items() if key != "id"},
        "image": prefix + quote(image["file_name"]),
        "image_id": image["id"],
        "persons": {str(a["id"]): person_fields(a) for a in persons},
    }


def _box(person: dict[str, Any], image: dict[str, Any]) -> dict[str, Any]:
    """The box of a person."""
    x, y, w, h = person["bbox"]
    width, height = image["width"], image["height"]
    place = {
        "x": x / width * 100,
        "y": y / height * 100,
        "width": w / width * 100,
        "height": h / height * 100,
    }
    value = {**place, "rotation": 0, "rectanglelabels": ["person"]}
    key = _key(person)
    return {"id": key, "type": "rectanglelabels", "from_name": "person", "value": value, **_fixed(image)}


def _joints(person: dict[str, Any], image: dict[str, Any], skeleton: Skeleton) -> list[dict[str, Any]]:
    """The joints of a person, and which of them are hidden."""
    key = _key(person)
    regions = []
    flat = person["keypoints"]
    for name, x, y, visibility in zip(skeleton.names, flat[::3], flat[1::3], flat[2::3], strict=True):
        if not visibility:
            continue
        own = {"id": f"{key}-{name}", **_fixed(image)}
        at = {
            "x": (x + PIXEL_CENTRE) / image["width"] * 100,
            "y": (y + PIXEL_CENTRE) / image["height"] * 100,
            "width": 0.5,  # of the drawn point, percent
        }
        labelled = {**at, "keypointlabels": [name]}
        regions.append(
            {**own, "type": "keypointlabels", "from_name": "joints", "parentID": key, "value": labelled}
        )
        if visibility == HIDDEN:
            chosen = {**at, "choices": ["hidden"]}
            regions.append({**own, "type": "choices", "from_name": "visibility", "value": chosen})
    return regions


def _key(person: dict[str, Any]) -> str:
    """Name of a person's box among the regions; reading takes the id from it."""
    return f"person-{person['id']}"


def _fixed(image: dict[str, Any]) -> dict[str, Any]:
    """What all regions of a picture have in common."""
    size = {"original_width": image["width"], "original_height": image["height"]}
    return {"to_name": "image", **size, "image_rotation": 0}


def plain_fields(record: dict[str, Any]) -> dict[str, Any]:
    """Fields that are a text, a number, true or false."""
    return {key: value for key, value in record.items() if isinstance(value, (str, int, float, bool))}


_PERSON_FIELDS = ("id", "image_id", "category_id", "bbox", "keypoints", "num_keypoints")


def person_fields(annotation: dict[str, Any]) -> dict[str, Any]:
    """Plain fields of a person that are not drawn: area, iscrowd and whatever else there is."""
    return {key: value for key, value in plain_fields(annotation).items() if key not in _PERSON_FIELDS}


def lost_fields(data: dict[str, Any]) -> list[str]:
    """Fields that hold lists or groups, for which labelling tools have no room."""
    lost = {
        f"{what} field {key}"
        for what, records, drawn in (
            ("image", data["images"], ()),
            ("person", data["annotations"], _PERSON_FIELDS),
        )
        for record in records
        for key, value in record.items()
        if key not in drawn and value and isinstance(value, (list, dict))
    }
    return [f"{name} is lost" for name in sorted(lost)]
