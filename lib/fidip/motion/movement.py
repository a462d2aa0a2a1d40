"""A recording's movement in numbers for research: how fast, how far, how alike on both sides."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fidip.environment import logger
from fidip.errors import ConfigError, DataError
from fidip.files import write_json
from fidip.motion.outputs import (
    JOINT_MEASURES,
    NOTICE,
    PAIR_MEASURES,
    TrackMovement,
    Values,
    write_tables,
    write_traces,
)
from fidip.motion.signals import (
    REST,
    Motion,
    correlate,
    durations,
    extents,
    joint_motion,
    mean,
    quantile,
)
from fidip.predict.pose_file import Header, PoseFile, Recording, Track, read_recording
from fidip.predict.poses import MIN_SCORE
from fidip.skeleton import side_pairs, without_side

TORSOS = 3.0  # torso lengths in a body length; the packaged infants have 2.97 to 3.05 from birth to 12 months
TRUNK = (("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"))


@dataclass(frozen=True)
class MovementOptions:
    """How movement is measured.

    window: s, and order: of the local polynomials that are differentiated; the window is widened to hold
    ``order`` + 3 frames. min_score: joints scored lower are not seen. max_lag: s. body_length: px; None: measured.
    Raises ConfigError for a number that makes no sense.
    """

    window: float = 0.5
    order: int = 5
    min_score: float = MIN_SCORE
    max_lag: float = 1.0
    body_length: float | None = None

    def __post_init__(self) -> None:
        if self.window <= 0 or self.order < 3 or self.max_lag < 0 or (self.body_length or 1) <= 0:
            raise ConfigError(
                "movement: window and body length must be above 0, the order 3 or more, the lag 0 or more"
            )


@dataclass(frozen=True)
class Movement:
    """Movement of all tracks of a recording. window: s, as used."""

    header: Header
    options: MovementOptions
    window: float
    tracks: tuple[TrackMovement, ...]

    def record(self) -> dict:
        """Everything but the motions, for JSON."""
        return {
            "notice": NOTICE,
            "source": self.header.source,
            "model": self.header.model,
            "method": {
                "window_s": self.window,
                "order": self.options.order,
                "min_score": self.options.min_score,
                "max_lag_s": self.options.max_lag,
                "torso_lengths_per_body_length": TORSOS,
            },
            "measures": {
                name: {"unit": measure.unit, "formula": measure.formula, "source": measure.source}
                for name, measure in (JOINT_MEASURES | PAIR_MEASURES).items()
            },
            "tracks": [
                {
                    "track": one.track,
                    "duration_s": one.duration,
                    "body_length_px": one.body_length,
                    "joints": one.joints,
                    "pairs": one.pairs,
                }
                for one in self.tracks
            ],
        }


def summarise(poses: PoseFile, out: Path, options: MovementOptions | None = None) -> list[Path]:
    """Measure and write NAME.movement.json, NAME.movement.csv, NAME.movement_pairs.csv and a PNG of each track.

    Raises DataError for pictures, and where no body length can be measured.
    """
    return write_movement(measure(poses, options), out, poses.stem)


def write_movement(movement: Movement, out: Path, name: str) -> list[Path]:
    """Write the tables and pictures of a measured recording; returns the paths."""
    path = out / f"{name}.movement.json"
    write_json(path, movement.record())
    paths = [path, *write_tables(out, name, movement.tracks)]
    for one in movement.tracks:
        picture = out / (
            f"{name}.movement" + (f".track{one.track}" if len(movement.tracks) > 1 else "") + ".png"
        )
        write_traces(picture, one.motions, f"{movement.header.source}, track {one.track}")
        paths.append(picture)
    return paths


def measure(poses: PoseFile, options: MovementOptions | None = None) -> Movement:
    """Measure the movement of each track; joints that were filled in or scored low do not count.

    Raises DataError for pictures, for fewer than two frames, for times that do not increase, and where no track
    has a body length. A track without one is left out with a warning.
    """
    options = options or MovementOptions()
    recording = read_recording(poses)
    if len(recording.times) < 2:
        raise DataError(f"{poses.path}: {len(recording.times)} frames show no movement; give a longer video")
    # a frame's distance more than the samples need: rounded times must not cost the last one
    window = max(options.window, (options.order + 3) * recording.interval)
    found = {key: _length(recording, track, options) for key, track in recording.tracks.items()}
    lost = [f"{key}" for key, length in found.items() if length is None]
    if lost:
        reason = (
            f"{poses.path}, track {', '.join(lost)}: shoulders and hips are never seen together, so there is no "
            "body length to measure by; give one in px to `fidip movement` (--body-length)"
        )
        if len(lost) == len(found):
            raise DataError(reason)
        logger.warning("%s; it is left out", reason)
    tracks = tuple(
        _measure(recording, recording.tracks[key], length, window, options)
        for key, length in found.items()
        if length is not None
    )
    return Movement(poses.header, options, round(window, 6), tracks)


def _length(recording: Recording, track: Track, options: MovementOptions) -> float | None:
    return options.body_length or body_length(track, recording.header.joints, options.min_score)


def _measure(
    recording: Recording, track: Track, length: float, window: float, options: MovementOptions
) -> TrackMovement:
    """Movement of a track whose body is ``length`` px long."""
    header, interval, times = recording.header, recording.interval, recording.times[track.rows]
    seen = track.poses.seen(options.min_score)
    motions = {
        name: joint_motion(
            times, track.poses.keypoints[:, k] / length, seen[:, k], interval, window, options.order
        )
        for k, name in enumerate(header.joints)
    }
    whole = float(durations(recording.times, interval).sum())
    pairs = {}
    for left, right in side_pairs(header.joints):
        one, other = (motions[header.joints[k]] for k in (left, right))
        pairs[without_side(header.joints[left])] = pair_values(one, other, interval, options.max_lag)
    joints = {name: joint_values(motion, whole) for name, motion in motions.items()}
    return TrackMovement(track.identity, round(whole, 6), float(length), joints, pairs, motions)


def body_length(track: Track, joints: Sequence[str], min_score: float = MIN_SCORE) -> float | None:
    """``TORSOS`` x the median distance of the shoulders' and the hips' middle, px; None when never seen together."""
    names = [name.lower() for name in joints]
    if any(name not in names for pair in TRUNK for name in pair):
        return None
    shoulders, hips = ([names.index(name) for name in pair] for pair in TRUNK)
    together = track.poses.seen(min_score)[:, shoulders + hips].all(axis=1)
    if not together.any():
        return None
    xy = track.poses.keypoints[together]
    across = xy[:, shoulders].mean(axis=1) - xy[:, hips].mean(axis=1)
    length = TORSOS * float(np.median(np.linalg.norm(across, axis=1)))
    return length or None


def joint_values(motion: Motion, whole: float) -> Values:
    """The ``JOINT_MEASURES`` of a motion in a recording of ``whole`` s."""
    visible = float(motion.visible.sum())
    long, short = extents(motion.position, motion.visible)
    values: Values = {
        "time_visible": visible,
        "share_visible": visible / whole if whole else None,
        "time_measured": float(motion.weight.sum()),
        "path": motion.path if visible else None,
        "range_long": long,
        "range_short": short,
        "noise": motion.noise,
    }
    for name, floor in zip(("speed", "acceleration", "jerk"), motion.floors, strict=True):
        signal = getattr(motion, name)
        values[f"{name}_floor"] = floor
        values[f"{name}_mean"] = mean(signal, motion.weight)
        values[f"{name}_median"] = quantile(signal, motion.weight, 0.5)
        values[f"{name}_p95"] = quantile(signal, motion.weight, 0.95)
    return {name: values[name] for name in JOINT_MEASURES}


def pair_values(left: Motion, right: Motion, interval: float, max_lag: float) -> Values:
    """The ``PAIR_MEASURES`` of a left and a right joint, of the moments in which both are measured."""
    both = left.measured & right.measured
    weight = np.where(both, np.minimum(left.weight, right.weight), 0.0)
    values: Values = {"time_both": float(weight.sum())}
    for name in ("speed", "acceleration", "jerk"):
        sides = [mean(getattr(side, name), weight) for side in (left, right)]
        values[f"symmetry_{name}"] = symmetry(*sides)
    values["symmetry_range"] = symmetry(*(extents(side.position, weight)[0] for side in (left, right)))
    one, other = (np.where(both, side.speed, np.nan) for side in (left, right))
    zero, best, lag = correlate(left.times, one, other, interval, max_lag)
    return values | {"correlation": zero, "correlation_max": best, "lag": lag}


def symmetry(left: float | None, right: float | None) -> float | None:
    """1 - |left - right| / (left + right): 1 both sides alike, 0 one side alone; None without any movement."""
    if left is None or right is None or left + right < REST:
        return None
    return 1 - abs(left - right) / (left + right)
