"""Trainings of a number of steps, whatever the size of their data."""

from pathlib import Path

import pytest
import torch
from running import command
from training_setup import forget_processes, weights_of, write_place

from fidip.config import load_config, result_keys
from fidip.errors import ConfigError

train_main = command("train")

COSINE = ("ADAPT.METHOD", "none", "TRAIN.SCHEDULE", "cosine", "DATASET.VAL_SET", "")


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(write_place(tmp_path))
    forget_processes()
    return tmp_path


def train(output, *arguments):
    forget_processes()
    train_main(["--cfg", "tiny.yaml", "--modelDir", output, *COSINE, *arguments])
    (folder,) = Path(output).iterdir()
    return folder, torch.load(folder / "checkpoint.pth", weights_only=True)["position"]


def test_a_number_of_steps_is_the_same_as_whole_epochs_of_as_many(place):
    folder, position = train("epochs", "TRAIN.END_EPOCH", "2")
    steps = position["total_step"]
    same, again = train("steps", "TRAIN.END_STEP", str(steps), "TRAIN.END_EPOCH", "99")
    assert again["total_step"] == steps > 2
    for name, value in weights_of(folder, "last").items():
        assert torch.equal(value, weights_of(same, "last")[name]), name


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_training_ends_inside_an_epoch(place, accumulate):
    per_epoch = train("whole", "TRAIN.END_EPOCH", "1", "TRAIN.ACCUMULATE", str(accumulate))[1]["total_step"]
    folder, position = train("cut", "TRAIN.END_STEP", str(per_epoch + 1), "TRAIN.ACCUMULATE", str(accumulate))
    assert per_epoch > 1 and position["total_step"] == per_epoch + 1
    log = (folder / "train.log").read_text()
    assert f"pose epoch 2/2: {accumulate}/{accumulate}" in log


def test_the_key_leaves_older_runs_their_names_and_no_step_count_is_negative(place):
    assert "TRAIN.END_STEP" not in result_keys(load_config("tiny.yaml"))
    assert result_keys(load_config("tiny.yaml", ["TRAIN.END_STEP", "5"]))["TRAIN.END_STEP"] == 5
    with pytest.raises(ConfigError, match="END_STEP must be at least 0"):
        train("output", "TRAIN.END_STEP", "-1")
