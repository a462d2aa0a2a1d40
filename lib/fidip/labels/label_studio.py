"""Label Studio: tasks as JSON, with RectangleLabels for persons and KeyPointLabels for joints.

A joint that is not drawn is not labelled (visibility 0). A drawn one is visible (2), or hidden (1) where the choice
"hidden" is set for its region. Joints belong to the box under which they stand in the list of regions or to which a
relation ties them, else to the only box around them. Positions are percent of the picture, 0 at its edge.

What the tool has no room for stands in the task's ``data``, which it keeps: id and other fields of the picture, and
under ``persons`` fields of each person by the id in its region's name, person-<id>.
"""

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from fidip.annotations import is_number
from fidip.errors import DataError
from fidip.files import read_json
from fidip.labels.collect import (
    DIGITS,
    HIDDEN,
    PIXEL_CENTRE,
    VISIBLE,
    Collector,
    FoundPerson,
    FoundPicture,
)
from fidip.labels.group import Box, Point, foreign_box, group_points, person_labels
from fidip.labels.pictures import Pictures, Size

_OWN_FIELDS = ("image", "image_id", "persons", "file_name", "width", "height")
_UPLOAD = re.compile(r"[0-9a-f]{8}-")  # put in front of the names of uploaded files


def read_label_studio(path: Path, collector: Collector) -> dict[str, Any]:
    """An export of the kind JSON. Raises DataError that names file and tasks."""
    tasks = read_json(path, "Label Studio file")
    if not isinstance(tasks, list) or not all(
        isinstance(t, dict) and isinstance(t.get("data"), dict) for t in tasks
    ):
        raise DataError(f"{collector.source} is no list of tasks with data: export as JSON, not as JSON-MIN")
    found = [results for task in tasks if (results := _results_or_none(task))]
    labels = {str(label) for results in found for r in results for label in _labels(r, "rectanglelabels")}
    persons: set[str] = set()
    with collector.record("the file"):
        persons = person_labels(labels)
    for index, task in enumerate(tasks):
        number = task.get("id", index + 1)
        with collector.record(f"task {number}"):
            results = _results(task)
            if results is None:
                collector.counts["pictures left out, not labelled yet"] += 1
                continue
            results = _of_persons(results, persons, collector)
            collector.add(
                _picture(task, number if isinstance(number, int) else index + 1, results, collector)
            )
    return collector.data()


