"""The figures of the page, as SVG text. Series are runs, in the order of the page's legend."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from fidip.report.calibration import Reliability
from fidip.report.curves import Curve
from fidip.report.svg import FAINT, INK, canvas, colour, dashes, drawn, is_hollow, mark

Interval = tuple[float, float] | None
MOST_POINTS = 500  # of a scatter plot
MARKS = 7  # of a curve
BAR, GAP = 8.0, 9.0  # px of a bar, and between groups of bars
MARGIN = 62.0  # px for the axis below bars


@drawn
def curve_figure(curves: Mapping[int, Curve], label: str, percent: bool = False) -> Figure:
    """Values by optimiser step, a line a series; in percent where they are shares."""
    figure, axes = canvas(420, 250)
    factor = 100 if percent else 1
    for series, curve in curves.items():
        steps, values = np.array(curve, np.float64).T
        line = axes.plot(steps, factor * values, dashes(series), color=colour(series), lw=1.5)[0]
        line.set_marker(mark(series))
        line.set_markersize(5.5)
        line.set_markerfacecolor("none" if is_hollow(series) else colour(series))
        line.set_markevery(max(1, len(curve) // MARKS))
    axes.set_xlabel("optimiser step")
    axes.set_ylabel(label)
    axes.set_xlim(left=0)
    return figure


@drawn
def bar_figure(
    groups: Sequence[str],
    series: Mapping[int, Sequence[float | None]],
    label: str,
    intervals: Mapping[int, Sequence[Interval]] | None = None,
) -> Figure:
    """Horizontal bars in percent: a group for each name, in it a bar for each series, with 95 % intervals."""
    slot = BAR * len(series) + GAP
    figure, axes = canvas(420, MARGIN + slot * len(groups))
    middle = np.arange(len(groups)) * slot
    for place, (number, values) in enumerate(series.items()):
        y = middle + (place - (len(series) - 1) / 2) * BAR
        width = [0.0 if value is None else 100 * value for value in values]
        axes.barh(
            y,
            width,
            height=BAR - 2,
            edgecolor=colour(number),
            linewidth=1,
            facecolor="none" if is_hollow(number) else colour(number),
        )
        for row, limits in zip(y, (intervals or {}).get(number, ()), strict=False):
            if limits is not None:
                axes.plot([100 * limit for limit in limits], [row, row], color=INK, lw=1.2)
    axes.set_yticks(middle, groups)
    axes.set_ylim(middle[-1] + slot / 2, middle[0] - slot / 2)
    axes.set_xlim(0, 100)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(label)
    return figure


@drawn
def interval_figure(values: Mapping[int, tuple[float, Interval]], names: Sequence[str], label: str) -> Figure:
    """A point with its 95 % interval for each series, in percent."""
    figure, axes = canvas(420, MARGIN + 26 * len(values))
    for place, (series, (value, limits)) in enumerate(values.items()):
        if limits is not None:
            axes.plot([100 * limit for limit in limits], [place, place], color=colour(series), lw=3)
        axes.plot(
            100 * value,
            place,
            mark(series),
            color=colour(series),
            ms=8,
            mfc="none" if is_hollow(series) else colour(series),
        )
    axes.set_yticks(range(len(values)), [_short(names[series]) for series in values])
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(label)
    return figure


@drawn
def reliability_figure(persons: Reliability | None, joints: Reliability | None, series: int) -> Figure:
    """Achieved similarity by score: persons as points, and the means of bins of persons and of joints."""
    figure, axes = canvas(300, 280)
    parts = [part for part in (persons, joints) if part is not None]
    edge = 1.05 * max(part.score.max() for part in parts)
    axes.plot([0, 1], [0, 1], color=FAINT, lw=1, ls=":")
    if persons is not None:
        step = -(-len(persons.score) // MOST_POINTS)
        axes.plot(
            persons.score[::step], persons.achieved[::step], ".", color=colour(series), ms=3, alpha=0.35
        )
        axes.plot(persons.bin_score, persons.bin_achieved, "-o", color=colour(series), lw=1.8, ms=5)
    if joints is not None:
        axes.plot(joints.bin_score, joints.bin_achieved, "--s", color=INK, lw=1.2, ms=4, mfc="none")
    axes.set_xlim(0, edge if edge > 0 else 1)
    axes.set_ylim(0, 1.03)
    axes.set_xlabel("score (0..1)")
    axes.set_ylabel("achieved OKS (0..1)")
    return figure


def _short(name: str, most: int = 22) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}\u2026"
