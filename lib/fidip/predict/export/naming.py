"""What exports share: file names, chunks, optional packages, the skeleton behind a file's joints."""

import importlib
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from fidip.errors import ConfigError
from fidip.predict.frames import SUFFIX, Frame, Header, Person, PoseFile
from fidip.predict.tracks import MIN_SCORE, seen
from fidip.skeleton import SKELETONS, Skeleton

_LONE_L = re.compile(r"(?<![a-z0-9])l(?![a-z0-9])")
_SIDE = re.compile(r"left|right|(?<![a-z0-9])[lr](?![a-z0-9])", re.IGNORECASE)

CHUNK = 1000  # frames written at once


def stem(poses: PoseFile) -> str:
    """The file's name without its ending: what exports are named by."""
    name = poses.path.name
    return name.removesuffix(SUFFIX) if name.endswith(SUFFIX) else poses.path.stem


def named(poses: PoseFile) -> bool:
    """Whether the frames are picture files, not those of a video file."""
    first = next(iter(poses), None)
    return first is not None and bool(first.name)


def require(module: str, remedy: str = "pip install 'fidip[media]'") -> Any:
    """Import an optional module. Raises ConfigError that says how to get it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ConfigError(f"this export needs {package}, which cannot be imported: {remedy}") from error


def skeleton_of(header: Header) -> Skeleton:
    """The known skeleton with these joints, or one without limbs whose pairs are told by "left" and "right"."""
    for skeleton in SKELETONS.values():
        if skeleton.names == header.joints:
            return skeleton
    return Skeleton("unknown", header.joints, side_pairs(header.joints), (0.1,) * len(header.joints), (), ())


def side_pairs(joints: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """Indices (left, right) of joints whose names differ in "left" and "right", or in "l" and "r", only."""
    places = {name.lower(): index for index, name in enumerate(joints)}
    pairs = []
    for name, index in places.items():
        other = _LONE_L.sub("r", name.replace("left", "right"))
        if other != name and other in places:
            pairs.append((index, places[other]))
    return tuple(pairs)


def without_side(joint: str) -> str:
    """The name of a joint of a pair without left or right."""
    return re.sub(r"[_\-. ]+", "_", _SIDE.sub("", joint)).strip("_") or joint


def person_score(person: Person) -> float:
    """Mean score of the joints that were seen, 0 without any: what a person is ranked by."""
    visible = seen(person, MIN_SCORE)
    return float(np.mean(person.score[visible])) if visible.any() else 0.0


def chunks(poses: PoseFile) -> Iterator[list[Frame]]:
    """Frames in lists of up to ``CHUNK``; no empty list."""
    chunk: list[Frame] = []
    for frame in poses:
        chunk.append(frame)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
