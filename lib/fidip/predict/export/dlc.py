"""DeepLabCut's tables of analysed videos: HDF5 and CSV, of one individual or several."""

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from fidip.errors import DataError
from fidip.files import atomic_path
from fidip.predict.export.naming import chunks, require, stem
from fidip.predict.frames import Frame, PoseFile
from fidip.predict.tracks import by_track, known

KEY = "df_with_missing"  # the table's name in the HDF5 file
COORDS = ("x", "y", "likelihood")
TRACKED = "_el"  # ending of files with several individuals, by which DeepLabCut finds them
FILTERED = "_filtered"  # ending of files that were smoothed
MAX_COLUMNS = 1600  # an HDF5 table keeps their names in 64 KiB


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
    require("tables", "pip install 'fidip[media]' (the package is called tables)")
    pandas = require("pandas")
    tracks = sorted({p.track for f in poses for p in f.persons}) if tracks is None else list(tracks)
    tracks = tracks or [0]
    joints = poses.header.joints
    if len(tracks) * len(joints) * len(COORDS) > MAX_COLUMNS:
        raise DataError(
            f"{poses.path}: {len(tracks)} tracks are more than an HDF5 table can name; "
            "choose some of them, or export csv or parquet"
        )
    scorer = "DLC_fidip_" + re.sub(r"[^\w-]", "_", poses.header.model)
    video, smooth, _ = stem(poses).partition(".smooth")
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


def _row(poses: PoseFile, frame: Frame, tracks: Sequence[int]) -> np.ndarray:
    persons = by_track(poses, frame)
    row = np.full((len(tracks), len(poses.header.joints), len(COORDS)), np.nan)
    for place, track in enumerate(tracks):
        if track in persons:
            person = persons[track]
            row[place, :, :2] = np.where(known(person)[:, None], np.round(person.xy, 2), np.nan)
            row[place, :, 2] = np.round(person.score, 4)
    return row.ravel()
