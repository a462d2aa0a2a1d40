"""Embedded features as a figure: one panel for each network, one colour for each group of pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fidip.files import atomic_path

# told apart by colour-blind readers too, and by their marks in print; the paper's figure has three groups as well
STYLES = (("#d55e00", "o"), ("#0072b2", "^"), ("#009e73", "s"), ("#cc79a7", "D"))
SIDE = 4.2  # inches of a panel
RESOLUTION = 150  # px per inch


@dataclass(frozen=True)
class Panel:
    """title: of the network. groups: name -> points (N, 2). note: a line below."""

    title: str
    groups: Mapping[str, np.ndarray]
    note: str = ""


def write_embeddings(path: Path, panels: Sequence[Panel]) -> None:
    """Write panels side by side as a PNG; groups have the same colour in all of them."""
    # the figure alone, not pyplot: no window system and no global state
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(name for panel in panels for name in panel.groups))
    figure = Figure(figsize=(SIDE * len(panels), SIDE + 0.7), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for name, points in panel.groups.items():
            colour, mark = STYLES[names.index(name) % len(STYLES)]
            axes.scatter(
                points[:, 0], points[:, 1], s=14, c=colour, marker=mark, alpha=0.6, linewidths=0, label=name
            )
        axes.set_title(panel.title, fontsize=11)
        axes.set_xlabel(panel.note, fontsize=8)
        axes.set_xticks([])
        axes.set_yticks([])
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=RESOLUTION)
