"""Trainings on a part of the real pictures."""

from pathlib import Path

import numpy as np
import pytest
from running import command
from training_setup import forget_processes, only_run, write_place

from fidip.cli import exit_on_error
from fidip.config import load_config, result_keys
from fidip.data.records import Record
from fidip.errors import ConfigError, DataError
from fidip.loading import draw_real

train_main = command("train")


def person(picture, synthetic=False, number=0):
    joints = np.zeros((17, 3))
    return Record(Path(f"{picture}.jpg"), picture, number, np.zeros(4), joints, 1.0, (1, 1), synthetic)


PERSONS = [person(i // 2, number=i) for i in range(40)] + [person(100 + i, True) for i in range(5)]


def drawn(count, seed=0, persons=PERSONS):
    found = draw_real(persons, count, seed)
    return {r.image_id for r in found if not r.synthetic}, found


def test_whole_pictures_are_drawn_and_synthetic_persons_stay():
    pictures, found = drawn(7)
    assert len(pictures) == 7 and len(found) == 2 * 7 + 5
    assert [r.annotation_id for r in found] == [r.annotation_id for r in PERSONS if r in found]
    assert drawn(0)[1] == drawn(20)[1] == PERSONS


def test_smaller_draws_are_parts_of_larger_ones_whatever_the_order():
    assert drawn(3)[0] < drawn(7)[0] < drawn(19)[0]
    assert drawn(7)[0] == drawn(7, persons=PERSONS[::-1])[0]
    assert len({frozenset(drawn(7, seed)[0]) for seed in range(20)}) > 10


def test_more_than_there_are_is_refused():
    with pytest.raises(DataError, match="REAL_COUNT 21: there are only 20 real pictures"):
        draw_real(PERSONS, 21, 0)


def test_a_training_uses_the_part(tmp_path, monkeypatch):
    monkeypatch.chdir(write_place(tmp_path))
    forget_processes()
    train_main(
        ["--cfg", "tiny.yaml", "DATASET.REAL_COUNT", "2", "TRAIN.END_EPOCH", "1", "DATASET.VAL_SET", ""]
    )
    assert "2 of 6 real pictures are used" in (only_run() / "train.log").read_text()


def test_the_key_leaves_older_runs_their_names_and_is_never_negative(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(write_place(tmp_path))
    assert "DATASET.REAL_COUNT" not in result_keys(load_config("tiny.yaml"))
    assert result_keys(load_config("tiny.yaml", ["DATASET.REAL_COUNT", "2"]))["DATASET.REAL_COUNT"] == 2
    with pytest.raises(ConfigError, match="REAL_COUNT must be at least 0"):
        train_main(["--cfg", "tiny.yaml", "DATASET.REAL_COUNT", "-1"])
    with pytest.raises(SystemExit) as stop:
        exit_on_error(lambda: train_main(["--cfg", "tiny.yaml", "DATASET.REAL_COUNT", "99"]))
    assert stop.value.code == 2 and "lower it, or add a split" in capsys.readouterr().err
