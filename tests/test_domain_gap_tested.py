"""TEST.DOMAIN_GAP: the gap between what is tested and another split, measured with the test."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from figures import write_split
from report_runs import own_clips
from running import command
from training_setup import CONFIG, edit_split, forget_processes, write_place

from fidip.build import build_model
from fidip.cli import exit_on_error
from fidip.config import load_config
from fidip.models import export_weights

run_tests, train_main = command("test"), command("train")

pytest.importorskip("sklearn")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A config, a checkpoint, ten pictures to test and eight of another domain."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(CONFIG)
    write_split(tmp_path / "data", "held", 10)
    write_split(tmp_path / "data", "made", 8, seed=1, synthetic=lambda i: True)
    write_split(tmp_path / "data", "few", 8, seed=2, synthetic=lambda i: True)  # of three clips
    for name in ("held", "made"):
        edit_split(tmp_path / "data", name, own_clips)
    torch.manual_seed(0)
    torch.save(export_weights(build_model(load_config("tiny.yaml"))), "tiny.pth")
    return tmp_path


def run(*arguments):
    return run_tests(["--cfg", "tiny.yaml", "TEST.MODEL_FILE", "tiny.pth", *arguments])


def only_metrics():
    (file,) = Path("output").glob("tiny-*/metrics.json")
    return json.loads(file.read_text()), file.parent


def test_the_gap_goes_into_metrics_and_a_picture(place, capsys):
    run()
    plain, folder = only_metrics()
    assert "domain_gap" not in plain and not (folder / "domain_gap.png").exists()
    results = (folder / "keypoints_held_results_0.json").read_bytes()
    run("TEST.DOMAIN_GAP", "made")
    metrics, folder = only_metrics()  # the same folder: the gap changes no result
    gap = metrics["domain_gap"]
    assert gap["splits"] == ["held", "made"] and gap["pictures"] == gap["sources"] == [10, 8]
    assert {name: gap["probes"][name]["a_distance"] for name in gap["probes"]} == {"linear": 2, "mlp": 2}
    assert gap["probes"]["linear"]["accuracy"] == 1  # the other domain has another background
    assert gap["mmd"]["p_value"] <= 0.01 and gap["frechet"] > gap["frechet_chance"]
    assert {k: v for k, v in metrics.items() if k in plain["ci95"]} == {
        k: v for k, v in plain.items() if k in plain["ci95"]
    }
    assert (folder / "keypoints_held_results_0.json").read_bytes() == results
    picture = cv2.imread(str(folder / "domain_gap.png"))
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 20
    said = capsys.readouterr().out
    assert "| | held - made |" in said and "| pictures | 10 + 8 |" in said
    run("TEST.DOMAIN_GAP", "made")
    assert only_metrics()[0]["domain_gap"] == gap


@pytest.mark.parametrize(
    ("split", "text"),
    [
        ("held", "TEST.DOMAIN_GAP is the test set"),
        ("nothing", "split 'nothing'"),
        ("few", "3 sources in one domain, but 5 folds"),
    ],
)
def test_errors_are_one_line_and_leave_nothing(place, capsys, split, text):
    with pytest.raises(SystemExit) as stop:
        exit_on_error(lambda: run("TEST.DOMAIN_GAP", split))
    assert stop.value.code == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert text in line
    assert not list(Path("output").rglob("metrics.json"))


def test_a_training_finds_a_wrong_name_before_it_begins(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(write_place(tmp_path))
    forget_processes()
    with pytest.raises(SystemExit) as stop:
        exit_on_error(lambda: train_main(["--cfg", "tiny.yaml", "TEST.DOMAIN_GAP", "nothing"]))
    assert stop.value.code == 2
    assert "split 'nothing'" in capsys.readouterr().err
    assert not list(Path("output").rglob("*.pth"))
