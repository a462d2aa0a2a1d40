"""What a section of the page is made of; the template knows how each kind looks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from markupsafe import Markup

from fidip.evaluation.table import NOTHING, percent
from fidip.report.svg import width_of
from fidip.report.tiles import Tile

WIDER = 1.1  # than the SVG's own units: type of figures as large as that of tables


@dataclass(frozen=True)
class Cell:
    """Text of a table, and the number that it is sorted by."""

    text: str
    key: float | None = None


@dataclass(frozen=True)
class Text:
    """A paragraph. missing: it says what is not there."""

    kind: ClassVar[str] = "text"
    text: str
    missing: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of cells below a header; the first column names the row. folded: behind a line to open. wordy: of texts."""

    kind: ClassVar[str] = "table"
    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    folded: bool = False
    wordy: bool = False


@dataclass(frozen=True)
class Drawing:
    """An SVG figure. alt: what it shows; caption: below it."""

    svg: str
    alt: str
    caption: str

    @property
    def markup(self) -> Markup:
        """The SVG as it is: matplotlib has escaped the names in it."""
        return Markup(self.svg)  # noqa: S704

    @property
    def width(self) -> int:
        """Where there is room, px."""
        return round(WIDER * width_of(self.svg))


@dataclass(frozen=True)
class Drawings:
    """Figures side by side where there is room."""

    kind: ClassVar[str] = "drawings"
    drawings: Sequence[Drawing]


@dataclass(frozen=True)
class Pictures:
    """Pictures below a title, in groups that stay together. look: single, pairs or wide."""

    kind: ClassVar[str] = "pictures"
    title: str
    groups: Sequence[Sequence[Tile]]
    look: str = "single"


@dataclass(frozen=True)
class Heading:
    """A title within a section."""

    kind: ClassVar[str] = "heading"
    text: str


Block = Text | Table | Drawings | Pictures | Heading


@dataclass
class Section:
    """A part of the page. key: repeat the names of the series above its figures."""

    id: str
    title: str
    blocks: list[Block] = field(default_factory=list)
    key: bool = False

    def say(self, text: str) -> None:
        """Add a paragraph."""
        self.blocks.append(Text(text))

    def miss(self, text: str) -> None:
        """Add what is not there, and why."""
        self.blocks.append(Text(text, missing=True))


def share(value: float | None, limits: tuple[float, float] | None = None) -> Cell:
    """A number of 0..1 as percent, with its interval."""
    text = percent(value)
    if value is not None and limits is not None:
        text += f" [{percent(limits[0])}, {percent(limits[1])}]"
    return Cell(text, value)


def figure(value: float | None, form: str = "{:g}") -> Cell:
    """Any other number."""
    return Cell(NOTHING if value is None else form.format(value), value)
