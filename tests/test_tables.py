"""Tables of results: their definitions, the runs behind them, what is printed."""

import json
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from running import command
from training_setup import CONFIG, forget_processes, write_place

from fidip.build import build_model, image_size
from fidip.config import load_config
from fidip.errors import ConfigError
from fidip.evaluation.table import published_gflops, published_params
from fidip.models import complexity
from fidip.tables import METRICS, Job, missing, read_table, run_here
from fidip.tables.cluster import run_on_slurm

ROOT = Path(__file__).parents[1]
PROTOCOLS = ROOT / "experiments" / "protocols"
TABLE = """
title: Tiny
configs: rows
note: For tests.
rows:
  plain:
    labels: {training: fine-tune}
    paper: {params: 0.01M, AP: 50.0}
  adapted:
    labels: {training: FiDIP}
    against: plain
  far:
    labels: {training: elsewhere}
"""


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """The command, with a table of two rows that can run and one that lacks its data."""
    monkeypatch.chdir(write_place(tmp_path, CONFIG + "TRAIN.PRE_EPOCH: 1\n"))
    forget_processes()
    (tmp_path / "rows").mkdir()
    for name, extra in (("plain", "ADAPT: {METHOD: none}"), ("adapted", "ADAPT: {METHOD: mmd}"),
                        ("far", "DATASET: {TRAIN_SET: [nowhere]}")):  # fmt: skip
        (tmp_path / "rows" / f"{name}.yaml").write_text(f"BASE: ../tiny.yaml\n{extra}\n")
    (tmp_path / "tiny_table.yaml").write_text(TABLE)
    monkeypatch.setattr("fidip.tables.spec.PROTOCOLS", (tmp_path,))
    return lambda *arguments: command("tables")(
        ["--table", "tiny_table", "--out", "tables", "--threads", "1", *arguments]
    )


def test_sigterm_ends_the_runs_too(tmp_path, monkeypatch):
    """The runs once went on without anybody to wait for them, beside those of the next start."""
    stand_in = tmp_path / "python"
    stand_in.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
    stand_in.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(stand_in))
    job = Job("plain", 0, tmp_path / "plain.yaml", (), tmp_path / "plain_seed0.json")

    def end_when_running():
        while not (tmp_path / "pid").exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=end_when_running, daemon=True).start()
    with pytest.raises(SystemExit) as stop:
        list(run_here([job], 1))
    assert stop.value.code == 143
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def lines_of(text):
    return {cells[1]: cells for line in text.splitlines() if line.startswith("| ")
            for cells in [[cell.strip() for cell in line.split("|")[1:-1]]]}  # fmt: skip


@pytest.mark.slow
def test_a_table_runs_resumes_and_compares(tool, capsys):
    assert tool("--seeds", "2", "--only", "plain", "adapted") == 0
    records = {p.name: json.loads(p.read_text()) for p in Path("tables/tiny_table").glob("*_seed?.json")}
    assert sorted(records) == [f"{row}_seed{seed}.json" for row in ("adapted", "plain") for seed in (0, 1)]
    text = capsys.readouterr().out
    assert "## Tiny" in text and "For tests." in text
    summary = json.loads(Path("tables/tiny_table.json").read_text())["rows"]
    plain, adapted = ([records[f"{row}_seed{seed}.json"] for seed in (0, 1)] for row in ("plain", "adapted"))
    for name, runs in (("plain", plain), ("adapted", adapted)):
        for metric in METRICS:
            mean = sum(run["metrics"][metric] for run in runs) / 2
            assert summary[name]["mean"][metric] == pytest.approx(mean, abs=1e-12)
        low, high = summary[name]["interval"]
        assert low <= summary[name]["mean"]["AP"] <= high
    gap = summary["adapted"]["mean"]["AP"] - summary["plain"]["mean"]["AP"]
    assert summary["adapted"]["difference"] == pytest.approx(gap, abs=1e-12)
    assert 0 < summary["adapted"]["p"] <= 1 and summary["plain"]["p"] is None
    assert plain[0]["seconds"] > 0 and plain[0]["device"] == "cpu" and plain[0]["threads"] == 1

    times = {p: p.stat().st_mtime_ns for p in Path("output").rglob("model_last.pth")}
    # nothing is run again; overrides may follow the names of rows, which once took them for rows
    assert tool("--seeds", "2", "--only", "plain", "adapted", "PRINT_FREQ", "7") == 0
    assert capsys.readouterr().out == text
    assert times == {p: p.stat().st_mtime_ns for p in Path("output").rglob("model_last.pth")}


