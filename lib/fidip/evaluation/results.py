"""Results in the COCO format, and metrics.json."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import json_tricks
import numpy as np
from json_tricks.decoders import json_numpy_obj_hook

from fidip.annotations import Record, is_number, keypoint_fault, raise_faults
from fidip.errors import DataError
from fidip.files import read_json, write_json, write_text
from fidip.repair import Meaningless, as_category, same_image

METRIC_NAMES = ("AP", "AP50", "AP75", "AP_M", "AP_L", "AR", "AR50", "AR75", "AR_M", "AR_L")
REQUIRED_METRICS = (*METRIC_NAMES, "n_images", "area", "boxes")


def write_results(path: Path, results: Sequence[Mapping[str, Any]]) -> None:
    """Write a list of results as JSON, whole or not at all; numpy arrays become plain lists."""
    write_text(Path(path), json_tricks.dumps(list(results), extra_obj_encoders=[_plain]) + "\n")


def read_results(path: Path) -> list[Record]:
    """Read a list of results; arrays that json_tricks encoded are accepted, keypoints come out as flat lists.

    The records themselves are checked by ``check_results``, which needs the annotations.
    Raises DataError for a file that is missing, cut short, or not a list.
    """
    path = Path(path)
    results = read_json(path, "results file")
    if not isinstance(results, list):
        raise DataError(
            f"results file {path} holds a {type(results).__name__}, not a list; give a COCO keypoint results JSON"
        )
    return [_decoded(record) if isinstance(record, dict) else record for record in results]


def check_results(
    results: Sequence[Any], images: Mapping[Any, Record], category_id: Any, joints: int, source: str
) -> list[Record]:
    """Return copies of results with ``category_id`` filled in; ``source`` opens the messages.

    images: those of the annotations by their ids. An image may be named by its id as text, or by its file name.

    Raises one DataError that names the first faulty records: an image id that the annotations do not have,
    another category, a missing or non-finite score, keypoints of another length than 3 K or not finite.
    """
    find, known = same_image(list(images.values())), set(images)
    faults = []
    results = [_brought_in_line(record, find) for record in results]
    for index, record in enumerate(results):
        problems = (
            _faults(record, known, category_id, joints) if isinstance(record, dict) else ["is not a dict"]
        )
        name = f"result at index {index}"
        if isinstance(record, dict) and "image_id" in record:
            name += f" (image_id {record['image_id']!r})"
        faults += [f"{name} {problem}" for problem in problems]
    raise_faults(source, faults, "check that it belongs to these annotations, or write it again")
    return [{"category_id": category_id, **record} for record in results]


def _brought_in_line(record: Any, find: Callable[[Any], Any]) -> Any:
    """A copy of a result with image_id and category_id as the annotations have them, where they mean the same."""
    if not isinstance(record, dict):
        return record
    result = dict(record)
    if "image_id" in record:
        result["image_id"] = find(record["image_id"])
    with contextlib.suppress(Meaningless):
        result["category_id"] = as_category(record["category_id"]) if "category_id" in record else None
    if result.get("category_id") is None:
        result.pop("category_id", None)
    return result


def write_metrics(path: Path, metrics: Mapping[str, Any]) -> None:
    """Write metrics.json: the ten COCO numbers in 0..1 (None: no such object), n_images, area, boxes, and more.

    Raises ValueError when one of these is missing or a number is not finite.
    """
    missing = [name for name in REQUIRED_METRICS if name not in metrics]
    if missing:
        raise ValueError(f"metrics lack {', '.join(missing)}")
    write_json(Path(path), dict(metrics))


def _plain(value: Any) -> Any:
    """Encoder for json_tricks: arrays and numpy numbers as any JSON reader expects them."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.item() if isinstance(value, np.generic) else value


def _decoded(record: Record) -> Record:
    record = {key: _decoded_value(value) for key, value in record.items()}
    if isinstance(record.get("keypoints"), np.ndarray):
        record["keypoints"] = record["keypoints"].ravel()
    return {key: _plain(value) for key, value in record.items()}


def _decoded_value(value: Any) -> Any:
    # only arrays are decoded: json_tricks' other hooks import and build whatever class a file names
    return json_numpy_obj_hook(value) if isinstance(value, dict) else value


def _faults(record: Record, known: set[Any], category_id: Any, joints: int) -> list[str]:
    faults = []
    image_id = record.get("image_id")
    if "image_id" not in record:
        faults.append("has no image_id")
    elif not isinstance(image_id, (int, str)) or image_id not in known:
        faults.append("is of a picture that the annotations do not have")
    if record.get("category_id", category_id) != category_id:
        faults.append(
            f"has the category_id {record['category_id']!r}; the annotations' person is {category_id!r}"
        )
    if "score" not in record:
        faults.append("has no score")
    elif not is_number(record["score"]):
        faults.append(f"has the score {record['score']!r}, not a finite number")
    fault = keypoint_fault(record, joints)
    return [*faults, fault] if fault else faults
