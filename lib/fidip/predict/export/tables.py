"""Tables: tidy CSV and Parquet, one row for each keypoint, and DeepLabCut's HDF5 and CSV, one row for each frame."""

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from fidip.errors import DataError, require
from fidip.files import atomic_path
from fidip.predict.pose_file import PoseFile
from fidip.predict.poses import MIN_SCORE, Poses

CHUNK = 1000  # frames written at once
COLUMNS = ("frame", "time_s", "track", "joint", "x", "y", "score", "visible", "interpolated")
KEY = "df_with_missing"  # the table's name in DeepLabCut's HDF5 file
COORDS = ("x", "y", "likelihood")
TRACKED = "_el"  # ending of files with several individuals, by which DeepLabCut finds them
FILTERED = "_filtered"  # ending of files that were smoothed
MAX_COLUMNS = 1600  # an HDF5 table keeps their names in 64 KiB

Row = tuple[int, float, int, str, float | None, float | None, float, bool, bool]


def rows(frame: Poses, min_score: float = MIN_SCORE) -> Iterator[Row]:
    """Yield rows of ``COLUMNS``; x and y (image px) are None for a keypoint that has no place.

    visible: the network saw the keypoint, with ``min_score`` at least. interpolated: it was put in by gap filling.
    """
    known, seen = frame.known, frame.seen(min_score)
    for i, track in enumerate(frame.track.tolist()):
        for k, joint in enumerate(frame.names):
            x, y = (round(float(value), 2) if known[i, k] else None for value in frame.keypoints[i, k])
            score = round(float(frame.scores[i, k]), 4)
            yield (
                frame.index,
                frame.time,
                track,
                joint,
                x,
                y,
                score,
                bool(seen[i, k]),
                bool(frame.filled[i, k]),
            )


def write_csv(poses: PoseFile, source: Path | None, out: Path, min_score: float = MIN_SCORE) -> list[Path]:
    """Write NAME.csv with ``COLUMNS``; of images also their file name, last. Truths are 0 and 1."""
    path, with_name = out / f"{poses.stem}.csv", poses.of_images()
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow((*COLUMNS, "name") if with_name else COLUMNS)
        for frame in poses:
            for *numbers, visible, interpolated in rows(frame, min_score):
                row = (*numbers, int(visible), int(interpolated))
                writer.writerow((*row, frame.name) if with_name else row)
    return [path]


def write_parquet(
    poses: PoseFile, source: Path | None, out: Path, min_score: float = MIN_SCORE
) -> list[Path]:
    """Write NAME.parquet with the columns of the CSV. Raises ConfigError without pyarrow."""
    arrow, parquet = require("pyarrow", "media"), require("pyarrow.parquet", "media")
    path, with_name = out / f"{poses.stem}.parquet", poses.of_images()
    schema = _schema(arrow, poses, with_name)
    with (
        atomic_path(path) as temporary,
        parquet.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        for chunk in chunks(poses):
            table = [
                (*row, frame.name) if with_name else row for frame in chunk for row in rows(frame, min_score)
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


def write_dlc(
    poses: PoseFile, source: Path | None, out: Path, tracks: Sequence[int] | None = None
) -> list[Path]:
    """Write NAMEDLC_fidip_MODEL.h5 and .csv as DeepLabCut names them; several individuals end in _el,
    smoothed poses in _filtered.

    Columns: scorer, individuals (unless there is one), bodyparts, coords (x, y in image px, likelihood). A row
    for every frame number from 0; NaN where a joint has no place. A joint that was put in by gap filling keeps
    the network's likelihood. tracks: which ones, by default all.
    Raises ConfigError without pandas and tables, DataError for more tracks than fit or two of one number.
    """
    require("tables", remedy="pip install 'fidip[media]' (the package is called tables)")
    pandas = require("pandas", "media")
    tracks = (
        sorted({track for frame in poses for track in frame.track.tolist()})
        if tracks is None
        else list(tracks)
    )
    tracks = tracks or [0]
    joints = poses.header.joints
    if len(tracks) * len(joints) * len(COORDS) > MAX_COLUMNS:
        raise DataError(
            f"{poses.path}: {len(tracks)} tracks are more than an HDF5 table can name; "
            "choose some of them, or export csv or parquet"
        )
    scorer = "DLC_fidip_" + re.sub(r"[^\w-]", "_", poses.header.model)
    video, smooth, _ = poses.stem.partition(".smooth")
    name = video + scorer + (TRACKED if len(tracks) > 1 else "") + (FILTERED if smooth else "")
    columns = _columns(pandas, scorer, tracks, joints)
    paths = [out / f"{name}.h5", out / f"{name}.csv"]
    with (
        atomic_path(paths[0]) as first,
        atomic_path(paths[1]) as second,
        closing(pandas.HDFStore(first, mode="w")) as store,
        second.open("w", encoding="utf-8", newline="") as stream,
    ):
        header = True
        for start, block in _blocks(poses, tracks):
            table = pandas.DataFrame(block, columns=columns, index=range(start, start + len(block)))
            store.append(KEY, table, format="table")
            table.to_csv(stream, header=header, lineterminator="\n")
            header = False
        if header:  # not a single frame
            pandas.DataFrame(columns=columns, dtype=float).to_csv(stream, lineterminator="\n")
    return paths


def _columns(pandas: Any, scorer: str, tracks: Sequence[int], joints: Sequence[str]) -> Any:
    if len(tracks) == 1:
        return pandas.MultiIndex.from_product(
            [[scorer], joints, COORDS], names=["scorer", "bodyparts", "coords"]
        )
    return pandas.MultiIndex.from_product(
        [[scorer], [f"track{track}" for track in tracks], joints, COORDS],
        names=["scorer", "individuals", "bodyparts", "coords"],
    )


def _blocks(poses: PoseFile, tracks: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
    """First frame number and rows (n, tracks x K x 3) of consecutive frames, also those that the file lacks."""
    width, after = len(tracks) * len(poses.header.joints) * len(COORDS), 0
    for chunk in chunks(poses):
        block = np.full((chunk[-1].index + 1 - after, width), np.nan)
        for frame in chunk:
            block[frame.index - after] = _row(poses, frame, tracks)
        yield after, block
        after = chunk[-1].index + 1


def _row(poses: PoseFile, frame: Poses, tracks: Sequence[int]) -> np.ndarray:
    found, known = poses.rows_by_track(frame), frame.known
    row = np.full((len(tracks), len(frame.names), len(COORDS)), np.nan)
    for place, track in enumerate(tracks):
        if track in found:
            i = found[track]
            row[place, :, :2] = np.where(known[i][:, None], np.round(frame.keypoints[i], 2), np.nan)
            row[place, :, 2] = np.round(frame.scores[i], 4)
    return row.ravel()


def chunks(poses: PoseFile) -> Iterator[list[Poses]]:
    """Yield frames in lists of up to ``CHUNK``; no empty list."""
    chunk: list[Poses] = []
    for frame in poses:
        chunk.append(frame)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