def test_what_cannot_run_is_listed_with_the_reason(tool, capsys):
    assert tool("--show") == 1
    text = capsys.readouterr().out
    assert re.search(r"- far: .*nowhere", text) and "- plain: not run yet" in text
    assert "| elsewhere" in text and not list(Path("output").glob("*"))


def test_another_config_is_another_run(tmp_path, monkeypatch):
    monkeypatch.chdir(write_place(tmp_path))
    job = Job("tiny", 0, Path("tiny.yaml"), (), Path("r.json"))
    Path("r.json").write_text(json.dumps({"key": job.key()}))
    assert job.done() is not None
    changed = Job("tiny", 0, Path("tiny.yaml"), ("TRAIN.LR", "0.5"), Path("r.json"))
    assert changed.done() is None and Job("tiny", 1, Path("tiny.yaml"), (), Path("r.json")).done() is None
    assert missing(job) == ""


@pytest.mark.slow
def test_a_failed_run_says_why_and_the_others_go_on(tmp_path, monkeypatch):
    monkeypatch.chdir(write_place(tmp_path))
    jobs = [Job("bad", 0, Path("tiny.yaml"), ("TRAIN.LAMBDA", "0"), Path("t/bad.json"), 1),
            Job("good", 0, Path("tiny.yaml"), ("TRAIN.END_EPOCH", "1"), Path("t/good.json"), 1)]  # fmt: skip
    errors = {job.row: error for job, error in run_here(jobs, 2)}
    assert "exit status 2: error: ADAPT.METHOD grl with TRAIN.LAMBDA 0" in errors["bad"]
    assert errors["good"] == "" and Path("t/good.json").is_file() and not Path("t/bad.json").exists()


def test_slurm_without_submitit_is_said(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "submitit", None)
    with pytest.raises(ConfigError, match="pip install submitit"):
        list(run_on_slurm([], "gpu", 1, tmp_path))


def test_jobs_run_through_submitit(tmp_path, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.chdir(write_place(tmp_path))
    job = Job("good", 0, Path("tiny.yaml"), ("TRAIN.END_EPOCH", "1"), Path("t/good.json").absolute(), 1)
    assert [error for _, error in run_on_slurm([job], "", 0.1, tmp_path / "slurm", cluster="local")] == [""]
    assert job.done() is not None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title: x", "must have title, configs and rows"),
        ("[1, 2", "cannot be read"),
        (TABLE.replace("against: plain", "against: nobody"), "has no row 'nobody'"),
        (TABLE.replace("  far:", "  farther:"), "there is no config"),
        (TABLE.replace("labels: {training: elsewhere}", "paper: {}"), "row far: needs labels"),
    ],
)
def test_a_faulty_definition_names_the_row(tmp_path, text, message):
    (tmp_path / "rows").mkdir()
    for name in ("plain", "adapted", "far"):
        (tmp_path / "rows" / f"{name}.yaml").touch()
    (tmp_path / "t.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_table(tmp_path / "t.yaml")


@pytest.mark.parametrize("name", ["train_sets", "ablation", "generality"])
def test_published_numbers_are_those_of_the_document(name):
    """Each row's numbers stand in docs/published.md, as many times as there are rows with them."""
    document = (ROOT / "docs" / "published.md").read_text()
    table = read_table(PROTOCOLS / f"{name}.yaml")
    configs = {p.stem for p in (ROOT / "experiments" / "tables" / name).glob("*.yaml")}
    assert {row.name for row in table.rows} == configs
    for row in table.rows:
        values = [f"{row.paper[metric]:.1f}" for metric in METRICS if metric in row.paper]
        assert re.search(r"\| " + r" \| ".join(map(re.escape, values)) + r" \|", document), row.name
        heading = row.config.read_text().splitlines()[0]
        assert heading.rstrip(".").endswith("/".join(values)) or f"Published AP: {values[0]}" in heading


def test_printed_sizes_equal_the_published_ones():
    seen = set()
    for row in read_table(PROTOCOLS / "generality.yaml").rows:
        network = row.labels["network"]
        if network in seen:
            continue
        seen.add(network)
        cfg = load_config(row.config)
        work = complexity(build_model(cfg), image_size(cfg))
        assert published_params(work.params) == row.paper["params"]
        assert published_gflops(work.published_macs) == f"{row.paper['GFLOPs']:.2f}"
    assert len(seen) == 3
