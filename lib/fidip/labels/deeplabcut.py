"""DeepLabCut: CollectedData_<scorer>.csv or .h5, of one animal or several ("individuals").

A joint is labelled or missing: hidden joints (visibility 1) become visible ones (2). There are no boxes, sizes and ids:
a box is made around the joints, sizes come from the pictures, ids count on. Positions are px, 0 at the first pixel's
centre, as here. The folder of a frame becomes its ``image_source``.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from fidip.errors import DataError
from fidip.files import write_text
from fidip.labels.collect import DIGITS, VISIBLE, Collector, FoundPerson, FoundPicture
from fidip.labels.dlc_table import LabelTable, read_csv_table, read_h5_table, write_h5_table
from fidip.skeleton import Skeleton

INDIVIDUAL = "individual"  # field of a person that keeps its name


def read_deeplabcut(path: Path, collector: Collector) -> dict[str, Any]:
    """A label file, or all CollectedData_* below a folder. Raises DataError that names file and frame."""
    if collector.pictures.folder is None:
        raise DataError(
            f"{collector.source} says nothing of the pictures' size: name their folder with --images"
        )
    for number, (name, persons) in enumerate(_frames(path, collector), start=1):
        with collector.record(f"frame {name!r}"):
            located, size = collector.pictures.locate([name], None)
            folders = PurePosixPath(name.replace("\\", "/")).parent.name
            fields = {"image_source": folders} if folders else {}
            collector.add(FoundPicture(located, size, persons, number, fields))
    return collector.data()


def label_files(path: Path) -> list[Path]:
    """The file itself, or those below a folder; of a CSV and an HDF5 file of one name the CSV."""
    if not path.is_dir():
        return [path]
    files = sorted([*path.rglob("CollectedData_*.csv"), *path.rglob("CollectedData_*.h5")])
    if not files:
        raise DataError(f"{path} has no file CollectedData_*.csv or .h5; give the folder labeled-data")
    return [file for file in files if file.suffix == ".csv" or file.with_suffix(".csv") not in files]


def _frames(path: Path, collector: Collector) -> Iterator[tuple[str, list[FoundPerson]]]:
    for file in label_files(path):
        table = read_h5_table(file) if file.suffix in (".h5", ".hdf5") else read_csv_table(file)
        columns = _columns(table, file, collector)
        for name, row in zip(table.frames, table.values, strict=True):
            persons: list[FoundPerson] = []
            with collector.record(f"frame {name!r}"):
                persons = _persons(row, columns, collector)
            yield name, persons


Columns = dict[str, list[tuple[int, str, int, int]]]  # individual -> joint, its name, columns of x and y


def _columns(table: LabelTable, file: Path, collector: Collector) -> Columns:
    """Where each individual's joints are. Raises DataError for a joint without x or y and for predictions."""
    places: dict[tuple[str, str], dict[str, int]] = {}
    for number, (individual, bodypart, coordinate) in enumerate(table.columns):
        axes = places.setdefault((individual, bodypart), {})
        if coordinate not in ("x", "y") or coordinate in axes:
            raise DataError(
                f"{file}: column {number + 1} is {coordinate!r} of {bodypart!r}, once x and y are wanted: "
                "give labels (CollectedData_*), not predictions"
            )
        axes[coordinate] = number
    columns: Columns = {}
    for (individual, bodypart), axes in places.items():
        if len(axes) < 2:
            raise DataError(f"{file}: {bodypart!r} lacks x or y; write the file again")
        with collector.record(f"{file.name}:"):
            index = collector.joint(bodypart)
            if index is not None:
                columns.setdefault(individual, []).append((index, bodypart, axes["x"], axes["y"]))
    return columns


def _persons(row: np.ndarray, columns: Columns, collector: Collector) -> list[FoundPerson]:
    persons = []
    for individual, joints in columns.items():
        keypoints = collector.nothing()
        for index, name, x, y in joints:
            known = np.isfinite([row[x], row[y]])
            if known.any() != known.all():
                raise DataError(f"has only one of x and y of {name}: label it again")
            if known.all():
                keypoints[index] = row[x], row[y], VISIBLE
        if keypoints[:, 2].any():
            persons.append(FoundPerson(keypoints, None, {INDIVIDUAL: individual} if individual else {}))
    return persons


