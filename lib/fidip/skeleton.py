"""Joints: names, left-right pairs, OKS sigmas, limbs. Joint orders are written here and in skeleton YAML files."""

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from fidip.errors import ConfigError

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Skeleton:
    """A joint set.

    names: K joint names in the order of the annotations. flip_pairs: index pairs that swap in a mirrored
    picture. sigmas: K per-joint OKS fall-off constants (Ronchi & Perona 2017; half of COCO's k_i).
    limbs: index pairs that are drawn as lines. upper_body: indices that count as the upper body.
    colours: RGB of each joint for tools that show single joints, or empty. Raises ValueError for a contradiction.
    """

    name: str
    names: tuple[str, ...]
    flip_pairs: tuple[tuple[int, int], ...]
    sigmas: tuple[float, ...]
    limbs: tuple[tuple[int, int], ...]
    upper_body: tuple[int, ...]
    colours: tuple[Colour, ...] = ()

    def __post_init__(self) -> None:
        if len(self.sigmas) != len(self.names):
            raise ValueError(f"skeleton {self.name}: {len(self.names)} names but {len(self.sigmas)} sigmas")
        if len(self.colours) not in (0, len(self.names)):
            raise ValueError(f"skeleton {self.name}: {len(self.names)} names but {len(self.colours)} colours")
        if not all(sigma > 0 and math.isfinite(sigma) for sigma in self.sigmas):
            raise ValueError(f"skeleton {self.name}: a sigma is not a positive number")
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"skeleton {self.name}: a joint is named twice")
        paired = [index for pair in self.flip_pairs for index in pair]
        if len(set(paired)) < len(paired):
            raise ValueError(f"skeleton {self.name}: a joint is in two flip pairs")
        used = [index for pair in (*self.flip_pairs, *self.limbs) for index in pair] + list(self.upper_body)
        if any(not 0 <= index < len(self.names) for index in used):
            raise ValueError(f"skeleton {self.name}: an index is outside 0..{len(self.names) - 1}")

    @property
    def num_joints(self) -> int:
        """K."""
        return len(self.names)

    @cached_property
    def flip_order(self) -> np.ndarray:
        """Permutation (K,) that swaps left and right: ``mirrored = keypoints[flip_order]``."""
        order = np.arange(self.num_joints)
        for left, right in self.flip_pairs:
            order[left], order[right] = right, left
        return order


# fmt: off
COCO17 = Skeleton(
    name="coco17",
    names=(
        "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
        "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
        "right_ankle",
    ),
    flip_pairs=((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)),
    sigmas=(
        0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087,
        0.089, 0.089,
    ),
    limbs=(
        (15, 13),
        (13, 11),
        (16, 14),
        (14, 12),
        (11, 12),
        (5, 11),
        (6, 12),
        (5, 6),
        (5, 7),
        (6, 8),
        (7, 9),
        (8, 10),
        (1, 2),
        (0, 1),
        (0, 2),
        (1, 3),
        (2, 4),
        (3, 5),
        (4, 6),
    ),
    upper_body=tuple(range(11)),
)
# fmt: on

SKELETONS: Mapping[str, Skeleton] = {COCO17.name: COCO17}


def find_skeleton(entry: str) -> Skeleton:
    """The skeleton of a built-in name, of a YAML file, or of the text that ``skeleton_text`` made.

    Raises ConfigError for anything else, and for a faulty file.
    """
    if entry in SKELETONS:
        return SKELETONS[entry]
    if entry.lstrip().startswith("{"):
        return _parse(entry, "skeleton in the config", "skeleton")
    return load_skeleton(Path(entry))


