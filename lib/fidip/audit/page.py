"""The audit as one HTML page that needs nothing but itself: tables, and each finding with its pictures."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import groupby

from fidip.audit import table
from fidip.audit.drawings import LABELLED_PICTURES, data_uri, draw_place, pose_svg
from fidip.audit.examine import Audit
from fidip.audit.findings import Finding, Place, count_findings
from fidip.audit.kinds import KINDS
from fidip.audit.splits import AuditSplit
from fidip.progress import progress

LIMIT = 60  # findings of one kind on the page
SHOWN = 8  # pictures of one finding

NOTICE = (
    "This page holds pictures of the data set: do not publish it and do not pass it on. SyRIP's pictures show "
    "children, and its licence allows non-commercial research only."
)

_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:0 auto;max-width:1240px;padding:0 20px 60px;color:#1b1d21;background:#fff}
h1{font-size:26px;margin:24px 0 8px}h2{font-size:19px;margin:36px 0 4px;border-top:1px solid #ddd;padding-top:14px}
.notice{background:#fff1d6;border-left:5px solid #d98200;padding:10px 14px;font-weight:600}
.tables{display:flex;flex-wrap:wrap;gap:18px 36px;align-items:flex-start}
.wide{overflow-x:auto}
table{border-collapse:collapse;margin:10px 0;font-size:14px}th,td{padding:2px 12px 2px 0;text-align:left;vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}th{border-bottom:1px solid #999}tr:nth-child(even) td{background:#f6f6f4}
.level{font-size:12px;font-weight:600;padding:1px 8px;border-radius:9px;color:#fff;background:#8a6d00}
.fault{background:#b3261e}.leak{background:#6d35a8}
.cards{display:flex;flex-wrap:wrap;gap:12px;margin-top:10px}
.card{border:1px solid #ddd;border-radius:6px;padding:8px;max-width:100%}
.card p{margin:0 0 6px;max-width:440px;overflow-wrap:anywhere}.shots{display:flex;flex-wrap:wrap;gap:8px}
figure{margin:0;width:200px}figure img{display:block;max-width:200px}figcaption{font-size:12px;color:#444;overflow-wrap:anywhere}
.none{width:200px;height:80px;background:#eee;color:#777;display:flex;align-items:center;justify-content:center;font-size:13px}
"""


def audit_page(audit: Audit, limit: int = LIMIT, title: str = "Audit of the data set") -> str:
    """HTML text. limit: findings of each kind with pictures, 0 for all; the others are counted."""
    groups = [(kind, list(group)) for kind, group in groupby(audit.findings, key=lambda f: f.kind)]
    shown = [finding for _, group in groups for finding in (group[:limit] if limit else group)]
    cards = dict(zip(map(id, shown), _cards(audit, shown), strict=True))
    sections = [_section(kind, group, cards) for kind, group in groups]
    return "\n".join(
        [
            '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">',
            # the browser itself keeps the page from fetching anything
            '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
            "style-src 'unsafe-inline'\">",
            '<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">',
            f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
            f'<h1>{escape(title)}</h1><p class="notice">{escape(NOTICE)}</p>',
            _overview(audit),
            *sections,
            "</body></html>\n",
        ]
    )


def _overview(audit: Audit) -> str:
    poses = "".join(
        f"<figure style='width:300px'>{pose_svg(diversity, audit.splits[0].skeleton)}<figcaption>{escape(name)}: "
        f"mean pose of {diversity.persons} persons on one torso; ellipses of one standard deviation; left amber, "
        "right blue</figcaption></figure>"
        for name, diversity in audit.diversity.items()
    )
    counts = count_findings(audit.findings)
    found = _html_table(table.finding_rows(counts)) if counts else "<p>Nothing found.</p>"
    parts = [table.posture_rows(audit), table.diversity_rows(audit), table.detection_rows(audit)]
    return (
        f'<div class="wide">{_html_table(table.composition_rows(audit))}</div><h2>Findings</h2>'
        f'<div class="wide">{found}</div><h2>Poses</h2><div class="tables">'
        f"{''.join(_html_table(rows) for rows in parts)}{poses}</div>"
    )


def _html_table(rows: Sequence[Sequence[str]]) -> str:
    numeric = [
        all(c[:1].isdigit() or c == table.NOTHING for c in column) for column in zip(*rows[1:], strict=True)
    ]

    def line(cells: Sequence[str], tag: str) -> str:
        marks = [' class="n"' if number else "" for number in numeric]
        return "".join(f"<{tag}{m}>{_cell(c)}</{tag}>" for c, m in zip(cells, marks, strict=True))

    body = "".join(f"<tr>{line(row, 'td')}</tr>" for row in rows[1:])
    return f"<table><thead><tr>{line(rows[0], 'th')}</tr></thead><tbody>{body}</tbody></table>"


def _cell(text: str) -> str:
    if text in KINDS:
        return f'<a href="#{text}">{text}</a>'
    return (
        f'<span class="level {text}">{text}</span>' if text in ("fault", "leak", "suspect") else escape(text)
    )


def _section(kind: str, group: Sequence[Finding], cards: Mapping[int, str]) -> str:
    about = KINDS[kind]
    chosen = [cards[id(finding)] for finding in group if id(finding) in cards]
    rest = (
        f"<p>And {len(group) - len(chosen)} more, without pictures here.</p>"
        if len(chosen) < len(group)
        else ""
    )
    return (
        f'<h2 id="{kind}">{escape(about.title)} <span class="level {about.level}">{about.level}</span></h2>'
        f"<p>{len(group)} finding{'s' * (len(group) > 1)} of <code>{kind}</code>: {escape(about.harm)}; {escape(about.remedy)}.</p>"
        f'<div class="cards">{"".join(chosen)}</div>{rest}'
    )


def _cards(audit: Audit, findings: Sequence[Finding]) -> Iterator[str]:
    splits = {split.name: split for split in audit.splits}
    for finding in progress(findings, len(findings), "drawing the page", "findings"):
        labels = finding.kind in LABELLED_PICTURES
        shots = "".join(_figure(splits[place.split], place, labels) for place in finding.places[:SHOWN])
        rest = len(finding.places) - SHOWN
        more = f"<p>and {rest} more</p>" if rest > 0 else ""
        yield f'<div class="card"><p>{escape(finding.message)}</p><div class="shots">{shots}</div>{more}</div>'


def _figure(split: AuditSplit, place: Place, labels: bool) -> str:
    caption = f"<figcaption>{escape(f'{place.split}/{place.name}')}</figcaption>"
    if place.image is None:
        return f"<figure>{caption}</figure>"
    picture = draw_place(split, place, labels or place.annotation is not None)
    if picture is None:
        return f'<figure><div class="none">no picture</div>{caption}</figure>'
    return f'<figure><img src="{data_uri(picture)}" alt="{escape(place.name)}">{caption}</figure>'
