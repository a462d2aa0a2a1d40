"""Checkpoints: whole or not at all, the previous one kept, never another run's; a full disk leaves them intact."""

import errno
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from running import command
from tensorboardX import SummaryWriter
from training_setup import assert_same_state, weights_of, write_place

from fidip.checkpoint import Checkpoint, CheckpointFile, Position, random_state, set_random_state
from fidip.cli import exit_on_error
from fidip.errors import FidipError, WeightsError

train_main = command("train")


def checkpoint(step, key="key", size=1000):
    states = {"model": {"weight": torch.full((size,), float(step))}, "optimizer": None}
    return Checkpoint(key, Position(stage=1, epoch=2, step=step, best=0.5), states, [random_state()])


def step_of(file):
    return file.load("key").position.step


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    file = CheckpointFile(tmp_path)
    assert file.load("key") is None
    file.save(checkpoint(7))
    loaded = file.load("key")
    assert loaded.position == Position(stage=1, epoch=2, step=7, best=0.5)
    assert torch.equal(loaded.states["model"]["weight"], torch.full((1000,), 7.0))


def test_the_previous_one_is_kept_and_nothing_else(tmp_path):
    file = CheckpointFile(tmp_path)
    for step in range(4):
        file.save(checkpoint(step))
    assert names(tmp_path) == ["checkpoint.pth", "checkpoint_previous.pth"]
    assert torch.load(file.previous, weights_only=True)["position"]["step"] == 2 and step_of(file) == 3


def draws():
    """One of every kind from the global generators; gauss and randn keep a second value back."""
    return random.random(), random.gauss(0, 1), np.random.rand(), np.random.randn(), torch.rand(3)


def test_random_states_come_back(tmp_path):
    file = CheckpointFile(tmp_path)
    file.save(checkpoint(1))
    expected = draws()
    set_random_state(file.load("key").rng[0])
    found = draws()
    assert found[:4] == expected[:4] and torch.equal(found[4], expected[4])


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"hello", "half"])
def test_a_damaged_one_gives_way_to_the_previous(tmp_path, caught, content):
    file = CheckpointFile(tmp_path)
    file.save(checkpoint(1))
    file.save(checkpoint(2))
    whole = file.path.read_bytes()
    file.path.write_bytes(whole[: len(whole) // 2] if content == "half" else content)
    assert step_of(file) == 1
    assert f"checkpoint {file.path} cannot be read" in caught.messages[0]
    file.previous.write_bytes(b"")
    with pytest.raises(WeightsError, match=r"no checkpoint can be read: .*checkpoint_previous.pth.*delete"):
        file.load("key")


def test_another_run_is_refused(tmp_path):
    file = CheckpointFile(tmp_path)
    file.save(checkpoint(1, key="other"))
    with pytest.raises(
        WeightsError, match=r"checkpoint.pth was made with another config, other data.*OUTPUT_DIR"
    ):
        file.load("key")
    torch.save([1, 2], file.path)
    with pytest.raises(WeightsError, match="no checkpoint of this version; delete it"):
        file.load("key")


def test_pickled_code_is_not_run(tmp_path):
    class Payload:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'executed'}",)

    file = CheckpointFile(tmp_path)
    torch.save({"version": 1, "key": "key", "states": Payload()}, file.path)
    with pytest.raises(WeightsError, match="no checkpoint can be read"):
        file.load("key")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("when", ["fsync", "link", "replace", "save"])
def test_an_error_while_saving_leaves_both_old_ones(tmp_path, monkeypatch, when):
    file = CheckpointFile(tmp_path)
    file.save(checkpoint(1))
    file.save(checkpoint(2))

    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    broken = {"fsync": (os, "fsync"), "save": (torch, "save"), "replace": (Path, "replace"),
              "link": (Path, "write_bytes")}  # fmt: skip
    monkeypatch.setattr(*broken[when], full)
    if when == "link":  # a file system without hard links copies
        monkeypatch.setattr(os, "link", full)
    with pytest.raises(FidipError, match=r"No space left.*is intact in .*checkpoint.pth: free space"):
        file.save(checkpoint(3))
    monkeypatch.undo()
    assert names(tmp_path) == ["checkpoint.pth", "checkpoint_previous.pth"]
    assert torch.load(file.previous, weights_only=True)["position"]["step"] == 1 and step_of(file) == 2


def test_without_an_old_one_the_message_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "save", lambda *a: (_ for _ in ()).throw(RuntimeError("write failed")))
    with pytest.raises(FidipError, match=r"write failed.*there is none yet"):
        CheckpointFile(tmp_path).save(checkpoint(1))


