"""fidip report: the numbers on the page are those of the run folders, and nothing on it is taken on trust."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report_runs import (
    NASTY,
    add_gap,
    change_config,
    gap_numbers,
    joint_names,
    write_data,
    write_events,
    write_run,
)
from running import command

from fidip.cli import exit_on_error
from fidip.statistics.comparison import compare_methods, find_runs

main = command("report")

SECTIONS = ["results", "curves", "joints", "postures", "pictures", "calibration", "gap", "config", "origin"]
SHOWN = ("AP", "AP50", "AP75", "AR")


class Page(HTMLParser):
    """Texts of sections, and their tables as lists of rows, by section."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.texts, self.images, self.tags = {}, {}, [], []
        self.section, self.cell = "", None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append((tag, found))
        if tag == "section":
            self.section = found["id"]
        elif tag == "table":
            self.tables.setdefault(self.section, []).append([])
        elif tag == "tr":
            self.tables[self.section][-1].append([])
        elif tag in ("td", "th"):
            self.cell = ""
        elif tag == "img":
            self.images.append(found)

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.tables[self.section][-1][-1].append(self.cell.strip())
            self.cell = None

    def handle_data(self, data):
        self.texts[self.section] = self.texts.get(self.section, "") + data
        if self.cell is not None:
            self.cell += data

    def table(self, section, number=0):
        """Rows by their first cell, each {column: text}."""
        head, *rows = self.tables[section][number]
        return {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two tested runs of different error and config, the second with curves and a domain gap."""
    root = tmp_path_factory.mktemp("report")
    content = write_data(root)
    write_run(root / "good-1", content, 1.5)
    write_run(root / "poor-2", content, 6.0, seed=1, TRAIN__LR=0.5)
    write_events(root / "log" / "poor-2")
    add_gap(root / "poor-2")
    gaps = {"real - synthetic": {"before": gap_numbers(0.9), "after": gap_numbers(0.8)}}
    (root / "good-1" / "gap.json").write_text(json.dumps({"gaps": gaps}))
    return root


@pytest.fixture
def report(place, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def write(*arguments):
        assert main([*arguments, "--output", "page.html", "--resamples", "50"]) == 0
        return Page(Path("page.html").read_text(encoding="utf-8"))

    return write


@pytest.fixture(scope="module")
def page(place, tmp_path_factory):
    """The page of both runs, the second under a nasty name."""
    output = tmp_path_factory.mktemp("page") / "page.html"
    arguments = [
        str(place / "good-1"),
        f"{NASTY}={place / 'poor-2'}",
        "--output",
        str(output),
        "--resamples",
        "50",
    ]
    assert main(arguments) == 0
    return Page(output.read_text(encoding="utf-8"))


def metrics_of(folder):
    return json.loads((folder / "metrics.json").read_text())


def percent(value, limits=None):
    text = f"{100 * value:.1f}"
    return text if limits is None else f"{text} [{100 * limits[0]:.1f}, {100 * limits[1]:.1f}]"


def test_the_numbers_are_those_of_metrics_json(page, place):
    table = page.table("results")
    assert list(table) == ["good-1", NASTY]
    for row, folder in zip(table.values(), ("good-1", "poor-2"), strict=True):
        metrics = metrics_of(place / folder)
        for name in SHOWN:
            assert row[name] == percent(metrics[name], metrics["ci95"][name])
        assert row["PCK@0.1"] == percent(metrics["details"]["pck"]["0.1"]["mean"], metrics["ci95"]["PCK@0.1"])
        assert (row["pictures"], row["area"], row["boxes"]) == ("12", "bbox", "gt")
        assert (row["params (10\u2076)"], row["GMACs"]) == ("1.23", "0.50")


def test_runs_are_compared_with_the_first(page, place):
    from fidip.evaluation import CocoEvaluator

    evaluator = CocoEvaluator(place / "data/annotations/person_keypoints_held.json", area="bbox")
    methods = [find_runs(str(place / folder)) for folder in ("good-1", "poor-2")]
    (expected,) = compare_methods(evaluator, methods, 50, 0)["comparisons"]
    numbers = expected["numbers"]["AP"]
    text = "{:+.1f} [{:+.1f}, {:+.1f}]".format(*(100 * v for v in (numbers["difference"], *numbers["ci95"])))
    row = page.table("results")[NASTY]
    assert row["AP to the first"] == text and row["p"] == f"{numbers['p_permutation']:.3f}"
    assert page.table("results")["good-1"]["p"] == "\u2013"
    assert page.table("results", 1)[f"{NASTY}, AP"]["difference [95 %]"] == text


def test_joints_and_postures_are_those_of_metrics_json(page, place):
    joints, postures = page.table("joints"), page.table("postures")
    assert list(joints) == joint_names()
    for name, folder in (("good-1", "good-1"), (NASTY, "poor-2")):
        details = metrics_of(place / folder)["details"]
        for joint, row in joints.items():
            assert row[f"OKS, {name}"] == percent(details["oks_per_joint"][joint.replace(" ", "_")])
            assert row[f"PCK@0.1, {name}"] == percent(
                details["pck"]["0.1"]["joints"][joint.replace(" ", "_")]
            )
        for posture in ("Prone", "Supine"):
            entry = details["posture"][posture]
            row = postures[f"{posture}, {name}"]
            assert row["AP"] == percent(entry["AP"], entry["ci95"]["AP"]) and row["pictures"] == str(
                entry["n"]
            )


def test_gap_config_and_origin(page):
    before, after, row = page.table("gap").values()
    assert list(page.table("gap")) == ["good-1, before", "good-1, after", NASTY]
    assert before["splits"] == "real - synthetic"
    assert [found["linear probe (%)"][:4] for found in (before, after)] == ["90.0", "80.0"]
    assert row["splits"] == f"held - {NASTY}" and row["pictures"] == "12 + 8"
    assert row["linear probe (%)"] == "87.5 [75.0, 95.0]" and row["A-distance, MLP"] == "1.50"
    assert row["p of no difference"] == "0.001" and row["the same by chance"] == "2.5"
    assert page.table("config") == {"TRAIN.LR": {"good-1": "0.001", NASTY: "0.5"}}
    assert page.table("origin")[NASTY]["checkpoint"] == "some.pth"


def test_sections_pictures_and_what_is_missing(page):
    assert [found["id"] for tag, found in page.tags if tag == "section"] == SECTIONS
    assert "No curves of good-1:" in page.texts["curves"]
    # six best and six worst of each run, pairs of what changed, the gap
    assert len(page.images) > 25
    assert all(image["src"].startswith("data:image/") and len(image["alt"]) > 10 for image in page.images)
    figures = [found for tag, found in page.tags if tag == "div" and found.get("role") == "img"]
    assert len(figures) == 8 and all(found["aria-label"] for found in figures)


def test_names_stay_text(page):
    """What comes from files and the command line makes no tags, and no address outside the page."""
    assert ("b", {}) not in page.tags
    for tag, found in page.tags:
        assert not any(name.startswith("on") for name in found), tag
        for name in ("src", "href", "xlink:href"):
            assert re.match(r"#|data:image/(png|jpeg);base64,", found.get(name, "#")), found[name]
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    identifiers = [found["id"] for _, found in page.tags if "id" in found]
    assert len(identifiers) == len(set(identifiers))
    assert page.texts["pictures"].count("$x$") >= 2


def test_pictures_can_be_left_out_and_the_data_be_elsewhere(report, place, tmp_path):
    found = report(str(place / "good-1"), "--pictures", "0")
    assert not found.images and "Pictures were left out" in found.texts["pictures"]
    assert "do not publish" not in "".join(found.texts.values())
    (place / "data").rename(tmp_path / "moved")
    try:
        lost = report(str(place / "good-1"))
        assert "does not exist" in lost.texts["results"] and not lost.images
        assert lost.table("results")["good-1"]["pictures"] == "12"
        assert len(report(str(place / "good-1"), "--root", "moved").images) == 12
    finally:
        (tmp_path / "moved").rename(place / "data")


def test_broken_runs_are_notes_on_the_page(report, place, tmp_path):
    content = json.loads((place / "data/annotations/person_keypoints_held.json").read_text())
    names = ("empty", "cut", "odd", "unknown", "strange")
    for name in names[1:]:
        write_run(place / name, content, 2.0)
    try:
        (place / "empty").mkdir()
        file = place / "cut" / "metrics.json"
        file.write_text(file.read_text()[:300])
        (place / "odd" / "metrics.json").write_text(
            '{"AP": "high", "ci95": [1], "details": {"pck": 3, "posture": {"a": 1}}}'
        )
        (place / "odd" / "config.yaml").write_text("- 1\n")
        change_config(place / "unknown", "NO_SUCH_KEY", 1)
        (place / "strange" / "keypoints_held_results_0.json").write_text("[]")
        found = report(*(str(place / name) for name in names))
        said = found.texts["results"]
        for words in ("empty: Not read", "cut: Not read", "odd: No config", "unknown key NO_SUCH_KEY",
                      "strange: Scored anew its AP is"):  # fmt: skip
            assert words in said, words
        assert found.table("results")["odd"]["AP"] == "\u2013"
    finally:
        for name in names:
            for file in (place / name).iterdir():
                file.unlink()
            (place / name).rmdir()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["nowhere"], "run folder nowhere does not exist"),
        (["a=.", "a=."], "two runs are called 'a'"),
        ([".", "--resamples", "1"], "--resamples must be at least 2, got 1"),
    ],
)
def test_errors_are_one_line_and_leave_no_page(tmp_path, monkeypatch, capsys, arguments, text):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        exit_on_error(lambda: main(arguments))
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and text in line
    assert not Path("report.html").exists()
