"""Matplotlib figures as SVG text within a page, in the colours of the page."""

import hashlib
import io
import re
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

P = ParamSpec("P")

# stand-ins that become the page's own colours, so that figures follow its light and dark look
INK, FAINT = "#010203", "#040506"
_SERIES = tuple(f"#0a0b0{index}" for index in range(6))
_MARKS = "os^DvP"
_GLYPHS = ("\u25cf\u25a0\u25b2\u25c6\u25bc\u271a", "\u25cb\u25a1\u25b3\u25c7\u25bd\u271b")  # filled, hollow
_DASHES = ("-", "--", ":", "-.")
PX = 1 / 72  # inches; an SVG of matplotlib has 72 units an inch
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "fidip",
    "text.parse_math": False,  # a name with two $ is a name
    "font.size": 12.0,
    "axes.labelsize": 12.0,
    "axes.titlesize": 12.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.edgecolor": FAINT,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": FAINT,
    "grid.alpha": 0.35,
    "grid.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


def colour_number(series: int) -> int:
    """Which of the page's colours a series has; those after the sixth begin anew."""
    return series % len(_SERIES)


def colour(series: int) -> str:
    """Stand-in of the colour of a series."""
    return _SERIES[colour_number(series)]


def mark(series: int) -> str:
    """Marker of a series, so that colours need not be told apart."""
    return _MARKS[colour_number(series)]


def is_hollow(series: int) -> bool:
    """Whether marks and bars are drawn without filling: the seventh to twelfth series, and so on."""
    return series // len(_MARKS) % 2 == 1


def glyph(series: int) -> str:
    """The mark as a character, for the key."""
    return _GLYPHS[is_hollow(series)][colour_number(series)]


def dashes(series: int) -> str:
    """Line style of a series: full for the first six."""
    return _DASHES[series // len(_SERIES) % len(_DASHES)]


def drawn(build: Callable[P, Figure]) -> Callable[P, str]:
    """Let a function that makes a figure return it as SVG text."""

    @wraps(build)
    def draw(*args: P.args, **kwargs: P.kwargs) -> str:
        with matplotlib.rc_context(_STYLE):
            buffer = io.StringIO()
            nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
            build(*args, **kwargs).savefig(buffer, format="svg", metadata=nothing)
        return _for_page(buffer.getvalue())

    return draw


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of one set of axes; px."""
    figure = Figure(figsize=(width * PX, height * PX), layout="constrained")
    return figure, figure.subplots()


def _for_page(text: str) -> str:
    """The svg element alone: colours of the page, ids of its own, a size that gives way."""
    text = text[text.index("<svg") :]
    prefix = "f" + hashlib.sha256(text.encode()).hexdigest()[:8] + "-"
    text = re.sub(r'\bid="', f'id="{prefix}', text)
    text = re.sub(r"url\(#", f"url(#{prefix}", text)
    text = re.sub(r'href="#', f'href="#{prefix}', text)
    text = text.replace(INK, "var(--ink)").replace(FAINT, "var(--faint)")
    for index, stand_in in enumerate(_SERIES):
        text = text.replace(stand_in, f"var(--s{index})")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    return re.sub(r'(<svg [^>]*?)height="[\d.]+pt"([^>]*?)width="[\d.]+pt"', r"\1\2", text, count=1)


def width_of(text: str) -> float:
    """Natural width of an SVG, px."""
    found = re.search(r'viewBox="0 0 ([\d.]+) ', text)
    return float(found[1]) if found else 0.0
