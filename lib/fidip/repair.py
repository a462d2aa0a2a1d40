"""One notion of a sound COCO record: fields that mean one thing only are brought into the form that readers expect.

Other tools write ids as text, null areas, or crowd flags as words. Such a field is repaired where its meaning is beyond
doubt, forgotten where it holds nothing ("null", NaN), and left as it is otherwise, for the checks to refuse. What was
done is counted and said.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fidip.environment import logger

Record = dict[str, Any]

TRUE, FALSE = {"true", "yes", "1", "1.0"}, {"false", "no", "0", "0.0"}
NOTHING = {"", "null", "none", "nan", "n/a"}


class Meaningless(Exception):
    """A value has no meaning that is beyond doubt."""


@dataclass
class Repairs:
    """What was changed in a file, each kind with its number and first example."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def note(self, what: str, example: str = "") -> None:
        """Count a change."""
        self.counts[what] += 1
        self.examples.setdefault(what, example)

    def lines(self) -> list[str]:
        """One phrase for each kind of change."""
        return [
            f"{what} ({count} time{'s' if count > 1 else ''}"
            + (f", first in {self.examples[what]})" if self.examples[what] else ")")
            for what, count in self.counts.items()
        ]

    def say(self, source: str) -> None:
        """Log what was changed, if anything was."""
        if self.counts:
            logger.warning("%s was repaired while reading: %s", source, "; ".join(self.lines()))


def repaired(data: Record, names: Sequence[str], repairs: Repairs) -> Record:
    """Return a copy of a COCO keypoint file whose fields have the form that ``check_annotations`` expects.

    Args:
        data: with lists ``images`` and ``annotations``; records that are no dicts are passed on.
        names: keypoints in the order in which they are wanted.
        repairs: receives what was changed.
    """
    images = [_repair(one, IMAGE, "image", i, repairs) for i, one in enumerate(data["images"])]
    same = _same_id([one["id"] for one in images if isinstance(one, dict) and _is_id(one.get("id"))])
    categories = data.get("categories")
    if isinstance(categories, list):
        categories = [_repair(one, CATEGORY, "category", i, repairs) for i, one in enumerate(categories)]
    annotations = []
    for index, one in enumerate(data["annotations"]):
        one = _repair(one, ANNOTATION, "annotation", index, repairs)
        if isinstance(one, dict):
            _follow(one, "image_id", same, repairs, f"annotation at index {index}")
        annotations.append(one)
    result = {**data, "images": images, "annotations": annotations}
    if categories is not None:
        result["categories"] = categories
        _order_joints(result, names, repairs)
    return result


def same_image(images: Sequence[Record]) -> Callable[[Any], Any]:
    """Return a function that gives the id that an image goes by for any way in which results write it.

    An id may be written as a whole number, as text of one, or as the image's file name, with or without its ending or
    folder, where only one image has that name. What means no image comes back unchanged.
    """
    ids = _same_id([image["id"] for image in images])
    names: dict[str, set[Any]] = {}
    for image in images:
        name = str(image.get("file_name", "")).replace("\\", "/")
        base = name.rpartition("/")[2]
        for form in {name, base, base.rpartition(".")[0]} - {""}:
            names.setdefault(form, set()).add(image["id"])

    def find(value: Any) -> Any:
        found = ids(value)
        if found is not None:
            return found
        meant = names.get(value, set()) if isinstance(value, str) else set()
        return next(iter(meant)) if len(meant) == 1 else value

    return find


def as_flag(value: Any) -> bool | None:
    """Read a yes or no; None where the value says neither. Raises Meaningless for anything else."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    text = str(value).strip().lower()
    if text in NOTHING:
        return None
    if text in TRUE:
        return True
    if text in FALSE:
        return False
    raise Meaningless


def as_number(value: Any) -> float | int | None:
    """Read a finite number; None for one that is missing. Raises Meaningless for anything else."""
    if isinstance(value, bool):
        raise Meaningless
    if value is None or (isinstance(value, str) and value.strip().lower() in NOTHING):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise Meaningless from error
    if math.isnan(number):
        return None
    if math.isinf(number):
        raise Meaningless
    return value if isinstance(value, (int, float)) else int(number) if number.is_integer() else number


def _as_id(value: Any) -> Any:
    """Read an id: a whole number or a text."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise Meaningless


def _as_whole_id(value: Any) -> Any:
    """Read an id that must be a whole number; None for any other, which is then given anew."""
    number = value.strip() if isinstance(value, str) else value
    if isinstance(number, str) and number.isdecimal():
        return int(number)
    try:
        number = _as_id(number)
    except Meaningless:
        return None
    return number if isinstance(number, int) else None


def as_category(value: Any) -> Any:
    """Read the id of a category, which may be a whole number as text. Raises Meaningless for what is no id."""
    value = _as_id(value)
    return int(value) if isinstance(value, str) and value.strip().isdecimal() else value


def _as_text(value: Any) -> str | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return str(value)
    raise Meaningless


def _as_size(value: Any) -> Any:
    number = as_number(value)
    if number is None:
        return None
    return int(number) if float(number).is_integer() else number


def _as_crowd(value: Any) -> int | None:
    flag = as_flag(value)
    return None if flag is None else int(flag)


def _as_numbers(value: Any) -> Any:
    if not isinstance(value, list):
        raise Meaningless
    if all(type(one) in (int, float) for one in value):
        return value
    return [_number_or_itself(one) for one in value]


