"""Sections that are read off metrics.json and config.yaml: results, joints, postures, gap, configs, origin."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fidip.evaluation.table import NOTHING
from fidip.report.blocks import Block, Cell, Drawing, Drawings, Section, Table, figure, share
from fidip.report.figures import bar_figure, interval_figure
from fidip.report.runs import Run, group, number, pair, score
from fidip.report.scoring import Scores

SHOWN = ("AP", "AP50", "AP75", "AR", "PCK@0.1")
JOINT_LEVEL = "0.1"  # PCK that the joints' bars show
OWN_FOLDERS = ("OUTPUT_DIR", "LOG_DIR")  # differ between machines, not between experiments


def results_section(runs: Sequence[Run], scores: Scores) -> Section:
    """The table of the runs, and their differences to the first."""
    section = Section("results", "Results")
    section.say(
        "Percent, with 95 % intervals over pictures, or over sources where several pictures have one. "
        "Params: weights of the pose net; GMACs: multiply-adds of one crop."
    )
    to_first = {entry["first"]: entry["numbers"]["AP"] for entry in scores.differences}
    header = ["run", *SHOWN, "pictures", "area", "boxes", "params (10\u2076)", "GMACs"]
    if to_first:
        header[2:2] = ["AP to the first", "p"]
    rows = []
    for run in runs:
        cells = [Cell(run.name), *_result_cells(run)]
        if to_first:
            cells[2:2] = _to_first(to_first.get(run.name))
        rows.append(cells)
    section.blocks.append(Table("Each run on its test set; the p is of no difference, paired.", header, rows))
    section.blocks += _interval_block(runs)
    for run in runs:
        notes = [*run.notes, *(f"{text}." for text in scores.notes.get(run.name, ()))]
        if notes:
            section.miss(f"{run.name}: {' '.join(text[:1].upper() + text[1:] for text in notes)}")
    if scores.differences:
        section.blocks.append(_differences(scores))
    return section


def _result_cells(run: Run) -> list[Cell]:
    metrics = run.metrics
    params, macs = number(metrics.get("params")), number(metrics.get("gmacs"))
    return [
        *(share(*score(metrics, name)) for name in SHOWN),
        figure(number(metrics.get("n_images"))),
        *(Cell(str(metrics.get(name, NOTHING))) for name in ("area", "boxes")),
        figure(None if params is None else params / 1e6, "{:.2f}"),
        figure(macs, "{:.2f}"),
    ]


def _to_first(entry: Mapping[str, Any] | None) -> list[Cell]:
    return [Cell(NOTHING), Cell(NOTHING)] if entry is None else [_signed(entry), p_value(entry)]


def _signed(entry: Mapping[str, Any]) -> Cell:
    value, limits = number(entry["difference"]), pair(entry["ci95"])
    if value is None:
        return Cell(NOTHING)
    text = f"{100 * value:+.1f}"
    return Cell(text if limits is None else f"{text} [{100 * limits[0]:+.1f}, {100 * limits[1]:+.1f}]", value)


def p_value(entry: Mapping[str, Any], ending: str = "") -> Cell:
    """The p of the permutation test, else that of the bootstrap."""
    found = [number(entry.get(f"{test}{ending}")) for test in ("p_permutation", "p_bootstrap")]
    p = next((value for value in found if value is not None), None)
    return Cell(NOTHING) if p is None else Cell("<0.001" if p < 0.001 else f"{p:.3f}", p)


def _interval_block(runs: Sequence[Run]) -> list[Block]:
    found = {index: score(run.metrics, "AP") for index, run in enumerate(runs)}
    values = {index: (value, limits) for index, (value, limits) in found.items() if value is not None}
    if len(values) < 2:
        return []
    svg = interval_figure(values, [run.name for run in runs], "AP (%)")
    said = "; ".join(f"{runs[i].name} {100 * value:.1f}" for i, (value, _) in values.items())
    return [Drawings([Drawing(svg, f"AP in percent: {said}", "AP with 95 % intervals. Intervals that overlap do not "
                              "make runs equal: the paired differences decide.")])]  # fmt: skip


def _differences(scores: Scores) -> Table:
    about = scores.about
    rows = [
        [Cell(f"{entry['first']}, {name}"), _signed(numbers), p_value(numbers), p_value(numbers, "_holm")]
        for entry in scores.differences
        for name in SHOWN
        for numbers in [entry["numbers"][name]]
    ]
    caption = (
        f"Differences to {scores.differences[0]['second']} on the same {about['n_images']} pictures, in percent points, "
        f"from {about['resamples']} resamples and swaps of {about['units']} {about['unit']}s; Holm corrects p for "
        "the number of runs."
    )
    return Table(caption, ["run, number", "difference [95 %]", "p", "p, Holm"], rows, folded=True)


def joints_section(runs: Sequence[Run]) -> Section:
    """Bars of OKS and PCK by joint, and the numbers."""
    section = Section("joints", "Joints", key=True)
    joints = _names(runs, "details", "oks_per_joint")
    if not joints:
        section.miss("No run has numbers for its joints (details.oks_per_joint of metrics.json).")
        return section
    parts = {
        "mean OKS of the joint (%)": [group(run.metrics, "details", "oks_per_joint") for run in runs],
        f"PCK@{JOINT_LEVEL} (% of labelled joints)": [
            group(run.metrics, "details", "pck", JOINT_LEVEL, "joints") for run in runs
        ],
    }
    texts = (
        "How near each joint is, on the scale of COCO's similarity: its allowance differs between joints.",
        f"Joints within {JOINT_LEVEL} of the longer side of the person's box.",
    )
    drawings, names = [], [joint.replace("_", " ") for joint in joints]
    for (label, values), text in zip(parts.items(), texts, strict=True):
        series = {i: [number(value.get(j)) for j in joints] for i, value in enumerate(values) if value}
        drawings.append(Drawing(bar_figure(names, series, label), f"Bars by joint and run: {label}", text))
    section.blocks.append(Drawings(drawings))
    rows = [
        [Cell(name), *(share(number(value.get(joint))) for values in parts.values() for value in values)]
        for name, joint in zip(names, joints, strict=True)
    ]
    header = ["joint", *(f"{kind}, {run.name}" for kind in ("OKS", f"PCK@{JOINT_LEVEL}") for run in runs)]
    section.blocks.append(Table("The numbers of these bars, in percent", header, rows, folded=True))
    return section


def postures_section(runs: Sequence[Run]) -> Section:
    """Bars of AP by posture, and the numbers."""
    section = Section("postures", "Postures", key=True)
    postures = _names(runs, "details", "posture")
    if not postures:
        section.miss(
            "No run has numbers by posture: the pictures need a posture in the annotations, and more than one."
        )
        return section
    found = {
        i: [score(group(run.metrics, "details", "posture", posture), "AP") for posture in postures]
        for i, run in enumerate(runs)
        if group(run.metrics, "details", "posture")
    }
    svg = bar_figure(
        postures,
        {i: [value for value, _ in values] for i, values in found.items()},
        "AP (%)",
        {i: [limits for _, limits in values] for i, values in found.items()},
    )
    section.blocks.append(
        Drawings([Drawing(svg, "Bars of AP by posture and run", "AP with 95 % intervals.")])
    )
    rows = [
        [Cell(f"{posture}, {run.name}"), *_posture_cells(run, posture)]
        for posture in postures
        for run in runs
    ]
    header = ["posture, run", "pictures", "AP", "AP50", "AP75", "AR"]
    section.blocks.append(Table("The numbers by posture, in percent", header, rows, folded=True))
    return section


def _posture_cells(run: Run, posture: str) -> list[Cell]:
    entry = group(run.metrics, "details", "posture", posture)
    return [
        figure(number(entry.get("n"))),
        *(share(*score(entry, name)) for name in ("AP", "AP50", "AP75", "AR")),
    ]


def _names(runs: Sequence[Run], *keys: str) -> list[str]:
    """Keys of a group of metrics.json in any run, the first run's order first."""
    return list(dict.fromkeys(str(name) for run in runs for name in group(run.metrics, *keys)))


