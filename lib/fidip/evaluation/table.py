"""Tables: Markdown in the published layout, and plain text for the terminal. Plain numbers in, text out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

HEADER = (
    "Method",
    "Backbone",
    "Input size",
    "# Params",
    "GFLOPs",
    "AP",
    "AP50",
    "AP75",
    "AR",
    "AR50",
    "AR75",
    "Params (10^6)",
    "GMACs (10^9)",
)
PUBLISHED_METRICS = ("AP", "AP50", "AP75", "AR", "AR50", "AR75")
NOTHING = "\u2013"


@dataclass(frozen=True)
class ModelRow:
    """One model in the results table.

    size: crop (W, H) in px, printed as H x W like the published tables. params: number of weights.
    published_macs: sum over layers of weights x output height x width. macs: true multiply-adds (the two
    differ for transposed convolutions). metrics: numbers in 0..1 as in metrics.json, intervals included.
    """

    method: str
    backbone: str | None = None
    size: tuple[int, int] | None = None
    params: int | None = None
    published_macs: int | None = None
    macs: int | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)

    def cells(self) -> list[str]:
        """The row's texts, in the order of ``HEADER``."""
        return [
            self.method,
            self.backbone or NOTHING,
            NOTHING if self.size is None else f"{self.size[1]}x{self.size[0]}",
            published_params(self.params),
            published_gflops(self.published_macs),
            *(percent_of(self.metrics, name) for name in PUBLISHED_METRICS),
            NOTHING if self.params is None else f"{self.params / 1e6:.2f}",
            NOTHING if self.macs is None else f"{self.macs / 1e9:.2f}",
        ]


def published_params(params: int | None) -> str:
    """Weights in units of 2^20, as the published tables print them: 63,595,745 -> "60.65M"."""
    return NOTHING if params is None else f"{params / 2**20:.2f}M"


def published_gflops(macs: int | None) -> str:
    """Multiply-adds in units of 2^30, as the published tables print them: "32.88"."""
    return NOTHING if macs is None else f"{macs / 2**30:.2f}"


def percent(value: float | None) -> str:
    """0.936 -> "93.6"; None, COCO's "no such object", is a dash."""
    return NOTHING if value is None else f"{100 * value:.1f}"


def percent_of(metrics: Mapping[str, Any], name: str) -> str:
    """One of the metrics, with its interval from their ``ci95`` if there is one: "93.6 [91.2, 95.3]"."""
    interval = metrics.get("ci95", {}).get(name)
    limits = f" [{percent(interval[0])}, {percent(interval[1])}]" if interval else ""
    return percent(metrics.get(name)) + limits


def results_table(rows: Sequence[ModelRow]) -> str:
    """Markdown table with one row a model and the columns of ``HEADER``; AP and AR in percent."""
    return markdown(HEADER, [row.cells() for row in rows], ["---"] * 3 + ["---:"] * (len(HEADER) - 3))


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]], alignment: Sequence[str] = ()) -> str:
    """A Markdown table. alignment: "---" or "---:" for each column, all to the left where empty."""
    lines = [header, alignment or ["---"] * len(header)]
    lines += [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def joint_table(details: Mapping[str, Any]) -> str:
    """Terminal table of ``CocoEvaluator.details()``: per joint the mean OKS term and PCK, in percent."""
    pck: Mapping[str, Any] = details["pck"]
    rows = [
        [joint, percent(term), *(percent(level["joints"][joint]) for level in pck.values())]
        for joint, term in details["oks_per_joint"].items()
    ]
    # the OKS column has no total: its mean over joints is not the mean over persons
    rows.append(["all", "", *(percent(level["mean"]) for level in pck.values())])
    return terminal_table(["joint", "OKS", *(f"PCK@{name}" for name in pck)], rows)


def posture_table(details: Mapping[str, Any]) -> str:
    """Terminal table of ``CocoEvaluator.details()``: per posture the number of pictures, AP and AR in percent."""
    rows = [
        [posture, str(entry["n"]), *(percent_of(entry, name) for name in PUBLISHED_METRICS)]
        for posture, entry in details["posture"].items()
    ]
    return terminal_table(["posture", "n", *PUBLISHED_METRICS], rows)


def terminal_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns padded to their widest cell; the first to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [
        "  ".join(
            [line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))]
        )
        for line in (header, *rows)
    ]
    return "\n".join(line.rstrip() for line in lines)
