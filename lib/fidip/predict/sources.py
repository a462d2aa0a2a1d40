"""What to look at: image files, videos and cameras, found by what a user names; boxes that a file gives for them."""

import glob
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np

from fidip.annotations import finite_numbers, raise_faults, record_name
from fidip.data.records import find_split
from fidip.environment import logger
from fidip.errors import DataError
from fidip.files import read_json
from fidip.geometry import Array
from fidip.predict.media import (
    check_image,
    check_images,
    images_in,
    is_image,
    read_image,
    read_video,
    video_facts,
)

REMEDY = "give a COCO JSON (images, annotations with bbox) or a list of results (image_id, bbox)"


def name_key(names: Iterable[str]) -> Callable[[str], str]:
    """What an image is known by: its file name, without folders where no other of ``names`` ends alike."""
    count = Counter(PurePosixPath(name).name for name in names)

    def key(name: str) -> str:
        short = PurePosixPath(name).name
        return short if count[short] == 1 else name

    return key


class BoxFile:
    """Boxes of a COCO JSON, or of a list of results as detectors write them.

    An image is known by its ``file_name``, the frame of a video by the image's ``frame_index`` or else its id,
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
        """Boxes (x, y, w, h) image px of the image ``name``, or of frame ``index`` when it has no name.

        None: the file does not know it; an empty list: nobody is there.
        """
        return self._boxes.get(self._key(name) if name else str(index))

    def turned(self, path: Path, name: str) -> bool:
        """Whether the boxes refer to the image as its EXIF flag turns it: told by the size that is stated.

        COCO's boxes refer to the stored pixels, so that is what is taken when both or none fit.
        """
        size = self._sizes.get(self._key(name))
        if size is None:
            return self._key(name) not in self._boxes
        stored, shown = check_image(path)
        return size == shown and size != stored

    def names(self) -> list[str]:
        """File names of the images, in the order of the file."""
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


@dataclass(frozen=True)
class SourceImage:
    """One image of a source. index from 0. time in s. name: file name, "" in videos. rgb: uint8 (H, W, 3)."""

    index: int
    time: float
    name: str
    rgb: np.ndarray


class ImageFiles:
    """Image files. rate: frames/s of images that are the frames of one video, 0 for unrelated ones.

    turn: whether an image is turned by its EXIF flag. listed: the COCO JSON that named
    them. Frames bear the file's name relative to ``folder``.
    """

    live = False

    def __init__(
        self,
        name: str,
        path: Path,
        files: Sequence[Path],
        folder: Path,
        rate: float = 0.0,
        turn: Callable[[Path], bool] = lambda path: True,
        listed: Path | None = None,
    ) -> None:
        self.name, self.path, self.files, self.folder = name, path, list(files), folder
        self.rate, self.turn, self.listed, self.count = rate, turn, listed, len(self.files)
        self.moving = rate > 0
        one = rate > 0 or self.count == 1
        self.size = check_image(self.files[0])[int(turn(self.files[0]))] if one else (0, 0)

    def facts(self) -> dict[str, Any]:
        """What tells this source from another of the same name."""
        return {"files": [self.name_of(file) for file in self.files]}

    def name_of(self, file: Path) -> str:
        """A file's name relative to the folder."""
        return file.relative_to(self.folder).as_posix() if file.is_relative_to(self.folder) else str(file)

    def read(self, start: int = 0) -> Iterator[SourceImage]:
        """Yield the images from number ``start`` on. Raises DataError for one that cannot be decoded."""
        for index in range(start, self.count):
            file = self.files[index]
            rgb = read_image(file, self.turn(file))
            yield SourceImage(index, index / self.rate if self.rate else 0.0, self.name_of(file), rgb)


class Video:
    """A video file."""

    live, moving = False, True

    def __init__(self, path: Path) -> None:
        found = video_facts(path)
        self.name, self.path = path.stem, path
        self.size, self.rate, self.count = found.size, found.rate or 25.0, found.count

    def facts(self) -> dict[str, Any]:
        """What tells this source from another of the same name."""
        return {"bytes": self.path.stat().st_size}

    def read(self, start: int = 0) -> Iterator[SourceImage]:
        """Yield the frames from number ``start`` on."""
        for index, seconds, rgb in read_video(self.path, start):
            yield SourceImage(index, seconds, "", rgb)