def test_file_systems_without_hard_links_keep_the_previous_one_too(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", lambda *a: (_ for _ in ()).throw(OSError(errno.EPERM, "no links")))
    file = CheckpointFile(tmp_path)
    for step in range(3):
        file.save(checkpoint(step))
    assert names(tmp_path) == ["checkpoint.pth", "checkpoint_previous.pth"]
    assert torch.load(file.previous, weights_only=True)["position"]["step"] == 1


def test_after_a_kill_between_the_two_names_nothing_is_left_over(tmp_path):
    file = CheckpointFile(tmp_path)
    file.save(checkpoint(1))
    os.link(file.path, file.previous)  # killed here: both names, one file
    (tmp_path / ".checkpoint.pth.123.tmp").write_bytes(b"half")
    file.clean()
    file.save(checkpoint(2))
    assert names(tmp_path) == ["checkpoint.pth", "checkpoint_previous.pth"]
    assert torch.load(file.previous, weights_only=True)["position"]["step"] == 1 and step_of(file) == 2


LIMITED = """
import resource, signal, sys, torch
from fidip.cli import exit_on_error, main
torch.set_num_threads(1)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
exit_on_error(lambda: main(["train", *sys.argv[2:]]))
"""


def test_a_file_that_cannot_grow_ends_the_training_with_one_line(tmp_path):
    """The files of the first epoch do not fit; the model file is the first of them."""
    write_place(tmp_path)
    command = [sys.executable, "-c", LIMITED, "100000", "--cfg", "tiny.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    (line,) = [text for text in done.stderr.splitlines() if text.startswith("error:")]
    assert "model_best.pth cannot be saved" in line and "free space and go on" in line
    assert not list(tmp_path.rglob("*.tmp")) and "Traceback" not in done.stderr


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of 12 MB; skips where mounting is not permitted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(disk)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no tmpfs can be mounted here: {error}")
    yield disk
    command = ["umount", "--lazy", str(disk)]  # the log may still be open
    subprocess.run(command, check=True)


def fill(disk):
    """Leave no byte."""
    with pytest.raises(OSError, match="No space"), (disk / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


def test_a_picture_that_finds_no_space_ends_the_training_with_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(write_place(tmp_path))

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("fidip.engine.observe.BatchGrid.__call__", full)
    with pytest.raises(SystemExit) as stop:
        exit_on_error(lambda: train_main(["--cfg", "tiny.yaml", "DEBUG.DEBUG", "True"]))
    assert stop.value.code == 2
    assert "(No space left on device); its checkpoints are intact: free space" in capsys.readouterr().err


def test_scalars_that_find_no_space_do_not_end_the_training(tmp_path, monkeypatch):
    monkeypatch.chdir(write_place(tmp_path))

    def full(self):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(SummaryWriter, "flush", full)
        assert train_main(["--cfg", "tiny.yaml", "TRAIN.END_EPOCH", "1", "DATASET.TEST_SET", ""]) == 0
    (log,) = Path("output").glob("*/train.log")
    assert "scalars in log/tiny-" in log.read_text() and "there will be no more" in log.read_text()


@pytest.mark.slow
def test_a_full_disk_leaves_the_last_checkpoint_and_training_goes_on_later(
    tmp_path, small_disk, monkeypatch, capsys
):
    monkeypatch.chdir(write_place(tmp_path))
    command = ["--cfg", "tiny.yaml", "--modelDir", str(small_disk), "TRAIN.END_EPOCH", "3", "TRAIN.CHECKPOINT_EVERY", "1",
               "DATASET.VAL_SET", "", "TRAIN.OPTIMIZER", "sgd"]  # fmt: skip
    assert train_main([*command, "OUTPUT_DIR", "elsewhere"]) == 0
    save, calls = CheckpointFile.save, []

    def save_until_full(self, content):
        calls.append(1)
        if len(calls) == 5:
            fill(small_disk)
        save(self, content)

    monkeypatch.setattr(CheckpointFile, "save", save_until_full)
    with pytest.raises(SystemExit) as stop:
        exit_on_error(lambda: train_main(command))
    assert stop.value.code == 2
    (folder,) = small_disk.glob("tiny-*")
    assert f"the checkpoint before is intact in {folder / 'checkpoint.pth'}" in capsys.readouterr().err
    assert not list(small_disk.rglob(".*.tmp"))
    for name in ("checkpoint", "checkpoint_previous"):
        assert torch.load(folder / f"{name}.pth", weights_only=True)["position"]["total_step"] in (3, 4)
    (small_disk / "filler").unlink()
    assert train_main(command) == 0
    assert_same_state(weights_of(folder), weights_of(Path("elsewhere") / folder.name))
