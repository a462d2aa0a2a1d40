"""The audit as text for a terminal."""

from collections.abc import Mapping, Sequence
from itertools import groupby

from fidip.audit.examine import Audit
from fidip.audit.findings import Count, Finding, count_findings
from fidip.audit.fix import CHANGES, Change
from fidip.audit.kinds import KINDS
from fidip.audit.postures import Composition

NOTHING = "-"
NAMES = 3  # records named in one example


def audit_text(audit: Audit, examples: int = 3) -> str:
    """Tables of what the splits are made of and of what was found, with a few examples of each kind."""
    parts = [
        columns(composition_rows(audit)),
        columns(posture_rows(audit)),
        columns(diversity_rows(audit)),
        columns(detection_rows(audit)),
        columns(finding_rows(count_findings(audit.findings))) if audit.findings else "nothing found",
        _examples(audit.findings, examples),
    ]
    return "\n\n".join(part for part in parts if part)


def composition_rows(audit: Audit) -> list[list[str]]:
    """Pictures, persons, domains, sources and sizes by split; the first row is the header."""
    header = ["split", "pictures", "sizes", "width", "height", "persons", "real", "synthetic", "unclear"]
    rows = [[*header, "sources", "unsourced"]]
    for name, c in audit.composition.items():
        sizes = [str(c.sizes), _span(c.width), _span(c.height)]
        counts = [c.persons, c.real, c.synthetic, c.unclear, c.sources, c.unsourced]
        rows.append([name, str(c.pictures), *sizes, *map(str, counts)])
    return rows


def posture_rows(audit: Audit) -> list[list[str]]:
    """Pictures of each posture by split."""
    names = dict.fromkeys(posture for c in audit.composition.values() for posture in c.postures)
    rows = [["posture", *audit.composition]]
    return rows + [[posture, *(_share(c, posture) for c in audit.composition.values())] for posture in names]


def diversity_rows(audit: Audit) -> list[list[str]]:
    """Spread of the torso-aligned joints by split, in torso lengths."""
    rows = [["pose spread (torso lengths)", *audit.diversity]]
    for number, joint in enumerate(audit.splits[0].skeleton.names):
        values = [diversity.spread[number] for diversity in audit.diversity.values()]
        rows.append([joint, *(f"{value:.2f}" if value == value else NOTHING for value in values)])
    overall = [diversity.overall for diversity in audit.diversity.values()]
    rows.append(["all joints", *(NOTHING if value is None else f"{value:.2f}" for value in overall)])
    rows.append(["persons used", *(str(diversity.persons) for diversity in audit.diversity.values())])
    return rows


def detection_rows(audit: Audit) -> list[list[str]]:
    """Share of planted swaps of left and right that the check would find, by split."""
    rows = [["planted swap, found", *audit.detection]]
    for swap in dict.fromkeys(swap for rates in audit.detection.values() for swap in rates):
        rates = (rates.get(swap) for rates in audit.detection.values())
        rows.append([swap, *(NOTHING if rate is None else f"{rate:.0%}" for rate in rates)])
    return rows


def finding_rows(counts: Sequence[Count]) -> list[list[str]]:
    """Kinds of finding and how many there are."""
    rows = [["finding", "level", "in", "findings", "pictures", ""]]
    for count in counts:
        kind = KINDS[count.kind]
        where = " + ".join(count.splits)
        rows.append([count.kind, kind.level, where, str(count.findings), str(count.pictures), kind.title])
    return rows


def change_text(changes: Sequence[Change], counts: Mapping[str, int], examples: int = 3) -> str:
    """What a corrected file changes, counted, with a few examples of each kind."""
    lines = []
    for kind, number in counts.items():
        lines.append(f"{number:>6}  {CHANGES[kind]}")
        chosen = [change for change in changes if change.kind == kind]
        lines += [f"          {change.record}: {change.message}" for change in chosen[:examples]]
        lines += [f"          and {len(chosen) - examples} more"] if len(chosen) > examples else []
    return "\n".join(lines) or "nothing to change"


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Columns padded to their widest cell: numbers to the right, text to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    right = [
        len(rows) > 1 and all(cell[:1].isdigit() or cell == NOTHING for cell in column[1:])
        for column in zip(*rows, strict=True)
    ]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in rows
    )


def _span(values: tuple[float, float, float] | None) -> str:
    if values is None:
        return NOTHING
    low, middle, high = values
    return f"{low:g}" if low == high else f"{low:g}-{middle:g}-{high:g}"


def _share(composition: Composition, posture: str) -> str:
    number = composition.postures.get(posture, 0)
    return f"{number} ({number / composition.pictures:.0%})" if number else "0"


def _examples(findings: Sequence[Finding], examples: int) -> str:
    """Findings come sorted by kind."""
    lines = []
    for kind, group in groupby(findings, key=lambda finding: finding.kind):
        members = list(group)
        lines.append(f"{kind}: {KINDS[kind].harm}; {KINDS[kind].remedy}")
        for finding in members[:examples]:
            names = [f"{place.split}/{place.name}" for place in finding.places]
            rest = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
            lines.append(f"    {', '.join(names[:NAMES])}{rest}: {finding.message}")
        lines += [f"    and {len(members) - examples} more"] if len(members) > examples else []
    return "\n".join(lines)