class Webcam:
    """A camera, by its number; read until the user stops it. Frames that come too fast are left out."""

    live, moving, path, count = True, True, None, 0

    def __init__(self, number: int) -> None:
        self.name, self.number = f"webcam{number}", number
        self._camera = cv2.VideoCapture(number)
        seen, image = self._camera.read() if self._camera.isOpened() else (False, None)
        if not seen or image is None:
            raise DataError(
                f"camera {number} gives no picture; check that it is plugged in and not used elsewhere"
            )
        self.size = (image.shape[1], image.shape[0])
        self.rate = float(self._camera.get(cv2.CAP_PROP_FPS)) or 30.0

    def facts(self) -> dict[str, Any]:
        """What tells this source from another of the same name."""
        return {}

    def read(self, start: int = 0) -> Iterator[SourceImage]:
        """Yield what the camera sees from now on."""
        begin = time.monotonic()
        index = start
        try:
            while True:
                seen, image = self._camera.read()
                if not seen:
                    return
                rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
                yield SourceImage(index, time.monotonic() - begin, "", rgb)
                index += 1
        finally:
            self._camera.release()


Source = ImageFiles | Video | Webcam


def find_sources(
    names: Sequence[str], boxes: BoxFile | None = None, rate: float = 0.0, skip_bad: bool = False
) -> list[Source]:
    """The sources that are named; every one is opened, so that faults are found before the work.

    names: images, folders of images, patterns, videos, COCO JSONs beside their images, or the number of a
    camera. Images named together make one source, each video one of its own. boxes: says which way round an
    image is labelled. rate: frames/s of images that are one video's frames. skip_bad: leave unreadable
    images out with a warning. Raises DataError that names what is missing or unreadable.
    """
    files = [Path(name) for name in names if Path(name).is_file() and not _is_json(Path(name))]
    if len(names) == 1 or not files:
        return [source for name in names for source in _find(name, boxes, rate, skip_bad)]
    others = [name for name in names if Path(name) not in files]
    found = [source for name in others for source in _find(name, boxes, rate, skip_bad)]
    return _group(files, boxes, rate, skip_bad) + found


def _is_json(path: Path) -> bool:
    return path.suffix.lower() == ".json"


def _find(what: str, boxes: BoxFile | None, rate: float, skip_bad: bool) -> list[Source]:
    path = Path(what)
    if what.isdecimal() and not path.exists():
        return [Webcam(int(what))]
    if _is_json(path) and path.is_file():
        boxes = boxes or BoxFile(path)
        folder = find_split(what, Path()).image_folder
        name = path.stem.removeprefix("person_keypoints_")
        files = [folder / name for name in boxes.names()]
        return [_images(name, folder, files, folder, boxes, rate, skip_bad, listed=path)]
    if path.is_dir():
        return [_images(path.resolve().name, path, images_in(path), path, boxes, rate, skip_bad)]
    if path.is_file():
        if not is_image(path):
            return [Video(path)]
        return [_images(path.stem, path, [path], path.parent, boxes, rate, skip_bad)]
    found = sorted(glob.glob(what, recursive=True))  # noqa: PTH207 -- Path's own takes no absolute pattern
    files = [Path(name) for name in found if Path(name).is_file()]
    if not files:
        raise DataError(f"{what} does not exist and no file fits it; check the path")
    return _group(files, boxes, rate, skip_bad)


def _group(files: Sequence[Path], boxes: BoxFile | None, rate: float, skip_bad: bool) -> list[Source]:
    images = [file for file in files if is_image(file)]
    sources: list[Source] = [Video(file) for file in files if file not in images]
    if images:
        folder = Path(os.path.commonpath([file.parent for file in images]))
        name = folder.resolve().name or "pictures"
        sources.append(_images(name, folder, images, folder, boxes, rate, skip_bad))
    return sources


def _images(
    name: str,
    path: Path,
    files: Sequence[Path],
    folder: Path,
    boxes: BoxFile | None,
    rate: float,
    skip_bad: bool,
    listed: Path | None = None,
) -> ImageFiles:
    if not files:
        raise DataError(f'{path} holds no pictures; name videos by a pattern, e.g. "{path}/*.mp4"')
    sound, faults = check_images(files, skip_bad)
    for fault in faults:
        logger.warning("%s; left out", fault)

    def turned(file: Path) -> bool:
        if boxes is None:
            return True
        return boxes.turned(file, file.relative_to(folder).as_posix())

    return ImageFiles(name, path, sound, folder, rate, turned, listed)
