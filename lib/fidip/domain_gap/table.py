"""Gaps of several networks side by side, as Markdown."""

from collections.abc import Callable, Mapping

from fidip.domain_gap.measure import DomainGap


def gap_table(gaps: Mapping[str, DomainGap]) -> str:
    """A Markdown table: a row for each number, a column for each of ``gaps``."""
    lines = ["| | " + " | ".join(gaps) + " |", "|---|" + "---:|" * len(gaps)]
    for name, text in _rows(gaps).items():
        lines.append(f"| {name} | " + " | ".join(text(gap) for gap in gaps.values()) + " |")
    return "\n".join(lines)


def _rows(gaps: Mapping[str, DomainGap]) -> dict[str, Callable[[DomainGap], str]]:
    probes = list(next(iter(gaps.values())).probes)
    rows: dict[str, Callable[[DomainGap], str]] = {
        "pictures": lambda gap: " + ".join(map(str, gap.pictures)),
        "sources": lambda gap: " + ".join(map(str, gap.sources)),
    }
    for name in probes:
        rows[f"{name} probe, held-out accuracy"] = lambda gap, name=name: _accuracy(gap, name)  # type: ignore[misc]
    for name in probes:
        rows[f"proxy A-distance, {name} probe"] = lambda gap, name=name: f"{gap.probes[name].a_distance:.2f}"  # type: ignore[misc]
    return rows | {
        "squared MMD": lambda gap: f"{gap.mmd.squared:.4f}",
        "p of no difference": lambda gap: f"{gap.mmd.p_value:.3g}",
        "squared Frechet distance": lambda gap: f"{gap.frechet:.1f}",
        "the same by chance": lambda gap: f"{gap.frechet_chance:.1f}",
    }


def _accuracy(gap: DomainGap, name: str) -> str:
    score = gap.probes[name]
    return f"{100 * score.accuracy:.1f} [{100 * score.low:.1f}, {100 * score.high:.1f}]"
