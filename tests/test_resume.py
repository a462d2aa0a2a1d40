"""Runs are exact: equal when repeated, and equal after any interruption."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from running import command
from torch.nn import functional as F
from training_setup import assert_same_state, forget_processes, weights_of, write_place

from fidip import training
from fidip.cli import exit_on_error
from fidip.engine.loop import Trainer

train_main = command("train")

ROOT = Path(__file__).parents[1]
# all that a checkpoint must carry: both stages, a running mean, groups of batches, several saves an epoch
EVERYTHING = (
    "TRAIN.PRE_EPOCH",
    "1",
    "TRAIN.EMA",
    "0.9",
    "TRAIN.CHECKPOINT_EVERY",
    "2",
    "TRAIN.WARMUP_STEPS",
    "3",
)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working directory; the net has dropout, so that random states matter."""
    monkeypatch.chdir(write_place(tmp_path))
    forget_processes()
    start = training.load_start

    def with_dropout(cfg):
        model = start(cfg)
        model.trunk.register_forward_hook(lambda trunk, _, out: F.dropout(out, 0.2, trunk.training))
        return model

    monkeypatch.setattr(training, "load_start", with_dropout)
    return tmp_path


def train(output, *arguments):
    return train_main(["--cfg", "tiny.yaml", "--modelDir", output, *arguments])


def end_of(output):
    """All that a run ended with: tensors by name, and its results files."""
    (folder,) = Path(output).glob("tiny-*")
    states = torch.load(folder / "checkpoint.pth", weights_only=True)["states"]
    tensors = {f"{name}.{key}": value for name in ("model", "companion", "ema") for key, value in
               (states[name] or {}).items()}  # fmt: skip
    tensors |= {
        f"{kept}.{key}": value for kept in ("best", "last") for key, value in weights_of(folder, kept).items()
    }
    files = [folder / sub / "keypoints_held_results_0.json" for sub in ("", "last")]
    return tensors, [file.read_bytes() for file in files]


def assert_same_end(one, other):
    (tensors, results), (expected, expected_results) = end_of(one), end_of(other)
    assert_same_state(tensors, expected)
    assert results == expected_results


def stop_at(monkeypatch, call, number=signal.SIGTERM):
    """Send this process a signal in the middle of its ``call``-th batch."""
    learn, calls = Trainer._learn, []

    def interrupted(self, *arguments):
        calls.append(1)
        if len(calls) == call:
            os.kill(os.getpid(), number)
        return learn(self, *arguments)

    monkeypatch.setattr(Trainer, "_learn", interrupted)


def stopped(output, *arguments):
    """Exit status of a training that is asked to stop."""
    with pytest.raises(SystemExit) as stop:
        exit_on_error(lambda: train(output, *arguments))
    return stop.value.code


@pytest.mark.parametrize("workers", ["0", "2"])
def test_equal_runs_are_equal_bit_for_bit(place, workers):
    train("one", *EVERYTHING)
    train("two", *EVERYTHING, "WORKERS", workers)
    assert_same_end("two", "one")


def test_another_seed_is_another_run(place):
    train("one", *EVERYTHING)
    train("two", *EVERYTHING, "SEED", "1")
    (one, _), (two, _) = end_of("one"), end_of("two")
    assert not any(
        torch.equal(value, two[name]) for name, value in one.items() if name.endswith("conv1.weight")
    )


# 12 samples: 2 batches of classifier training, then 2 epochs of 3 batches
@pytest.mark.parametrize("call", [1, 2, 3, 4, 5, 8])
def test_a_stop_at_any_batch_changes_nothing(place, monkeypatch, capsys, call):
    train("whole", *EVERYTHING)
    stop_at(monkeypatch, call)
    assert stopped("parts", *EVERYTHING) == 143
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "stopped by SIGTERM; progress is saved, run the same command again to resume"
    train("parts", *EVERYTHING)
    assert_same_end("parts", "whole")


@pytest.mark.parametrize(
    "options",
    [
        ("TRAIN.ACCUMULATE", "2", "TRAIN.CLIP_GRAD", "0.01"),
        ("TRAIN.OPTIMIZER", "adamw", "TRAIN.WD", "0.1", "TRAIN.SCHEDULE", "cosine"),
        ("TRAIN.OPTIMIZER", "sgd", "TRAIN.MOMENTUM", "0.9", "DATASET.SAMPLER", "balanced"),
        ("WORKERS", "2"),
        ("PRECISION", "bf16"),
        ("TRAIN.END_STEP", "5", "TRAIN.SCHEDULE", "cosine", "WORKERS", "2"),
        ("ADAPT.METHOD", "none", "TRAIN.CHECKPOINT_EVERY", "1"),
        ("ADAPT.METHOD", "cdan", "ADAPT.LAMBDA_SCHEDULE", "warmup"),
        ("ADAPT.METHOD", "mean_teacher"),
    ],
    ids=" ".join,
)
def test_two_stops_change_nothing_whatever_is_trained(place, monkeypatch, options):
    train("whole", *EVERYTHING, *options)
    for call, number, status in ((3, signal.SIGINT, 130), (2, signal.SIGTERM, 143)):
        with monkeypatch.context() as patch:
            stop_at(patch, call, number)
            assert stopped("parts", *EVERYTHING, *options) == status
    train("parts", *EVERYTHING, *options)
    assert_same_end("parts", "whole")


def test_a_stop_during_a_validation_is_obeyed_after_it(place, monkeypatch):
    train("whole", *EVERYTHING)
    validate = training.build_estimator
    calls = []

    def asked(*arguments):
        calls.append(1)
        if len(calls) == 2:  # the last validation of all
            os.kill(os.getpid(), signal.SIGTERM)
        return validate(*arguments)

    monkeypatch.setattr(training, "build_estimator", asked)
    assert stopped("parts", *EVERYTHING) == 143
    (folder,) = Path("parts").iterdir()
    assert not (folder / "metrics.json").exists()
    train("parts", *EVERYTHING)
    assert_same_end("parts", "whole")


@pytest.fixture
def interruptible():
    """SIGINT as a terminal has it: what a shell runs in the background begins with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_a_second_signal_acts_at_once(place, monkeypatch):
    stop_at(monkeypatch, 2, signal.SIGINT)
    stop_at(monkeypatch, 2, signal.SIGINT)
    assert stopped("parts", *EVERYTHING) == 130
    (folder,) = Path("parts").iterdir()
    assert not (folder / "checkpoint.pth").exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_script_saves_and_leaves_when_its_group_is_signalled(tmp_path, number, status):
    """As Ctrl-C does: reading processes get the signal too and must not die before progress is saved."""
    write_place(tmp_path)
    command = [sys.executable, str(ROOT / "tools/train.py"), "--cfg", "tiny.yaml", "WORKERS", "2", "PRINT_FREQ", "1",
               "TRAIN.END_EPOCH", "1000", "DATASET.VAL_SET", ""]  # fmt: skip
    with (tmp_path / "err").open("w") as err:
        run = subprocess.Popen(command, cwd=tmp_path, stdout=err, stderr=err, start_new_session=True)
    wait_for(lambda: "epoch 3/" in (tmp_path / "err").read_text())
    os.killpg(run.pid, number)
    assert run.wait(60) == status
    text = (tmp_path / "err").read_text()
    assert f"stopped by {signal.Signals(number).name}; progress is saved" in text and "Traceback" not in text
    (folder,) = (tmp_path / "output").iterdir()
    position = torch.load(folder / "checkpoint.pth", weights_only=True)["position"]
    assert position["total_step"] >= 7 and position["total_step"] == 3 * position["epoch"] + position["batch"]