def load_skeleton(path: Path) -> Skeleton:
    """Read a skeleton YAML: name, joints, flip_pairs, sigmas, limbs, upper_body, colours; joints by their names.

    Raises ConfigError that names the file and all faults in it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        known = ", ".join(SKELETONS)
        raise ConfigError(
            f"skeleton {str(path)!r} is no built-in joint set ({known}) and cannot be read as a YAML file "
            f"({getattr(error, 'strerror', None) or error}); examples are in experiments/skeletons/"
        ) from error
    return _parse(text, f"skeleton file {path}", path.stem)


def skeleton_text(skeleton: Skeleton) -> str:
    """All of a skeleton on one line, for configs that must not depend on a file; ``find_skeleton`` reads it."""
    names = skeleton.names
    content: dict[str, Any] = {
        "name": skeleton.name,
        "joints": list(names),
        "sigmas": dict(zip(names, skeleton.sigmas, strict=True)),
        "flip_pairs": [[names[left], names[right]] for left, right in skeleton.flip_pairs],
        "limbs": [[names[start], names[end]] for start, end in skeleton.limbs],
        "upper_body": [names[index] for index in skeleton.upper_body],
    }
    if skeleton.colours:
        shown = ("#{:02x}{:02x}{:02x}".format(*colour) for colour in skeleton.colours)
        content["colours"] = dict(zip(names, shown, strict=True))
    return json.dumps(content)


def side_pairs(joints: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """Find indices (left, right) of joints whose names differ in "left" and "right", or in "l" and "r", only."""
    places = {name.lower(): index for index, name in enumerate(joints)}
    pairs = []
    for name, index in places.items():
        other = _LONE_L.sub("r", name.replace("left", "right"))
        if other != name and other in places:
            pairs.append((index, places[other]))
    return tuple(pairs)


def without_side(joint: str) -> str:
    """Return the name of a joint of a pair without left or right."""
    return re.sub(r"[_\-. ]+", "_", _SIDE.sub("", joint)).strip("_") or joint


_LONE_L = re.compile(r"(?<![a-z0-9])l(?![a-z0-9])")
_SIDE = re.compile(r"left|right|(?<![a-z0-9])[lr](?![a-z0-9])", re.IGNORECASE)
_KEYS = ("name", "joints", "sigmas", "flip_pairs", "limbs", "upper_body", "colours")


@lru_cache(maxsize=16)
def _parse(text: str, source: str, default_name: str) -> Skeleton:
    """A skeleton of YAML text; ``source`` opens the message of the ConfigError."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{source} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{source} must hold KEY: value lines: {', '.join(_KEYS)}")
    content = {"name": default_name, **content}
    faults = _faults(content)
    if faults:
        raise ConfigError(f"{source}: {'; '.join(faults)}")
    index = {name: number for number, name in enumerate(content["joints"])}

    def pairs(key: str) -> tuple[tuple[int, int], ...]:
        return tuple((index[first], index[second]) for first, second in content.get(key) or ())

    colours = content.get("colours") or {}
    return Skeleton(
        name=content["name"],
        names=tuple(content["joints"]),
        flip_pairs=pairs("flip_pairs"),
        sigmas=tuple(float(content["sigmas"][name]) for name in index),
        limbs=pairs("limbs"),
        upper_body=tuple(index[name] for name in content.get("upper_body") or ()),
        colours=tuple(_rgb(colours[name]) for name in index) if colours else (),
    )


def _faults(content: Mapping[str, Any]) -> list[str]:
    """What is wrong with the content of a skeleton file."""
    faults = [f"unknown key {key!r}, known are {', '.join(_KEYS)}" for key in content if key not in _KEYS]
    name, joints = content["name"], content.get("joints")
    if not isinstance(name, str) or not name or name in SKELETONS:
        faults.append(f"name {name!r} must be a text and not that of a built-in joint set")
    if not _is_list(joints, str) or not joints:
        return [*faults, "joints must be a list of names, each a text (quote it if YAML reads it otherwise)"]
    faults += [
        f"joint {joint!r} is named {count} times" for joint, count in Counter(joints).items() if count > 1
    ]
    faults += _value_faults(content, joints)
    for key in ("flip_pairs", "limbs"):
        faults += _pair_faults(key, content.get(key) or [], joints)
    flipped = content.get("flip_pairs") or []
    if not faults:
        faults += _side_faults(joints, flipped)
    upper = content.get("upper_body") or []
    if not isinstance(upper, list):
        return [*faults, "upper_body must be a list of joints"]
    return faults + [
        f"upper_body names {joint!r}, which is no joint" for joint in upper if joint not in joints
    ]


def _is_list(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)


def _value_faults(content: Mapping[str, Any], joints: Sequence[str]) -> list[str]:
    """Faults of what is given joint by joint: sigmas for all, colours for all or none."""
    faults = []
    for key, fits, what in (
        ("sigmas", _is_positive, "a positive number"),
        ("colours", _is_colour, "a colour such as '#ff8000'"),
    ):
        values = content.get(key)
        if values is None and key == "colours":
            continue
        if not isinstance(values, dict):
            faults.append(f"{key} must be lines of joint: value, {what} for every joint")
            continue
        faults += [f"{key} lacks {joint!r}" for joint in joints if joint not in values]
        faults += [f"{key} names {joint!r}, which is no joint" for joint in values if joint not in joints]
        faults += [f"{key} of {joint!r} is {v!r}, not {what}" for joint, v in values.items() if not fits(v)]
    return faults


def _is_positive(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value) and value > 0


def _is_colour(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("#[0-9a-fA-F]{6}", value) is not None


def _rgb(text: str) -> Colour:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def _pair_faults(key: str, pairs: Any, joints: Sequence[str]) -> list[str]:
    """Faults of a list of pairs of joints; no joint may be in two flip pairs."""
    if not _is_list(pairs, list) or any(len(pair) != 2 or pair[0] == pair[1] for pair in pairs):
        return [f"{key} must be a list of pairs of two different joints, e.g. [left_hip, right_hip]"]
    named = [joint for pair in pairs for joint in pair]
    faults = [f"{key} names {joint!r}, which is no joint" for joint in named if joint not in joints]
    if key == "flip_pairs" and not faults:
        faults = [f"{joint!r} is in {n} flip pairs" for joint, n in Counter(named).items() if n > 1]
    return faults


def _side_faults(joints: Sequence[str], pairs: Sequence[Sequence[str]]) -> list[str]:
    """Joints left_X and right_X that no flip pair joins: mirrored pictures would teach wrong sides."""
    joined = {frozenset(pair) for pair in pairs}
    wanted = [
        (joint, f"right_{joint.removeprefix('left_')}") for joint in joints if joint.startswith("left_")
    ]
    return [
        f"flip_pairs lacks [{left}, {right}]"
        for left, right in wanted
        if right in joints and frozenset((left, right)) not in joined
    ]