def _number_or_itself(value: Any) -> Any:
    try:
        number = as_number(value)
    except Meaningless:
        return value
    return value if number is None else number


def _as_keypoints(value: Any) -> Any:
    """Read x, y, visibility triples; what stands at a keypoint without a label does not matter."""
    numbers = _as_numbers(value)
    if len(numbers) % 3 or (numbers is value and math.isfinite(sum(numbers))):
        return numbers
    result = list(numbers)
    for start in range(0, len(result), 3):
        x, y, visibility = result[start : start + 3]
        seen = isinstance(visibility, (int, float)) and not isinstance(visibility, bool) and visibility > 0
        if (visibility is None or visibility == 0) and not seen:
            result[start : start + 3] = [_plain(x), _plain(y), 0]
    return result


def _plain(value: Any) -> float:
    return value if isinstance(value, (int, float)) and math.isfinite(value) else 0


IMAGE: Mapping[str, Callable[[Any], Any]] = {
    "id": _as_id,
    "width": _as_size,
    "height": _as_size,
    "file_name": _as_text,
    "is_synthetic": as_flag,
    "posture": _as_text,
}
ANNOTATION: Mapping[str, Callable[[Any], Any]] = {
    "id": _as_whole_id,
    "category_id": as_category,
    "iscrowd": _as_crowd,
    "bbox": _as_numbers,
    "keypoints": _as_keypoints,
    "area": as_number,
    "is_synthetic": as_flag,
}
CATEGORY: Mapping[str, Callable[[Any], Any]] = {"id": as_category}


def _repair(
    record: Any, readers: Mapping[str, Callable[[Any], Any]], kind: str, index: int, repairs: Repairs
) -> Any:
    """Return a copy of a record with each field as its reader gives it; a field that holds nothing is left out."""
    if not isinstance(record, dict):
        return record
    result = dict(record)
    for name, reader in readers.items():
        if name not in record:
            continue
        value = record[name]
        try:
            result[name] = reader(value)
        except Meaningless:
            continue
        where = f"{kind} at index {index}"
        if result[name] is None:
            del result[name]
            repairs.note(
                f"{kind} {name} without a value, or with one of no meaning, left out", f"{where}: {value!r}"
            )
        elif type(result[name]) is not type(value) and {type(result[name]), type(value)} != {int, bool}:
            repairs.note(f"{kind} {name} {_shown(value)} read as {_shown(result[name])}", where)
        elif isinstance(value, list) and result[name] != value:
            repairs.note(f"{kind} {name} with text or missing numbers read as numbers", where)
    return result


def _shown(value: Any) -> str:
    return {str: "of text", bool: "true or false", int: "a whole number", float: "a decimal number"}.get(
        type(value), repr(value)
    )


def _is_id(value: Any) -> bool:
    return isinstance(value, (int, str)) and not isinstance(value, bool)


def _same_id(ids: Sequence[Any]) -> Callable[[Any], Any]:
    """Return a function from any spelling of an id to the one in ``ids``; None for an id that is not there."""
    exact = set(ids)
    spelt: dict[str, set[Any]] = {}
    for one in ids:
        spelt.setdefault(str(one), set()).add(one)

    def find(value: Any) -> Any:
        try:
            value = _as_id(value)
        except Meaningless:
            return None
        if value in exact:
            return value
        meant = spelt.get(str(value).strip(), set())
        return next(iter(meant)) if len(meant) == 1 else None

    return find


def _follow(record: Record, name: str, same: Callable[[Any], Any], repairs: Repairs, where: str) -> None:
    """Write a reference to an id as the id itself is written."""
    if name in record:
        found = same(record[name])
        if found is not None and (found != record[name] or type(found) is not type(record[name])):
            repairs.note(f"{name} {_shown(record[name])} read as {_shown(found)}", where)
            record[name] = found


def _order_joints(data: Record, names: Sequence[str], repairs: Repairs) -> None:
    """Bring keypoints into the wanted order where the category names all of them in another one."""
    wanted = [plain_name(name) for name in names]
    orders = {}
    for category in data["categories"] if isinstance(data["categories"], list) else ():
        given = category.get("keypoints") if isinstance(category, dict) else None
        if isinstance(given, list) and all(isinstance(name, str) for name in given):
            plain = [plain_name(name) for name in given]
            if plain != wanted and sorted(plain) == sorted(wanted):
                orders[category.get("id")] = [plain.index(name) for name in wanted]
                category["keypoints"] = list(names)
                category.pop("skeleton", None)  # limbs are pairs of places in the old order
    if not orders:
        return
    only = next(iter(orders.values())) if len(data["categories"]) == 1 else None
    for index, annotation in enumerate(data["annotations"]):
        order = orders.get(annotation.get("category_id"), only) if isinstance(annotation, dict) else None
        flat = annotation.get("keypoints") if order else None
        if order and isinstance(flat, list) and len(flat) == 3 * len(order):
            annotation["keypoints"] = [v for place in order for v in flat[3 * place : 3 * place + 3]]
            repairs.note("keypoints put into the order of their names", f"annotation at index {index}")


def plain_name(name: str) -> str:
    """Return the name of a keypoint without differences of case, blank, hyphen and underscore."""
    return name.strip().lower().replace("-", "_").replace(" ", "_")
