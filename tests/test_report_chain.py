"""Train with adaptation, test with the domain gap, and report: what each step writes is what the next one reads."""

import json
from pathlib import Path

import pytest
from figures import write_split
from report_runs import own_clips
from running import command
from test_report import SECTIONS, Page, percent
from training_setup import edit_split, forget_processes, only_run, write_place

from fidip.report import read_runs
from fidip.report.curves import read_curves

main, train_main = command("report"), command("train")

pytest.importorskip("sklearn")


def test_a_training_and_its_report(tmp_path, monkeypatch):
    monkeypatch.chdir(write_place(tmp_path))
    forget_processes()
    for name, seed in (("held", 5), ("made", 6)):
        write_split(tmp_path / "data", name, 8, seed=seed, synthetic=lambda i, name=name: name == "made")
        edit_split(tmp_path / "data", name, own_clips)
    assert train_main(["--cfg", "tiny.yaml", "TEST.DOMAIN_GAP", "made", "TRAIN.PRE_EPOCH", "1"]) == 0
    folder = only_run()
    for place in (folder, folder / "last"):
        assert json.loads((place / "metrics.json").read_text())["domain_gap"]["pictures"] == [8, 8]
        assert (place / "domain_gap.png").is_file()

    best, last = read_runs([f"best={folder}", str(folder / "last")])
    curves = read_curves(best)
    # two steps of the classifier's stage, then three an epoch
    assert [step for step, _ in curves["val/AP"]] == [5, 8]
    assert {"train/pose", "train/domain", "train/pck"} <= curves.keys() and read_curves(last) == curves

    assert main([f"best={folder}", str(folder / "last"), "--resamples", "50", "--output", "page.html"]) == 0
    page = Page(Path("page.html").read_text(encoding="utf-8"))
    assert [found["id"] for tag, found in page.tags if tag == "section"] == SECTIONS
    metrics = json.loads((folder / "metrics.json").read_text())
    row = page.table("results")["best"]
    assert row["AP"] == percent(metrics["AP"], metrics["ci95"]["AP"]) and row["p"] == "\u2013"
    accuracy = metrics["domain_gap"]["probes"]["linear"]
    limits = (accuracy["low"], accuracy["high"])
    assert page.table("gap")["best"]["linear probe (%)"] == percent(accuracy["accuracy"], limits)
    assert "No curves" not in page.texts["curves"] and "Scored anew" not in page.texts["results"]
    assert page.images and not page.tables.get("config")  # one config, two models
