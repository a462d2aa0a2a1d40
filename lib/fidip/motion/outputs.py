"""Movement as tables and figures: what each number is, CSV files, text for a terminal, traces as PNG."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fidip.files import atomic_path
from fidip.motion.signals import Motion
from fidip.predict.export.face import face_joints
from fidip.predict.pose_file import HOLE
from fidip.skeleton import side_pairs, without_side

NOTICE = "Research use, not diagnostic."
LEFT, RIGHT, MIDDLE = "#d55e00", "#0072b2", "#555555"  # told apart by colour-blind readers too
WIDTH, ROW = 13.0, 1.5  # inches of the figure and of a row
RESOLUTION = 110  # px per inch

Values = dict[str, float | None]


@dataclass(frozen=True)
class Measure:
    """unit: BL is a body length. formula: p position, t time. source: who uses it, see docs/movement.md."""

    unit: str
    formula: str
    source: str = ""


@dataclass(frozen=True)
class TrackMovement:
    """Numbers of one track: by joint, and by the joint of a pair without its side. motions: joint -> what they are of."""

    track: int
    duration: float
    body_length: float
    joints: dict[str, Values]
    pairs: dict[str, Values]
    motions: dict[str, Motion] = field(repr=False)


def _derivative(name: str, symbol: str, unit: str, source: str) -> dict[str, Measure]:
    return {
        f"{name}_mean": Measure(unit, f"time mean of |{symbol}|", source),
        f"{name}_median": Measure(unit, f"time median of |{symbol}|", source),
        f"{name}_p95": Measure(unit, f"|{symbol}| that is exceeded in 5 % of the time", source),
        f"{name}_floor": Measure(
            unit, f"mean of |{symbol}| of a joint at rest with the noise that was found"
        ),
    }


JOINT_MEASURES: dict[str, Measure] = {
    "time_visible": Measure("s", "sum of the durations of frames that show the joint"),
    "share_visible": Measure("1", "time_visible / duration of the recording"),
    "time_measured": Measure("s", "time whose derivatives are known: a whole window without a gap"),
    "path": Measure("BL", "sum of |p(i+1) - p(i)| within stretches", "Winter 2009"),
    "range_long": Measure("BL", "1st to 99th percentile along the first principal axis", "Hotelling 1933"),
    "range_short": Measure("BL", "1st to 99th percentile along the second principal axis", "Hotelling 1933"),
    "noise": Measure("BL", "deviation of x and of y from the fitted polynomials, per degree of freedom"),
    **_derivative("speed", "dp/dt", "BL/s", "Kanemaru et al. 2013"),
    **_derivative("acceleration", "d2p/dt2", "BL/s2", "Kanemaru et al. 2013"),
    **_derivative("jerk", "d3p/dt3", "BL/s3", "Flash & Hogan 1985; Kanemaru et al. 2014"),
}
PAIR_MEASURES: dict[str, Measure] = {
    "time_both": Measure("s", "time in which both sides are measured"),
    **{
        f"symmetry_{name}": Measure("1", f"1 - |L - R| / (L + R), L and R: {what}", "Robinson et al. 1987")
        for name, what in (
            ("speed", "mean speed of a side"),
            ("acceleration", "mean acceleration of a side"),
            ("jerk", "mean jerk of a side"),
            ("range", "range_long of a side"),
        )
    },
    "correlation": Measure("1", "Pearson's r of the sides' speeds at the same time", "Kanemaru et al. 2013"),
    "correlation_max": Measure(
        "1", "largest r of left speed at t and right speed at t + lag, |lag| <= max_lag"
    ),
    "lag": Measure(
        "s", "the lag of correlation_max; above 0 where right follows left", "Derrick & Thomas 2004"
    ),
}

_SHOWN = ("share_visible", "range_long", "path", "speed_mean", "speed_p95", "speed_floor", "acceleration_mean", "acceleration_floor", "jerk_mean", "jerk_floor")  # fmt: skip
_SHOWN_PAIRS = ("time_both", "symmetry_speed", "symmetry_jerk", "symmetry_range", "correlation", "correlation_max", "lag")  # fmt: skip


def write_tables(out: Path, name: str, tracks: Sequence[TrackMovement]) -> list[Path]:
    """Write NAME.movement.csv, a row for each track and joint, and NAME.movement_pairs.csv, for each pair.

    An empty field: not known. The last column says what the numbers are not for.
    """
    tables = (
        ("movement", "joint", JOINT_MEASURES, [(one.track, one.joints) for one in tracks]),
        ("movement_pairs", "pair", PAIR_MEASURES, [(one.track, one.pairs) for one in tracks]),
    )
    paths = []
    for ending, first, measures, rows in tables:
        path = out / f"{name}.{ending}.csv"
        with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            units = [f"{key} [{m.unit}]" if m.unit != "1" else key for key, m in measures.items()]
            writer.writerow(["track", first, *units, "note"])
            for track, table in rows:
                for joint, values in table.items():
                    numbers = ["" if values[key] is None else f"{values[key]:.6g}" for key in measures]
                    writer.writerow([track, joint, *numbers, NOTICE])
        paths.append(path)
    return paths


def movement_text(tracks: Sequence[TrackMovement]) -> str:
    """The main numbers of all tracks as Markdown tables, with the notice."""
    parts = []
    for one in tracks:
        parts.append(f"Track {one.track} (BL: body length)")
        parts.append(_text("joint", one.joints, _SHOWN, JOINT_MEASURES))
        if one.pairs:
            parts.append(_text("left and right", one.pairs, _SHOWN_PAIRS, PAIR_MEASURES))
    return "\n\n".join([*parts, NOTICE])


def _text(
    first: str, table: Mapping[str, Values], shown: Sequence[str], measures: Mapping[str, Measure]
) -> str:
    heads = [f"{key} [{measures[key].unit}]" if measures[key].unit != "1" else key for key in shown]
    cells = [[first, *heads]]
    for name, values in table.items():
        cells.append([name, *("-" if values[key] is None else f"{values[key]:.3g}" for key in shown)])
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = [_line(row, widths) for row in cells]
    rule = "|" + "|".join("-" * (w + 2) if not c else "-" * (w + 1) + ":" for c, w in enumerate(widths)) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (
        text.rjust(width) if column else text.ljust(width)
        for column, (text, width) in enumerate(zip(row, widths, strict=True))
    )
    return "| " + " | ".join([first, *rest]) + " |"


def write_traces(path: Path, motions: Mapping[str, Motion], title: str) -> None:
    """Write a PNG: a row for each pair of joints outside the face, places on the left, speeds on the right.

    Places are in body lengths from the joint's median: x solid, y dotted. Lines end where the joint is not seen.
    """
    # the figure alone, not pyplot: no window system and no global state
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = _rows(tuple(motions))
    figure = Figure(figsize=(WIDTH, ROW * len(rows) + 1.2), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(rows), 2, sharex=True, sharey="col", squeeze=False)
    for (place, speed), (name, members) in zip(grid, rows, strict=True):
        for joint, colour, label in members:
            _draw(place, speed, motions[joint], colour, label)
        place.set_ylabel(name, fontsize=9)
        for axes in (place, speed):
            axes.grid(alpha=0.3, linewidth=0.5)
            axes.tick_params(labelsize=8)
    grid[0, 1].set_ylim(bottom=0)
    grid[0, 0].set_title("place in body lengths: x solid, y dotted", fontsize=9)
    grid[0, 1].set_title("speed in body lengths/s", fontsize=9)
    for axes in grid[-1]:
        axes.set_xlabel("time in s", fontsize=9)
    handles = {handle.get_label(): handle for axes in grid[:, 1] for handle in axes.get_lines()}
    shown = {label: handle for label, handle in handles.items() if not label.startswith("_")}
    figure.legend(shown.values(), shown.keys(), loc="outside upper right", ncols=3, frameon=False, fontsize=9)
    figure.suptitle(f"{title}. {NOTICE}", fontsize=11, x=0.02, ha="left", parse_math=False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=RESOLUTION, metadata={"Description": NOTICE})


def _rows(joints: tuple[str, ...]) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Row label and its (joint, colour, legend): pairs outside the face; without any, every joint."""
    face = set(face_joints(joints))
    pairs = [pair for pair in side_pairs(joints) if not face & set(pair)]
    if not pairs:
        return [(name, [(name, MIDDLE, "joint")]) for name in joints]
    return [
        (
            without_side(joints[a]),
            [(joints[a], LEFT, "left"), (joints[b], RIGHT, "right")],
        )
        for a, b in pairs
    ]


def _draw(place: Any, speed: Any, motion: Motion, colour: str, label: str) -> None:
    times = motion.times
    offsets = motion.position - (
        np.nanmedian(motion.position, axis=0) if motion.visible.any() else np.zeros(2)
    )
    # NaN also in holes of time, or the line would run across them
    steps = np.diff(times)
    holes = np.flatnonzero(steps > HOLE * np.median(steps)) + 1 if len(steps) else np.zeros(0, dtype=int)
    times = np.insert(times, holes, times[holes] if len(holes) else [])
    x, y, v = (np.insert(signal, holes, np.nan) for signal in (*offsets.T, motion.speed))
    place.plot(times, x, color=colour, linewidth=0.9)
    place.plot(times, y, color=colour, linewidth=0.9, linestyle=":")
    speed.plot(times, v, color=colour, linewidth=0.9, label=label)