def _results(task: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The regions of the one annotation that counts, None without any."""
    listed = task.get("annotations")
    if not isinstance(listed, list) or not all(isinstance(a, dict) for a in listed):
        raise DataError("has no list of annotations: export it again")
    annotations = [a for a in listed if not a.get("was_cancelled")]
    if len(annotations) > 1:
        chosen = [a for a in annotations if a.get("ground_truth")]
        if len(chosen) != 1:
            raise DataError(
                f"has {len(annotations)} annotations: mark one as ground truth, or delete the others"
            )
        annotations = chosen
    if not annotations:
        return None
    results = annotations[0].get("result")
    if not isinstance(results, list) or not all(isinstance(r, dict) for r in results):
        raise DataError("has an annotation without a list 'result': export it again")
    return results


def _results_or_none(task: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The regions of a task; None where they are at fault, which is said when the task is read."""
    try:
        return _results(task)
    except DataError:
        return None


def _of_persons(
    results: list[dict[str, Any]], persons: set[str], collector: Collector
) -> list[dict[str, Any]]:
    """Leave out the boxes that are labelled as something else than the persons."""
    kept = []
    for region in results:
        others = set(map(str, _labels(region, "rectanglelabels"))) - persons
        if region.get("type") == "rectanglelabels" and others:
            collector.counts[f"boxes left out, labelled {', '.join(sorted(others))!r}"] += 1
        else:
            kept.append(region)
    return kept


def _picture(
    task: dict[str, Any], number: int, results: list[dict[str, Any]], collector: Collector
) -> FoundPicture:
    data = task["data"]
    name, size = collector.pictures.locate(_names(data, collector.pictures), _size(data, results))
    persons = _persons(results, size, data.get("persons"), collector)
    fields = {key: value for key, value in data.items() if key not in _OWN_FIELDS}
    if data.get("image_id") is not None:
        fields["id"] = data["image_id"]
    return FoundPicture(name, size, persons, number, fields)


def _names(data: dict[str, Any], pictures: Pictures) -> list[str]:
    """How the picture's file may be called: as it was when we wrote the task, else by its address."""
    address = data.get("image")
    if not isinstance(address, str):
        raise DataError("has no text 'image' in its data: the labelling config must show $image")
    try:
        parts = urlsplit(address)
        name = parse_qs(parts.query).get("d", [""])[0] or unquote(parts.path)
    except ValueError as error:
        raise DataError(f"names the picture {address!r}, which is no address: correct it") from error
    short = _UPLOAD.sub("", name.rpartition("/")[2], count=1) if "/upload/" in name else ""
    names = [short, name] if short else [name]
    own = data.get("file_name")
    if isinstance(own, str) and own:
        return [own, *names]
    return [*pictures.uploaded(short), *names] if short else names


def _size(data: dict[str, Any], results: list[dict[str, Any]]) -> Size | None:
    """Picture size as the regions state it, else as the task's data do."""
    stated = [(r["original_width"], r.get("original_height")) for r in results if "original_width" in r]
    if not stated and "width" in data and "height" in data:
        stated = [(data["width"], data["height"])]
    sizes = {(int(w), int(h)) for w, h in stated if is_number(w) and is_number(h) and min(w, h) >= 1}
    if len(sizes) > 1 or (stated and not sizes):
        raise DataError(
            f"states the picture sizes {', '.join(sorted(set(map(str, stated))))}: export it again"
        )
    return next(iter(sizes), None)


def _persons(
    results: list[dict[str, Any]], size: Size, known: Any, collector: Collector
) -> list[FoundPerson]:
    hidden = {_id(r) for r in results if r.get("type") == "choices" and "hidden" in _labels(r, "choices")}
    boxes: dict[str, Box] = {_id(r): _box(r, size) for r in results if r.get("type") == "rectanglelabels"}
    labels = {_id(r): str(next(iter(_labels(r, "rectanglelabels")), "")) for r in results}
    parents = _parents(results, boxes)
    points = []
    for region in results:
        if region.get("type") == "keypointlabels":
            key = _id(region)
            point = _point(region, size, key in hidden, parents.get(key), collector)
            points += [point] if point else []
        elif region.get("type") not in ("choices", "rectanglelabels", "relation"):
            collector.counts["regions left out, neither box nor joint"] += 1
    for key, box in list(boxes.items()):
        if key not in parents.values() and foreign_box(labels[key], box, points):
            del boxes[key]
            collector.counts[f"boxes left out, labelled {labels[key]!r}, without a joint"] += 1
    return [
        _person(members, key, boxes.get(key or ""), known, collector)
        for key, members in group_points(points, boxes).items()
    ]


def _id(region: dict[str, Any], key: str = "id") -> str:
    return str(region.get(key) or "")


def _labels(region: dict[str, Any], kind: str) -> list[Any]:
    """Labels or choices of a region, empty where there are none."""
    value = region.get("value")
    labels = value.get(kind) if isinstance(value, dict) else None
    return labels if isinstance(labels, list) else []


def _parents(results: list[dict[str, Any]], boxes: dict[str, Box]) -> dict[str, str]:
    """Region -> what it stands under, or the box that a relation ties it to."""
    parents = {}
    for region in results:
        ends = _id(region, "from_id"), _id(region, "to_id")
        if region.get("type") == "relation" and (ends[0] in boxes) != (ends[1] in boxes):
            child, box = ends if ends[1] in boxes else ends[::-1]
            parents[child] = box
    return {**parents, **{_id(r): _id(r, "parentID") for r in results if _id(r, "parentID")}}


def _person(
    members: list[Point], key: str | None, box: Box | None, known: Any, collector: Collector
) -> FoundPerson:
    keypoints = collector.nothing()
    for point in members:
        keypoints[point.index] = point.x, point.y, point.visibility
    found = re.fullmatch(r"person-(\d+)", key or "")
    if found is None:
        return FoundPerson(keypoints, box)
    kept = known.get(found[1], {}) if isinstance(known, dict) else {}
    return FoundPerson(keypoints, box, {**(kept if isinstance(kept, dict) else {}), "id": int(found[1])})


def _numbers(region: dict[str, Any], keys: tuple[str, ...]) -> list[float]:
    """Numbers of a region's value. Raises DataError for one that is missing, or a turned region."""
    value = region.get("value")
    value = value if isinstance(value, dict) else {}
    numbers = [value.get(key) for key in keys]
    where = f"has a region {region.get('id')!r}"
    if not all(is_number(number) for number in numbers):
        raise DataError(f"{where} without the numbers {', '.join(keys)}: delete it and draw it again")
    if value.get("rotation") or region.get("image_rotation"):
        raise DataError(f"{where} that is turned: draw boxes upright on pictures that are not turned")
    return [float(number) for number in numbers if number is not None]


def _box(region: dict[str, Any], size: Size) -> Box:
    x, y, width, height = _numbers(region, ("x", "y", "width", "height"))
    if width <= 0 or height <= 0:
        raise DataError(f"has a box {region.get('id')!r} of no size: delete it and draw it again")
    return (
        round(x / 100 * size[0], DIGITS),
        round(y / 100 * size[1], DIGITS),
        round(width / 100 * size[0], DIGITS),
        round(height / 100 * size[1], DIGITS),
    )


def _point(
    region: dict[str, Any], size: Size, hidden: bool, parent: str | None, collector: Collector
) -> Point | None:
    x, y = _numbers(region, ("x", "y"))
    labels = _labels(region, "keypointlabels")
    if len(labels) != 1 or not isinstance(labels[0], str):
        raise DataError(f"has a point {region.get('id')!r} without exactly one label: choose one")
    index = collector.joint(labels[0])
    if index is None:
        return None
    return Point(
        index,
        labels[0],
        round(x / 100 * size[0] - PIXEL_CENTRE, DIGITS),
        round(y / 100 * size[1] - PIXEL_CENTRE, DIGITS),
        HIDDEN if hidden else VISIBLE,
        parent,
    )
