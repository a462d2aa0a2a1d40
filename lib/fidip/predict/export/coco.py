"""COCO keypoint results, and the list of images that they belong to."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fidip.errors import DataError
from fidip.files import atomic_path, read_json
from fidip.predict.box_file import name_key
from fidip.predict.export.naming import person_score, skeleton_of, stem
from fidip.predict.frames import Frame, PoseFile
from fidip.predict.tracks import known
from fidip.skeleton import Skeleton

PERSON = 1  # category id


def write_coco(
    poses: PoseFile,
    source: Path | None,
    out: Path,
    annotations: Path | None = None,
    skeleton: Skeleton | None = None,
) -> list[Path]:
    """Write NAME.coco.json, one result a person, and NAME.coco_images.json, the images without labels.

    Image ids are the frames' indices; with ``annotations``, the ids that this COCO JSON gives to their file
    names. A joint that was not seen is (0, 0, 0). score: mean of the joints that were. The result also has
    track_id, time_s and filled, the indices of joints that were put in, which other readers pass over.
    Raises DataError for a picture that ``annotations`` do not have.
    """
    skeleton = skeleton or skeleton_of(poses.header)
    image_id = _ids(poses, annotations)
    results, images = out / f"{stem(poses)}.coco.json", out / f"{stem(poses)}.coco_images.json"
    with (
        atomic_path(results) as first,
        atomic_path(images) as second,
        first.open("w", encoding="utf-8") as stream,
        second.open("w", encoding="utf-8") as listing,
    ):
        stream.write("[")
        listing.write(_opening(poses, skeleton))
        comma, between = "", ""
        for frame in poses:
            listing.write(between + json.dumps(_image(poses, frame, image_id(frame))))
            between = ",\n"
            for record in _results(frame, image_id(frame)):
                stream.write(comma + json.dumps(record, allow_nan=False))
                comma = ",\n"
        stream.write("]\n")
        listing.write("]}\n")
    return [results, images]


def _ids(poses: PoseFile, annotations: Path | None) -> Callable[[Frame], Any]:
    if annotations is None:
        return lambda frame: frame.index
    images = _images(annotations)
    key = name_key(image["file_name"] for image in images)
    ids = {key(image["file_name"]): image["id"] for image in images}

    def by_name(frame: Frame) -> Any:
        name = key(frame.name)
        if name not in ids:
            raise DataError(
                f"{poses.path}, frame {frame.index}: {annotations} has no image named {name!r}; "
                "leave the annotations out or give those of these pictures"
            )
        return ids[name]

    return by_name


def _images(annotations: Path) -> list[dict[str, Any]]:
    """The images that a COCO JSON lists; its labels are not looked at, as a file of boxes has none."""
    content = read_json(annotations, "annotation file")
    images = content.get("images") if isinstance(content, dict) else None
    if not isinstance(images, list) or not all(
        isinstance(i, dict) and "id" in i and isinstance(i.get("file_name"), str) for i in images
    ):
        raise DataError(
            f"annotation file {annotations} has no images with id and file_name; give a COCO JSON"
        )
    return images


def _results(frame: Frame, image_id: Any) -> list[dict[str, Any]]:
    records = []
    for person in frame.persons:
        there = known(person)
        triples = [
            [round(float(x), 2), round(float(y), 2), round(float(s), 4)] if shown else [0.0, 0.0, 0.0]
            for (x, y), s, shown in zip(person.xy, person.score, there, strict=True)
        ]
        records.append(
            {
                "image_id": image_id,
                "category_id": PERSON,
                "keypoints": [number for triple in triples for number in triple],
                "score": round(person_score(person), 4),
                "track_id": person.track,
                "time_s": frame.time,
                "filled": person.filled.nonzero()[0].tolist(),
            }
        )
    return records


def _opening(poses: PoseFile, skeleton: Skeleton) -> str:
    category = {
        "id": PERSON,
        "name": "person",
        "keypoints": list(skeleton.names),
        "skeleton": [[a + 1, b + 1] for a, b in skeleton.limbs],
    }
    info = {"description": f"frames of {poses.header.source}", "model": poses.header.model}
    head = json.dumps({"info": info, "categories": [category], "annotations": []})
    return head[:-1] + ', "images": ['


def _image(poses: PoseFile, frame: Frame, image_id: Any) -> dict[str, Any]:
    image = {"id": image_id, "file_name": frame.name or f"{poses.header.source}#{frame.index}"}
    width, height = poses.header.size
    return {**image, "width": width, "height": height} if width else image
