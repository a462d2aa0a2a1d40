"""One record a person, with its skeleton: COCO keypoint results, and SLEAP's predictions, written by sleap-io."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fidip.errors import DataError, require
from fidip.files import atomic_path, read_json
from fidip.predict.pose_file import PoseFile
from fidip.predict.poses import Poses
from fidip.predict.sources import name_key
from fidip.skeleton import Skeleton

PERSON = 1  # category id


def write_coco(
    poses: PoseFile,
    source: Path | None,
    out: Path,
    annotations: Path | None = None,
    skeleton: Skeleton | None = None,
) -> list[Path]:
    """Write NAME.coco.json, one result a person, and NAME.coco_images.json, the images without labels.

    Image ids are the frames' indices; with ``annotations``, the ids that this COCO JSON gives to their file
    names. A joint that was not seen is (0, 0, 0). score: mean of the joints that were. The result also has
    track_id, time_s and filled, the indices of joints that were put in, which other readers pass over.
    Raises DataError for an image that ``annotations`` do not have.
    """
    skeleton = skeleton or poses.skeleton
    image_id = _ids(poses, annotations)
    results, images = out / f"{poses.stem}.coco.json", out / f"{poses.stem}.coco_images.json"
    with (
        atomic_path(results) as first,
        atomic_path(images) as second,
        first.open("w", encoding="utf-8") as stream,
        second.open("w", encoding="utf-8") as listing,
    ):
        stream.write("[")
        listing.write(_opening(poses, skeleton))
        comma, between = "", ""
        for frame in poses:
            listing.write(between + json.dumps(_image(poses, frame, image_id(frame))))
            between = ",\n"
            for record in _results(frame, image_id(frame)):
                stream.write(comma + json.dumps(record, allow_nan=False))
                comma = ",\n"
        stream.write("]\n")
        listing.write("]}\n")
    return [results, images]


def _ids(poses: PoseFile, annotations: Path | None) -> Callable[[Poses], Any]:
    if annotations is None:
        return lambda frame: frame.index
    images = _images(annotations)
    key = name_key(image["file_name"] for image in images)
    ids = {key(image["file_name"]): image["id"] for image in images}

    def by_name(frame: Poses) -> Any:
        name = key(frame.name)
        if name not in ids:
            raise DataError(
                f"{poses.path}, frame {frame.index}: {annotations} has no image named {name!r}; "
                "leave the annotations out or give those of these pictures"
            )
        return ids[name]

    return by_name


def _images(annotations: Path) -> list[dict[str, Any]]:
    """The images that a COCO JSON lists; its labels are not looked at, as a file of boxes has none."""
    content = read_json(annotations, "annotation file")
    images = content.get("images") if isinstance(content, dict) else None
    if not isinstance(images, list) or not all(
        isinstance(i, dict) and "id" in i and isinstance(i.get("file_name"), str) for i in images
    ):
        raise DataError(
            f"annotation file {annotations} has no images with id and file_name; give a COCO JSON"
        )
    return images


def _results(frame: Poses, image_id: Any) -> list[dict[str, Any]]:
    records = []
    known, means = frame.known, frame.mean_scores()
    for i, track in enumerate(frame.track.tolist()):
        triples = [
            [round(float(x), 2), round(float(y), 2), round(float(s), 4)] if shown else [0.0, 0.0, 0.0]
            for (x, y), s, shown in zip(frame.keypoints[i], frame.scores[i], known[i], strict=True)
        ]
        records.append(
            {
                "image_id": image_id,
                "category_id": PERSON,
                "keypoints": [number for triple in triples for number in triple],
                "score": round(float(means[i]), 4),
                "track_id": track,
                "time_s": frame.time,
                "filled": frame.filled[i].nonzero()[0].tolist(),
            }
        )
    return records


def _opening(poses: PoseFile, skeleton: Skeleton) -> str:
    category = {
        "id": PERSON,
        "name": "person",
        "keypoints": list(skeleton.names),
        "skeleton": [[a + 1, b + 1] for a, b in skeleton.limbs],
    }
    info = {"description": f"frames of {poses.header.source}", "model": poses.header.model}
    head = json.dumps({"info": info, "categories": [category], "annotations": []})
    return head[:-1] + ', "images": ['


def _image(poses: PoseFile, frame: Poses, image_id: Any) -> dict[str, Any]:
    image = {"id": image_id, "file_name": frame.name or f"{poses.header.source}#{frame.index}"}
    width, height = poses.header.size
    return {**image, "width": width, "height": height} if width else image


def write_sleap(
    poses: PoseFile, source: Path | None, out: Path, skeleton: Skeleton | None = None
) -> list[Path]:
    """Write NAME.slp: predicted instances with tracks; joints without a place are missing.

    The video, or list of images, is named, not embedded, and looked for at ``source``. The whole recording is
    built up in memory, about 10 KB a frame and person. A joint that was put in by gap filling keeps the network's
    score. Raises ConfigError without sleap-io.
    """
    sleap = require("sleap_io", remedy="pip install sleap-io")
    shape = skeleton or poses.skeleton
    body = sleap.Skeleton(
        nodes=list(shape.names),
        edges=[(shape.names[a], shape.names[b]) for a, b in shape.limbs],
        symmetries=[(shape.names[a], shape.names[b]) for a, b in shape.flip_pairs],
        name=shape.name,
    )
    video = _sleap_video(sleap, poses, source)
    tracks: dict[int, Any] = {}
    frames = []
    for frame in poses:
        points = np.where(frame.known[..., None], frame.keypoints, np.nan)
        means, instances = frame.mean_scores(), []
        for i, number in enumerate(frame.track.tolist()):
            instance = sleap.PredictedInstance.from_numpy(
                points[i],
                skeleton=body,
                point_scores=frame.scores[i],
                score=float(means[i]),
                track=tracks.setdefault(number, sleap.Track(f"track{number}")),
                tracking_score=1.0,
            )
            instances.append(instance)
        if instances:
            frames.append(sleap.LabeledFrame(video=video, frame_idx=frame.index, instances=instances))
    labels = sleap.Labels(
        frames, videos=[video], skeletons=[body], tracks=[tracks[key] for key in sorted(tracks)]
    )
    labels.provenance |= {"source": poses.header.source, "model": poses.header.model}
    path = out / f"{poses.stem}.slp"
    with atomic_path(path) as temporary:
        # sleap-io goes by the ending
        renamed = temporary.with_suffix(".slp")
        try:
            sleap.save_slp(labels, str(renamed), verbose=False)
            renamed.replace(temporary)
        finally:
            renamed.unlink(missing_ok=True)
    return [path]


def _sleap_video(sleap: Any, poses: PoseFile, source: Path | None) -> Any:
    """The source by name. What a reader of files would say about it is said here, as it need not be at hand."""
    width, height = poses.header.size
    facts: dict[str, Any] = {"grayscale": False}
    names: str | list[str]
    if poses.of_images():
        folder = source if source is None or source.is_dir() else source.parent
        names = [str(folder / frame.name) if folder else frame.name for frame in poses]
        facts |= {"type": "ImageVideo", "filename": names[0], "filenames": names}
    else:
        names = str(source) if source is not None else poses.header.source
        facts |= {"type": "MediaVideo", "filename": names, "fps": poses.header.rate}
    if width:
        facts["shape"] = (sum(1 for _ in poses), height, width, 3)
    return sleap.Video(names, backend=None, backend_metadata=facts, open_backend=False)
