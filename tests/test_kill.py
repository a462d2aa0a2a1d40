"""SIGKILL at any moment: the same command goes on and ends as if nothing had happened."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from running import command
from training_setup import assert_same_state, forget_processes, weights_of, write_place

train_main = command("train")


ROOT = Path(__file__).parents[1]
TRAIN = ["--cfg", "tiny.yaml", "WORKERS", "2", "TRAIN.CHECKPOINT_EVERY", "1", "DATASET.TEST_SET", "",
         "TRAIN.END_EPOCH", "16", "TRAIN.VAL_EVERY", "8"]  # fmt: skip
LINUX = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")


def alive(group):
    """Processes of a process group that are no zombies."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = file.read_text().rpartition(")")[2].split()[:3]
        except OSError:  # it has just left
            continue
        if int(its_group) == group and state != "Z":
            found.append(int(file.parent.name))
    return found


def wait_until(condition, seconds):
    end = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return met


def start(place, output):
    command = [sys.executable, str(ROOT / "tools/train.py"), *TRAIN, "--modelDir", output]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # as in the tests: the order of sums depends on it
    with (place / f"{output}.log").open("a") as log:
        return subprocess.Popen(
            command, cwd=place, stdout=log, stderr=log, env=environment, start_new_session=True
        )


def total_step(place, output):
    file = next(iter((place / output).glob("tiny-*/checkpoint.pth")), None)
    return torch.load(file, weights_only=True)["position"]["total_step"] if file else 0


@LINUX
@pytest.mark.slow
def test_killed_scripts_go_on_and_leave_no_reading_process_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(write_place(tmp_path))
    forget_processes()
    groups = []
    for least in (4, 16):
        run = start(tmp_path, "war")
        assert wait_until(lambda least=least: total_step(tmp_path, "war") >= least, 120)
        os.kill(run.pid, signal.SIGKILL)
        assert run.wait(10) == -signal.SIGKILL
        assert total_step(tmp_path, "war") < 48
        groups.append(run.pid)
    assert "going on from" in (tmp_path / "war.log").read_text()
    for output in ("war", "peace"):
        assert train_main([*TRAIN, "--modelDir", output]) == 0
    assert wait_until(lambda: not any(map(alive, groups)), 30), "reading processes outlive the training"
    (war,), (peace,) = ((tmp_path / name).glob("tiny-*") for name in ("war", "peace"))
    for name in ("last", "best"):
        assert_same_state(weights_of(war, name), weights_of(peace, name))
    assert not list(tmp_path.rglob(".*.tmp"))


@LINUX
@pytest.mark.slow
def test_fifty_kills_at_random_moments_change_nothing(tmp_path):
    write_place(tmp_path)
    command = [sys.executable, str(Path(__file__).with_name("killing.py")), "50", "0", "4"]
    before = readers()
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["kills"] == 50 and report["same"], report
    assert report["moments"].get("writing a checkpoint", 0) >= 3, report
    assert {"before its first save", "training"} <= set(report["moments"]) and report["positions"] > 10, (
        report
    )
    assert wait_until(lambda: not readers() - before, 30), "reading processes outlive the training"


def readers():
    """Processes that run killing.py, its forks and their reading processes."""
    found = set()
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"killing.py" in file.read_bytes():
                found.add(int(file.parent.name))
        except OSError:  # it has just left
            continue
    return found
