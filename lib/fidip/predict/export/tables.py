"""Tidy tables, one row for each joint of each person in each frame: CSV and Parquet."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fidip.files import atomic_path
from fidip.predict.export.naming import chunks, named, require, stem
from fidip.predict.frames import Frame, PoseFile
from fidip.predict.tracks import MIN_SCORE, known, seen

COLUMNS = ("frame", "time_s", "track", "joint", "x", "y", "score", "visible", "interpolated")

Row = tuple[int, float, int, str, float | None, float | None, float, bool, bool]


def rows(frame: Frame, joints: tuple[str, ...], min_score: float = MIN_SCORE) -> Iterator[Row]:
    """Rows of ``COLUMNS``; x and y (image px) are None for a joint that has no place.

    visible: the network saw the joint, with ``min_score`` at least. interpolated: it was put in by gap filling.
    """
    for person in frame.persons:
        there, visible = known(person), seen(person, min_score)
        for k, joint in enumerate(joints):
            x, y = (
                (round(float(person.xy[k, 0]), 2), round(float(person.xy[k, 1]), 2))
                if there[k]
                else (None, None)
            )
            score = round(float(person.score[k]), 4)
            yield (
                frame.index,
                frame.time,
                person.track,
                joint,
                x,
                y,
                score,
                bool(visible[k]),
                bool(person.filled[k]),
            )


def write_csv(poses: PoseFile, source: Path | None, out: Path, min_score: float = MIN_SCORE) -> list[Path]:
    """Write NAME.csv with ``COLUMNS``; of pictures also their file name, last. Truths are 0 and 1."""
    path, with_name = out / f"{stem(poses)}.csv", named(poses)
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow((*COLUMNS, "name") if with_name else COLUMNS)
        for frame in poses:
            for *numbers, visible, interpolated in rows(frame, poses.header.joints, min_score):
                row = (*numbers, int(visible), int(interpolated))
                writer.writerow((*row, frame.name) if with_name else row)
    return [path]


def write_parquet(
    poses: PoseFile, source: Path | None, out: Path, min_score: float = MIN_SCORE
) -> list[Path]:
    """Write NAME.parquet with the columns of the CSV. Raises ConfigError without pyarrow."""
    arrow, parquet = require("pyarrow"), require("pyarrow.parquet")
    path, with_name = out / f"{stem(poses)}.parquet", named(poses)
    schema = _schema(arrow, poses, with_name)
    with (
        atomic_path(path) as temporary,
        parquet.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        for chunk in chunks(poses):
            table = [
                (*row, frame.name) if with_name else row
                for frame in chunk
                for row in rows(frame, poses.header.joints, min_score)
            ]
            columns = list(zip(*table, strict=True)) or [()] * len(schema)
            arrays = [arrow.array(c, field.type) for c, field in zip(columns, schema, strict=True)]
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))
    return [path]


def _schema(arrow: Any, poses: PoseFile, with_name: bool) -> Any:
    whole, number, text, truth = arrow.int64(), arrow.float64(), arrow.string(), arrow.bool_()
    types = (whole, number, whole, text, number, number, number, truth, truth)
    fields = list(zip(COLUMNS, types, strict=True)) + ([("name", text)] if with_name else [])
    facts = {"source": poses.header.source, "model": poses.header.model}
    return arrow.schema(fields, metadata=facts)
