"""From what a user names to sources that can be read."""

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from fidip.data.records import find_split
from fidip.environment import logger
from fidip.errors import DataError
from fidip.predict.box_file import BoxFile
from fidip.predict.images import check_pictures, is_picture, pictures_in
from fidip.predict.reader import Pictures, Source, Video, Webcam


def find_sources(
    names: Sequence[str], boxes: BoxFile | None = None, rate: float = 0.0, skip_bad: bool = False
) -> list[Source]:
    """The sources that are named; every one is opened, so that faults are found before the work.

    names: pictures, folders of pictures, patterns, videos, COCO JSONs beside their pictures, or the number of a
    camera. Pictures named together make one source, each video one of its own. boxes: says which way round a
    picture is labelled. rate: frames/s of pictures that are one video's frames. skip_bad: leave unreadable
    pictures out with a warning. Raises DataError that names what is missing or unreadable.
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
        return [_pictures(name, folder, files, folder, boxes, rate, skip_bad, listed=path)]
    if path.is_dir():
        return [_pictures(path.resolve().name, path, pictures_in(path), path, boxes, rate, skip_bad)]
    if path.is_file():
        if not is_picture(path):
            return [Video(path)]
        return [_pictures(path.stem, path, [path], path.parent, boxes, rate, skip_bad)]
    found = sorted(glob.glob(what, recursive=True))  # noqa: PTH207 -- Path's own takes no absolute pattern
    files = [Path(name) for name in found if Path(name).is_file()]
    if not files:
        raise DataError(f"{what} does not exist and no file fits it; check the path")
    return _group(files, boxes, rate, skip_bad)


def _group(files: Sequence[Path], boxes: BoxFile | None, rate: float, skip_bad: bool) -> list[Source]:
    pictures = [file for file in files if is_picture(file)]
    sources: list[Source] = [Video(file) for file in files if file not in pictures]
    if pictures:
        folder = Path(os.path.commonpath([file.parent for file in pictures]))
        name = folder.resolve().name or "pictures"
        sources.append(_pictures(name, folder, pictures, folder, boxes, rate, skip_bad))
    return sources


def _pictures(
    name: str,
    path: Path,
    files: Sequence[Path],
    folder: Path,
    boxes: BoxFile | None,
    rate: float,
    skip_bad: bool,
    listed: Path | None = None,
) -> Pictures:
    if not files:
        raise DataError(f'{path} holds no pictures; name videos by a pattern, e.g. "{path}/*.mp4"')
    sound, faults = check_pictures(files, skip_bad)
    for fault in faults:
        logger.warning("%s; left out", fault)

    def turned(file: Path) -> bool:
        if boxes is None:
            return True
        return boxes.turned(file, file.relative_to(folder).as_posix())

    return Pictures(name, path, sound, folder, rate, turned, listed)