def write_deeplabcut(data: dict[str, Any], skeleton: Skeleton, path: Path) -> list[str]:
    """Write CollectedData_<scorer>.csv or .h5, with individuals where a picture has several. Returns what is lost."""
    scorer = path.stem.removeprefix("CollectedData_")
    if path.suffix not in (".csv", ".h5") or not path.stem.startswith("CollectedData_") or not scorer:
        raise DataError(
            f"{path} must be called CollectedData_NAME.csv or .h5, NAME being the scorer of the project"
        )
    persons = {image["id"]: _labelled(data, image["id"]) for image in data["images"]}
    images = [image for image in data["images"] if persons[image["id"]]]
    if not images:
        raise DataError(f"{path}: there is no person with a labelled joint to write")
    names = _individuals(list(persons.values()))
    header = [
        (scorer, *((name,) if name else ()), joint, axis)
        for name in names
        for joint in skeleton.names
        for axis in "xy"
    ]
    frames = [_frame_name(image["file_name"], path) for image in images]
    rows = [_row(persons[image["id"]], names, skeleton) for image in images]
    if path.suffix == ".h5":
        write_h5_table(path, header, frames, np.array(rows, dtype=float).reshape(len(frames), len(header)))
    else:
        write_text(path, _csv_text(header, frames, rows))
    return _lost(data, persons)


def _labelled(data: dict[str, Any], image_id: int) -> list[dict[str, Any]]:
    return [
        a
        for a in data["annotations"]
        if a["image_id"] == image_id and any(a["keypoints"][2::3]) and not a.get("iscrowd")
    ]


def _individuals(persons: Sequence[Sequence[dict[str, Any]]]) -> list[str]:
    """Names of the individuals, [""] for the layout of one animal. Unnamed persons are numbered in their picture."""
    named = [a[INDIVIDUAL] for group in persons for a in group if a.get(INDIVIDUAL)]
    if not named and max(map(len, persons), default=0) <= 1:
        return [""]
    numbered = [name for group in persons for name in _names(group)]
    return sorted(dict.fromkeys([*named, *numbered]), key=lambda name: (len(name), name))


def _names(group: Sequence[dict[str, Any]]) -> list[str]:
    """A name for each person of a picture: its own, else the first number that is free."""
    taken = {a[INDIVIDUAL] for a in group if a.get(INDIVIDUAL)}
    free = (f"individual{n}" for n in range(1, 2 * len(group) + 1) if f"individual{n}" not in taken)
    return [a.get(INDIVIDUAL) or next(free) for a in group]


def _row(group: Sequence[dict[str, Any]], names: Sequence[str], skeleton: Skeleton) -> list[float]:
    by_name = dict(zip(_names(group) if names != [""] else [""], group, strict=False))
    row: list[float] = []
    for name in names:
        flat = by_name[name]["keypoints"] if name in by_name else [0] * (3 * skeleton.num_joints)
        for x, y, visibility in zip(flat[::3], flat[1::3], flat[2::3], strict=True):
            row += [round(float(x), DIGITS), round(float(y), DIGITS)] if visibility else [np.nan, np.nan]
    return row


def _frame_name(file_name: str, path: Path) -> tuple[str, str, str]:
    """labeled-data, video, picture, as DeepLabCut indexes frames."""
    name = PurePosixPath(file_name)
    return "labeled-data", name.parent.name or path.resolve().parent.name, name.name


def _csv_text(
    header: Sequence[tuple[str, ...]], frames: Sequence[tuple[str, str, str]], rows: Sequence[Sequence[float]]
) -> str:
    titles = ["scorer", "individuals", "bodyparts", "coords"]
    if len(header[0]) == 3:
        titles.remove("individuals")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for level, title in enumerate(titles):
        writer.writerow([title, "", "", *(column[level] for column in header)])
    for frame, row in zip(frames, rows, strict=True):
        writer.writerow([*frame, *("" if np.isnan(value) else repr(value) for value in row)])
    return text.getvalue()


def _lost(data: dict[str, Any], persons: dict[Any, list[dict[str, Any]]]) -> list[str]:
    kept = sum(map(len, persons.values()))
    hidden = sum(v == 1 for group in persons.values() for a in group for v in a["keypoints"][2::3])
    lost = ["boxes, areas and ids are lost", "picture sizes, posture and is_synthetic are lost"]
    if len(folders := {PurePosixPath(image["file_name"]).parent for image in data["images"]}) > 1:
        lost.append(
            f"pictures of {len(folders)} folders stand in one file, of which DeepLabCut wants one a video"
        )
    if hidden:
        lost.append(f"{hidden} hidden joints become visible ones")
    if empty := sum(not group for group in persons.values()):
        lost.append(f"{empty} pictures without a labelled joint are left out")
    if kept < len(data["annotations"]):
        lost.append(f"{len(data['annotations']) - kept} crowds and persons without a joint are lost")
    return lost
