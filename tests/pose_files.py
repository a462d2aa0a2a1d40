"""Files of poses for tests, from arrays."""

import numpy as np

from fidip.predict.frames import Frame, Header, Person, PoseFile, frame_line, header_line
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
        Frame(
            place, float(time), (person_at(xy[place], score[place], track),) if present[place] else (),
        )
        for place, time in enumerate(times)
    ]  # fmt: skip
    return write_frames(path, frames, **header)


def person_at(xy, score, track=0, box_from="detector", filled=()):
    low, high = xy.min(axis=0), xy.max(axis=0)
    return Person(np.asarray(xy, float), np.asarray(score, float), np.concatenate([low, high - low]), box_from, track,
                  np.isin(np.arange(len(xy)), filled))  # fmt: skip


def read_xy(poses):
    """(times, xy (N, K, 2), score, filled) of the one person of every frame."""
    frames = list(poses)
    persons = [frame.persons[0] for frame in frames]
    return (
        np.array([frame.time for frame in frames]),
        np.stack([person.xy for person in persons]),
        np.stack([person.score for person in persons]),
        np.stack([person.filled for person in persons]),
    )
