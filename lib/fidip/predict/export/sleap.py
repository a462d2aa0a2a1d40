"""SLEAP's predictions, written by sleap-io."""

from pathlib import Path
from typing import Any

import numpy as np

from fidip.files import atomic_path
from fidip.predict.export.naming import named, person_score, require, skeleton_of, stem
from fidip.predict.frames import Person, PoseFile
from fidip.predict.tracks import known
from fidip.skeleton import Skeleton


def write_sleap(
    poses: PoseFile, source: Path | None, out: Path, skeleton: Skeleton | None = None
) -> list[Path]:
    """Write NAME.slp: predicted instances with tracks; joints without a place are missing.

    The video, or list of pictures, is named, not embedded, and looked for at ``source``. The whole recording is
    built up in memory, about 10 KB a frame and person. A joint that was put in by gap filling keeps the network's
    score. Raises ConfigError without sleap-io.
    """
    sleap = require("sleap_io", "pip install sleap-io")
    shape = skeleton or skeleton_of(poses.header)
    body = sleap.Skeleton(
        nodes=list(shape.names),
        edges=[(shape.names[a], shape.names[b]) for a, b in shape.limbs],
        symmetries=[(shape.names[a], shape.names[b]) for a, b in shape.flip_pairs],
        name=shape.name,
    )
    video = _video(sleap, poses, source)
    tracks: dict[int, Any] = {}
    frames = []
    for frame in poses:
        instances = []
        for person in frame.persons:
            track = tracks.setdefault(person.track, sleap.Track(f"track{person.track}"))
            instances.append(_instance(sleap, person, body, track))
        if instances:
            frames.append(sleap.LabeledFrame(video=video, frame_idx=frame.index, instances=instances))
    labels = sleap.Labels(
        frames, videos=[video], skeletons=[body], tracks=[tracks[key] for key in sorted(tracks)]
    )
    labels.provenance |= {"source": poses.header.source, "model": poses.header.model}
    path = out / f"{stem(poses)}.slp"
    with atomic_path(path) as temporary:
        # sleap-io goes by the ending
        renamed = temporary.with_suffix(".slp")
        try:
            sleap.save_slp(labels, str(renamed), verbose=False)
            renamed.replace(temporary)
        finally:
            renamed.unlink(missing_ok=True)
    return [path]


def _video(sleap: Any, poses: PoseFile, source: Path | None) -> Any:
    """The source by name. What a reader of files would say about it is said here, as it need not be at hand."""
    width, height = poses.header.size
    facts: dict[str, Any] = {"grayscale": False}
    names: str | list[str]
    if named(poses):
        folder = source if source is None or source.is_dir() else source.parent
        names = [str(folder / frame.name) if folder else frame.name for frame in poses]
        facts |= {"type": "ImageVideo", "filename": names[0], "filenames": names}
    else:
        names = str(source) if source is not None else poses.header.source
        facts |= {"type": "MediaVideo", "filename": names, "fps": poses.header.rate}
    if width:
        facts["shape"] = (sum(1 for _ in poses), height, width, 3)
    return sleap.Video(names, backend=None, backend_metadata=facts, open_backend=False)


def _instance(sleap: Any, person: Person, skeleton: Any, track: Any) -> Any:
    points = np.where(known(person)[:, None], person.xy, np.nan)
    return sleap.PredictedInstance.from_numpy(
        points,
        skeleton=skeleton,
        point_scores=person.score,
        score=person_score(person),
        track=track,
        tracking_score=1.0,
    )
