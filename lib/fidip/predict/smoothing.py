"""Smooth the joints of a recording and fill its short gaps; long gaps stay gaps."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.interpolate import PchipInterpolator

from fidip.errors import ConfigError
from fidip.files import atomic_path
from fidip.predict.frames import Frame, Person, PoseFile, frame_line, header_line
from fidip.predict.local_fit import local_fit
from fidip.predict.one_euro import OneEuro
from fidip.predict.tracks import MIN_SCORE, Track, by_track, read_recording

__all__ = ["METHODS", "OneEuro", "Smoothing", "smooth_file"]


@dataclass(frozen=True)
class Smoothing:
    """How to smooth.

    window: s, and order: of the local polynomials (Savitzky-Golay). max_gap: s, longest distance of two seen
    samples that is bridged. min_score: joints scored lower are not seen. min_cutoff, beta: of ``OneEuro``.
    Raises ConfigError for a number that makes no sense.
    """

    window: float = 0.4
    order: int = 3
    max_gap: float = 0.25
    min_score: float = MIN_SCORE
    min_cutoff: float = 1.0
    beta: float = 0.02

    def __post_init__(self) -> None:
        wrong = [name for name in ("window", "min_cutoff") if not getattr(self, name) > 0]
        wrong += [name for name in ("order", "max_gap", "min_score", "beta") if not getattr(self, name) >= 0]
        if wrong:
            raise ConfigError(f"smoothing: {', '.join(wrong)} is too small; leave it out to get the default")
        object.__setattr__(self, "order", int(self.order))  # an option may come as 3.0


def smooth_file(poses: PoseFile, out: Path, method: str = "savgol", **options: float) -> PoseFile:
    """Write a smoothed copy of ``poses`` to ``out``, whole or not at all, and return it.

    method: "savgol" (offline: local polynomials on the frames' own times, short gaps filled, long gaps emptied)
    or "one-euro" (as online: no look ahead, nothing filled). options: those of ``Smoothing``.
    Raises ConfigError for an unknown method or option, DataError for pictures or times that do not increase.
    """
    if method not in METHODS:
        raise ConfigError(f"unknown smoothing {method!r}; choose from {', '.join(sorted(METHODS))}")
    unknown = sorted(set(options) - set(Smoothing.__dataclass_fields__))
    if unknown:
        choices = ", ".join(Smoothing.__dataclass_fields__)
        raise ConfigError(f"unknown smoothing option {', '.join(unknown)}; choose from {choices}")
    frames = METHODS[method](poses, Smoothing(**options))  # type: ignore[arg-type]
    with atomic_path(out) as temporary, temporary.open("w", encoding="utf-8") as stream:
        stream.write(header_line(poses.header))
        stream.writelines(frame_line(frame) for frame in frames)
    return PoseFile(out)


def _savgol_frames(poses: PoseFile, smoothing: Smoothing) -> Iterator[Frame]:
    recording = read_recording(poses)
    tracks = {
        key: smooth_track(recording.times[track.rows], track, smoothing)
        for key, track in recording.tracks.items()
    }
    del recording
    for place, frame in enumerate(poses):
        persons = [_smoothed(person, tracks[person.track], place) for person in frame.persons]
        found = {person.track for person in persons}
        persons += [
            person
            for key, track in tracks.items()
            if key not in found and (person := _inserted(track, place)) is not None
        ]
        yield replace(frame, persons=tuple(persons))


def smooth_track(times: np.ndarray, track: Track, smoothing: Smoothing) -> Track:
    """A track with smooth joints, short gaps filled and flagged, and long gaps emptied: xy and score 0.

    times (N,): s, of the track's rows. A filled joint keeps the network's own score, 0 where nobody was found.
    """
    visible = track.seen(smoothing.min_score)
    xy, filled = np.zeros_like(track.xy), np.zeros_like(track.filled)
    for joint in range(xy.shape[1]):
        xy[:, joint], filled[:, joint] = smooth_joint(times, track.xy[:, joint], visible[:, joint], smoothing)
    gaps = ~visible & ~filled
    score = np.where(gaps, 0.0, track.score)
    box = track.box.copy()
    if not track.present.all():
        for side in range(4):
            box[:, side] = np.interp(times, times[track.present], track.box[track.present, side])
    return replace(track, xy=xy, score=score, filled=filled, box=box)


def smooth_joint(
    times: np.ndarray, xy: np.ndarray, visible: np.ndarray, smoothing: Smoothing
) -> tuple[np.ndarray, np.ndarray]:
    """One joint: smoothed xy (N, 2), 0 in gaps, and where it was filled (N,).

    Each stretch without a gap above max_gap is fitted by itself, from its seen samples alone. Between them a
    monotone cubic (Fritsch & Carlson 1980, SIAM Journal on Numerical Analysis 17, 238-246) fills what is
    missing: it never leaves the range of its two neighbours.
    """
    result, filled = np.zeros_like(xy), np.zeros(len(times), dtype=bool)
    rows = np.flatnonzero(visible)
    for part in np.split(rows, np.flatnonzero(np.diff(times[rows]) > smoothing.max_gap) + 1):
        if not len(part):
            continue
        result[part] = local_fit(times[part], xy[part], smoothing.window, smoothing.order)[0]
        between = np.setdiff1d(np.arange(part[0], part[-1]), part)
        if len(between):
            result[between] = PchipInterpolator(times[part], result[part])(times[between])
            filled[between] = True
    return result, filled


def _smoothed(person: Person, track: Track, place: int) -> Person:
    row = place - track.start
    return replace(person, xy=track.xy[row], score=track.score[row], filled=track.filled[row])


def _inserted(track: Track, place: int) -> Person | None:
    """The person that a frame lacks, where a gap of its track was filled."""
    row = place - track.start
    if not 0 <= row < len(track.present) or not track.filled[row].any():
        return None
    return Person(track.xy[row], track.score[row], track.box[row], "track", track.identity, track.filled[row])


def _one_euro_frames(poses: PoseFile, smoothing: Smoothing) -> Iterator[Frame]:
    filters: dict[int, OneEuro] = {}
    for frame in poses:
        persons = []
        for key, person in by_track(poses, frame).items():
            if key not in filters:
                filters[key] = OneEuro(
                    len(person.xy),
                    smoothing.min_cutoff,
                    smoothing.beta,
                    max_gap=smoothing.max_gap,
                    min_score=smoothing.min_score,
                )
            xy = filters[key].step(frame.time, person.xy, np.where(person.filled, 0.0, person.score))
            persons.append(replace(person, xy=xy))
        yield replace(frame, persons=tuple(persons))


METHODS: dict[str, Callable[[PoseFile, Smoothing], Iterator[Frame]]] = {
    "savgol": _savgol_frames,
    "one-euro": _one_euro_frames,
}
