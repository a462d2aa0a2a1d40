"""Boxes from a JSON file, by picture name or frame number."""

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from fidip.annotations import finite_numbers, raise_faults, record_name
from fidip.errors import DataError
from fidip.files import read_json
from fidip.geometry import Array
from fidip.predict.images import check_picture

REMEDY = "give a COCO JSON (images, annotations with bbox) or a list of results (image_id, bbox)"


def name_key(names: Iterable[str]) -> Callable[[str], str]:
    """What a picture is known by: its file name, without folders where no other of ``names`` ends alike."""
    count = Counter(PurePosixPath(name).name for name in names)

    def key(name: str) -> str:
        short = PurePosixPath(name).name
        return short if count[short] == 1 else name

    return key


class BoxFile:
    """Boxes of a COCO JSON, or of a list of results as detectors write them.

    A picture is known by its ``file_name``, the frame of a video by the image's ``frame_index`` or else its id,
    counted from 0. Crowds are left out. Raises DataError that names the faulty records.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        content = read_json(path, "box file")
        self.images: list[dict[str, Any]] = []
        if isinstance(content, dict):
            self.images, content = content.get("images", []), content.get("annotations")
        if not isinstance(content, list) or not isinstance(self.images, list):
            raise DataError(f"box file {path} holds no boxes; {REMEDY}")
        self._boxes: dict[str, list[Array]] = {}
        self._sizes: dict[str, tuple[int, int]] = {}
        keys = self._index_images()
        faults = []
        for index, record in enumerate(content):
            fault = self._add(record, keys)
            if fault:
                faults.append(
                    f"{record_name('record', record if isinstance(record, dict) else {}, index)} {fault}"
                )
        raise_faults(f"box file {path}", faults, REMEDY)

    def of(self, name: str, index: int) -> list[Array] | None:
        """Boxes (x, y, w, h) image px of the picture ``name``, or of frame ``index`` when it has no name.

        None: the file does not know it; an empty list: nobody is there.
        """
        return self._boxes.get(self._key(name) if name else str(index))

    def turned(self, path: Path, name: str) -> bool:
        """Whether the boxes refer to the picture as its EXIF flag turns it: told by the size that is stated.

        COCO's boxes refer to the stored pixels, so that is what is taken when both or none fit.
        """
        size = self._sizes.get(self._key(name))
        if size is None:
            return self._key(name) not in self._boxes
        stored, shown = check_picture(path)
        return size == shown and size != stored

    def names(self) -> list[str]:
        """File names of the pictures, in the order of the file."""
        return [image["file_name"] for image in self.images if "file_name" in image]

    def _index_images(self) -> dict[Any, list[str]]:
        """Keys under which each image id is found."""
        faults = [f"image at index {i} has no id" for i, image in enumerate(self.images) if "id" not in image]
        raise_faults(f"box file {self.path}", faults, REMEDY)
        self._key = name_key(self.names())
        keys = {}
        for image in self.images:
            number = str(image.get("frame_index", image["id"]))
            name = image.get("file_name")
            keys[image["id"]] = [number, *([] if name is None else [self._key(name)])]
            for key in keys[image["id"]]:
                self._boxes.setdefault(key, [])
                if {"width", "height"} <= image.keys():
                    self._sizes[key] = (image["width"], image["height"])
        return keys

    def _add(self, record: Any, keys: dict[Any, list[str]]) -> str:
        """File a record's box; returns what is wrong with it."""
        if not isinstance(record, dict) or "image_id" not in record:
            return "has no image_id"
        box = finite_numbers(record.get("bbox"))
        if box is None or box.size != 4 or min(box[2:]) <= 0:
            return "has a bbox that is not 4 finite numbers (x, y, width, height) with a size"
        if keys and record["image_id"] not in keys:
            return f"has the image_id {record['image_id']!r}, which no image has"
        if not record.get("iscrowd"):
            for key in keys.get(record["image_id"], [str(record["image_id"])]):
                self._boxes.setdefault(key, []).append(np.asarray(box, dtype=np.float64))
        return ""
