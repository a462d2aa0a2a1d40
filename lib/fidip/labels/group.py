"""Which joint and which box belong to which person, where a tool lets annotators draw them one by one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fidip.errors import DataError

Box = tuple[float, float, float, float]


PERSON = {
    "person",
    "people",
    "human",
    "subject",
    "infant",
    "baby",
    "newborn",
    "child",
    "toddler",
    "box",
    "bbox",
}


def person_labels(labels: Iterable[str]) -> set[str]:
    """Return which of the labels of boxes and skeletons in a file are those of the persons to be read.

    These are the words for a person; where a file has none of them, its only label.

    Raises:
        DataError: where a file has several labels and none is a word for a person.
    """
    found = set(labels)
    known = {label for label in found if label.strip().lower() in PERSON}
    if known or len(found) <= 1:
        return known or found
    raise DataError(
        f"has the labels {', '.join(sorted(found))}, none of which is a word for a person: name the person's 'person'"
    )


@dataclass(frozen=True)
class Point:
    """A drawn joint. index: in the skeleton. x, y: image px. visibility: 1 or 2. parent: key of its box, or None."""

    index: int
    name: str
    x: float
    y: float
    visibility: int
    parent: str | None = None


def foreign_box(label: str, box: Box, points: Sequence[Point]) -> bool:
    """Tell whether a box with a label that is no word for a person lies apart from all joints (points) of its image."""
    named = label.strip().lower() in PERSON
    return not named and bool(points) and not any(contains(box, point.x, point.y) for point in points)


def group_points(points: Sequence[Point], boxes: dict[str, Box]) -> dict[str | None, list[Point]]:
    """Points by the key of their box, None: no box is drawn. Boxes without a point are in it too.

    A point without parent belongs to the only box, or to the only one around it. Raises DataError when that is not
    clear, for an unknown parent, and for a joint that a person has twice.
    """
    groups: dict[str | None, list[Point]] = {key: [] for key in boxes}
    for point in points:
        groups.setdefault(_owner(point, boxes), []).append(point)
    for members in groups.values():
        names = [point.name for point in members]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise DataError(
                f"has {', '.join(twice)} more than once in one person: delete one, or draw a box around each person"
            )
    return groups


def _owner(point: Point, boxes: dict[str, Box]) -> str | None:
    if point.parent is not None:
        if point.parent not in boxes:
            raise DataError(f"has {point.name} under {point.parent!r}, which is no box: put it under a box")
        return point.parent
    if len(boxes) <= 1:
        return next(iter(boxes), None)
    around = [key for key, box in boxes.items() if contains(box, point.x, point.y)]
    if len(around) != 1:
        count = "several boxes" if around else "no box"
        raise DataError(
            f"has {point.name} at ({point.x:g}, {point.y:g}) in {count} of {len(boxes)}: say which person's it is"
        )
    return around[0]


def contains(box: Sequence[float], x: float, y: float) -> bool:
    """Whether a point (px, 0 at the first pixel's centre) lies in a box (px, 0 at the picture's edge)."""
    return box[0] <= x + 0.5 <= box[0] + box[2] and box[1] <= y + 0.5 <= box[1] + box[3]
