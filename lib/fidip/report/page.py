"""The page: sections in their order, in a template that escapes everything."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from fidip import __version__
from fidip.audit.page import NOTICE
from fidip.files import write_text
from fidip.report.blocks import Pictures, Section
from fidip.report.drawings import calibration_section, curves_section, gap_section, pictures_section
from fidip.report.runs import Run
from fidip.report.scoring import score_runs
from fidip.report.svg import colour_number, glyph
from fidip.report.tables import (
    config_section,
    joints_section,
    origin_section,
    postures_section,
    results_section,
)

TEMPLATE = Path(__file__).parent / "template"


@dataclass(frozen=True)
class ReportOptions:
    """pictures: of each list, 0 for none. resamples: behind paired differences. overrides: KEY VALUE of all configs."""

    pictures: int = 6
    resamples: int = 1000
    overrides: Sequence[str] = ()
    title: str = ""


def write_report(path: Path, runs: Sequence[Run], options: ReportOptions | None = None) -> list[Section]:
    """Write the page whole or not at all; returns its sections. What runs lack is said on the page.

    Raises ConfigError for a single resample.
    """
    options = options or ReportOptions()
    scores = score_runs(runs, options.overrides, options.resamples)
    sections = [
        results_section(runs, scores),
        curves_section(runs),
        joints_section(runs),
        postures_section(runs),
        pictures_section(runs, scores, options.pictures),
        calibration_section(runs, scores),
        gap_section(runs),
        config_section(runs),
        origin_section(runs),
    ]
    title = options.title or (f"Run {runs[0].name}" if len(runs) == 1 else f"{len(runs)} runs")
    write_text(path, render(title, runs, sections))
    return sections


def render(title: str, runs: Sequence[Run], sections: Sequence[Section]) -> str:
    """HTML text."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = ((TEMPLATE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    shows_people = any(
        isinstance(block, Pictures)
        for section in sections
        if section.id == "pictures"
        for block in section.blocks
    )
    return environment.get_template("page.html").render(
        title=title,
        subtitle=", ".join(run.name for run in runs),
        notice=NOTICE if shows_people else "",
        sections=sections,
        series=[
            {"name": run.name, "colour": colour_number(i), "glyph": glyph(i)} for i, run in enumerate(runs)
        ],
        style=Markup(style),  # noqa: S704 - files of this package
        script=Markup(script),  # noqa: S704
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        footer=f"Written by fidip {__version__}. The page needs no network and sends nothing.",
    )
