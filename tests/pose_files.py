"""Poses and files of poses for tests, from arrays."""

import numpy as np

from fidip.predict.pose_file import Header, PoseFile, frame_line, header_line
from fidip.predict.poses import Poses
from fidip.skeleton import COCO17


def write_frames(path, frames, joints=COCO17.names, size=(320, 240), rate=25.0, source="clip.mp4"):
    """Write frames as they are."""
    header = Header(source, tuple(joints), size, rate, "0123abcd")
    path.write_text(header_line(header) + "".join(map(frame_line, frames)))
    return PoseFile(path)


def write_poses(path, times, xy, score=None, present=None, track=0, **header):
    """One person: times (N,), xy (N, K, 2), score (N, K), present (N,); None: all 0.9 and all there."""
    xy = np.asarray(xy, dtype=float)
    score = np.full(xy.shape[:2], 0.9) if score is None else score
    present = np.ones(len(xy), dtype=bool) if present is None else present
    frames = [
        frame_of(place, float(time), (person_at(xy[place], score[place], track),) if present[place] else ())
        for place, time in enumerate(times)
    ]
    return write_frames(path, frames, **header)


def skeleton_for(count):
    """The skeleton of COCO, or one of another number of joints without names."""
    return COCO17 if count == 17 else Header("", tuple(f"j{k}" for k in range(count)), (0, 0), 0, "").skeleton


def frame_of(index, time, persons=(), name=""):
    """A frame of persons, each Poses of one."""
    skeleton = persons[0].skeleton if len(persons) else COCO17
    return Poses.nobody(skeleton, index=index, time=time, name=name).joined(list(persons))


def person_at(xy, score, track=0, box_from="detector", filled=(), box=None):
    """Poses of one person, boxed by its joints unless there is a box."""
    xy = np.asarray(xy, float)
    low, high = xy.min(axis=0), xy.max(axis=0)
    box = np.concatenate([low, high - low]) if box is None else np.asarray(box, float)
    put_in = np.isin(np.arange(len(xy)), filled)[None]
    return Poses(xy[None], np.asarray(score, float)[None], box[None], skeleton_for(len(xy)), track=np.array([track]),
                 box_from=(box_from,), filled=put_in)  # fmt: skip


def read_xy(poses):
    """(times, xy (N, K, 2), score, filled) of the one person of every frame."""
    frames = list(poses)
    return (
        np.array([frame.time for frame in frames]),
        np.stack([frame.keypoints[0] for frame in frames]),
        np.stack([frame.scores[0] for frame in frames]),
        np.stack([frame.filled[0] for frame in frames]),
    )