def config_section(runs: Sequence[Run]) -> Section:
    """Keys that differ."""
    section = Section("config", "Config differences")
    known = [run for run in runs if run.config]
    keys = sorted({key for run in known for key in run.config} - set(OWN_FOLDERS))
    rows = []
    for key in keys:
        values = [_plain(run.config[key]) if key in run.config else NOTHING for run in known]
        if len(set(values)) > 1:
            rows.append([Cell(key), *map(Cell, values)])
    if len(known) < 2:
        section.miss("Fewer than two configs to compare.")
    elif rows:
        section.blocks.append(
            Table("Keys that are not the same in all runs.", ["key", *(r.name for r in known)], rows)
        )
    else:
        section.say("All configs are the same, apart from folders.")
    return section


def _plain(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value, default=str)


def origin_section(runs: Sequence[Run]) -> Section:
    """Folder, checkpoint, command, commit and versions of each run."""
    section = Section("origin", "Where it comes from")
    rows = []
    for run in runs:
        tested = group(run.metrics, "provenance")
        git, versions = group(tested, "git"), group(tested, "versions")
        state = str(git.get("commit", NOTHING))[:12] + (", changed files" if git.get("dirty") else "")
        command = tested.get("command")
        rows.append(
            [
                Cell(run.name),
                Cell(str(run.folder)),
                *(Cell(str(run.metrics.get(key, NOTHING))) for key in ("checkpoint", "split")),
                Cell(" ".join(map(str, command)) if isinstance(command, list) else NOTHING),
                Cell(state),
                Cell(", ".join(f"{name} {version}" for name, version in versions.items()) or NOTHING),
            ]
        )
    header = ["run", "folder", "checkpoint", "split", "command", "commit", "versions"]
    section.blocks.append(Table("As the tests recorded it.", header, rows, wordy=True))
    return section
