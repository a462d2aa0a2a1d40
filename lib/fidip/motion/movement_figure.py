"""Traces of both sides' joints as a picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fidip.files import atomic_path
from fidip.motion.movement_signals import Motion
from fidip.motion.movement_table import NOTICE
from fidip.predict.export.naming import side_pairs, without_side
from fidip.predict.face import face_joints
from fidip.predict.tracks import HOLE

LEFT, RIGHT, MIDDLE = "#d55e00", "#0072b2", "#555555"  # told apart by colour-blind readers too
WIDTH, ROW = 13.0, 1.5  # inches of the figure and of a row
RESOLUTION = 110  # px per inch


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
