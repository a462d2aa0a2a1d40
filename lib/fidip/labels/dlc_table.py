"""DeepLabCut's label tables on disk: CSV, and the HDF5 that pandas writes, read without unpickling anything."""

import csv
import importlib
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fidip.errors import DataError
from fidip.files import atomic_path

KEY = "df_with_missing"  # of the table in the HDF5 file
_LEVELS = ("scorer", "individuals", "bodyparts", "coords")


@dataclass(frozen=True)
class LabelTable:
    """Labels. columns: (individual or "", bodypart, "x" or "y") each. frames: names. values (N, C): px, NaN missing."""

    columns: list[tuple[str, str, str]]
    frames: list[str]
    values: np.ndarray


def read_csv_table(path: Path) -> LabelTable:
    """Read a CSV with three or four header lines; the frame's name is in the first column or the first three.

    Raises DataError with the line for anything else.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except FileNotFoundError as error:
        raise DataError(f"DeepLabCut file {path} does not exist; check the path") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"DeepLabCut file {path} cannot be read as CSV ({error}); write it again") from error
    header = [row for row in rows[:4] if row[0] in _LEVELS]
    titles = [row[0] for row in header]
    if titles not in (["scorer", "bodyparts", "coords"], list(_LEVELS)):
        raise DataError(
            f"DeepLabCut file {path} does not begin with the lines scorer, bodyparts, coords: give CollectedData_*.csv"
        )
    index = 1
    while index < len(header[0]) and not header[0][index]:
        index += 1
    width = len(header[0])
    named = dict(zip(titles, (row[index:] for row in header), strict=True))
    frames, values = [], []
    for number, row in enumerate(rows[len(header) :], start=len(header) + 1):
        if len(row) != width or any(len(line) != width for line in header):
            raise DataError(
                f"DeepLabCut file {path}, line {number}: {len(row)} cells instead of {width}; write it again"
            )
        frames.append("/".join(row[:index]))
        values.append([_value(cell, path, number) for cell in row[index:]])
    individuals = named.get("individuals", [""] * (width - index))
    columns = list(zip(individuals, named["bodyparts"], named["coords"], strict=True))
    return LabelTable(columns, frames, np.array(values, dtype=float).reshape(len(frames), len(columns)))


def _value(cell: str, path: Path, number: int) -> float:
    try:
        value = float(cell) if cell.strip() else math.nan
    except ValueError as error:
        raise DataError(
            f"DeepLabCut file {path}, line {number}: {cell!r} is no number; correct it"
        ) from error
    if math.isinf(value):
        raise DataError(f"DeepLabCut file {path}, line {number}: {cell!r} is not finite; correct it")
    return value


def read_h5_table(path: Path) -> LabelTable:
    """Read a table in pandas' "fixed" format, as DeepLabCut writes it. Raises DataError for any other file."""
    h5py = _import("h5py")
    if not path.is_file():
        raise DataError(f"DeepLabCut file {path} does not exist; check the path")
    try:
        with h5py.File(path, "r") as file:
            return _fixed_table(file[KEY])
    except (OSError, KeyError, ValueError, IndexError, TypeError, UnicodeDecodeError) as error:
        raise DataError(
            f"DeepLabCut file {path} has no table {KEY} as DeepLabCut writes it ({error}): give the CSV beside it"
        ) from error


def _fixed_table(group: Any) -> LabelTable:
    frames = ["/".join(parts) for parts in _axis(group, "axis1")]
    columns: list[tuple[str, str, str]] = []
    blocks = []
    for number in range(int(group.attrs["nblocks"])):
        values = group[f"block{number}_values"]
        if values.dtype.kind not in "fiu":
            raise ValueError("a column holds no numbers")
        for parts in _axis(group, f"block{number}_items"):
            individual, bodypart, coordinate = ("", *parts[-2:]) if len(parts) == 3 else parts[-3:]
            columns.append((individual, bodypart, coordinate))
        blocks.append(np.asarray(values, dtype=float).reshape(len(frames), -1))
    table = np.concatenate(blocks, axis=1)
    if table.shape[1] != len(columns) or np.isinf(table).any():
        raise ValueError("columns and values differ in number, or a value is infinite")
    return LabelTable(columns, frames, table)


def _axis(group: Any, name: str) -> list[tuple[str, ...]]:
    """Labels of rows or columns, each with its levels."""
    if name in group:
        return [(_text(value),) for value in group[name][()]]
    levels = int(group.attrs[f"{name}_nlevels"])
    parts = []
    for level in range(levels):
        values = [_text(value) for value in group[f"{name}_level{level}"][()]]
        parts.append(
            [values[code] if code >= 0 else "" for code in group[f"{name}_label{level}"][()].tolist()]
        )
    return list(zip(*parts, strict=True))


def _text(value: Any) -> str:
    if not isinstance(value, bytes):
        raise TypeError("a label is no text")
    return value.decode("utf-8")


def write_h5_table(
    path: Path, header: Sequence[tuple[str, ...]], frames: Sequence[tuple[str, ...]], values: np.ndarray
) -> None:
    """Write values (N, C) as DeepLabCut does, or nothing. header: levels of each column. frames: parts of each name."""
    pandas = _import("pandas")
    _import("tables")
    titles = [level for level in _LEVELS if level != "individuals" or len(header[0]) == 4]
    columns = pandas.MultiIndex.from_tuples(list(header), names=titles)
    table = pandas.DataFrame(values, index=pandas.MultiIndex.from_tuples(list(frames)), columns=columns)
    with atomic_path(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of speed, for labels of a few pictures
        table.to_hdf(temporary, key=KEY, mode="w")


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise DataError(f"DeepLabCut's .h5 needs the package {name}: install it, or use the CSV") from error
