"""fidip movement as a user runs it."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from figures import POSE
from PIL import Image
from pose_files import frame_of, person_at, write_frames
from running import command

from fidip.cli import exit_on_error
from fidip.motion.movement import measure, summarise
from fidip.motion.outputs import JOINT_MEASURES, NOTICE, PAIR_MEASURES

main = command("movement")

ROOT = Path(__file__).parents[1]


@pytest.fixture
def poses(tmp_path):
    """Two tracks of moving stick infants, the second from 1 s on."""
    frames = []
    for index in range(120):
        xy = 200 * POSE + [20, 10]
        xy[9] += 12 * np.sin(2 * np.pi * index / 30)
        xy[10] += 5 * np.sin(2 * np.pi * index / 30)
        persons = [person_at(xy, np.full(17, 0.9))]
        if index >= 30:
            persons.append(person_at(xy + 40, np.full(17, 0.8), 5))
        frames.append(frame_of(index, index / 30, tuple(persons)))
    return write_frames(tmp_path / "naked eye ö.poses.jsonl", frames, rate=30.0)


@pytest.fixture
def run(capsys):

    def status(*arguments):
        with pytest.raises(SystemExit) as stop:
            exit_on_error(lambda: main([str(argument) for argument in arguments]))
        return stop.value.code, capsys.readouterr()

    return status


def test_tables_and_pictures_are_written_with_the_notice(poses, run, tmp_path):
    code, said = run(poses.path, "--out", tmp_path / "out")
    assert code == 0
    assert said.out.count(NOTICE) == 1
    assert "| left_wrist " in said.out
    assert NOTICE == "Research use, not diagnostic."
    name = "naked eye ö.movement"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        [
            f"{name}.json",
            f"{name}.csv",
            "naked eye ö.movement_pairs.csv",
            f"{name}.track0.png",
            f"{name}.track5.png",
        ]
    )
    record = json.loads((tmp_path / "out" / f"{name}.json").read_text())
    assert record["notice"] == NOTICE
    assert set(record["measures"]) == set(JOINT_MEASURES) | set(PAIR_MEASURES)
    tracks = measure(poses).tracks
    assert [one["track"] for one in record["tracks"]] == [0, 5]
    assert record["tracks"][1]["joints"] == tracks[1].joints
    assert record["tracks"][1]["joints"]["nose"]["time_visible"] == pytest.approx(3.0)
    for part, first in (("movement", "joint"), ("movement_pairs", "pair")):
        with (tmp_path / "out" / f"naked eye ö.{part}.csv").open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert {row["note"] for row in rows} == {NOTICE}
        assert len(rows) == 2 * len(tracks[0].joints if first == "joint" else tracks[0].pairs)
        table = tracks[0].joints if first == "joint" else tracks[0].pairs
        speed = "speed_mean [BL/s]" if first == "joint" else "symmetry_speed"
        for row in rows[: len(table)]:
            value = table[row[first]][speed.split(" ")[0]]
            assert (
                float(row[speed]) == pytest.approx(value, rel=1e-5) if value is not None else row[speed] == ""
            )
    with Image.open(tmp_path / "out" / f"{name}.track5.png") as picture:
        assert picture.text["Description"] == NOTICE
        colours = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    for colour in ((0xD5, 0x5E, 0x00), (0x00, 0x72, 0xB2)):
        assert (np.abs(colours.astype(int) - colour).max(axis=1) < 8).sum() > 50


def test_summarise_writes_one_picture_of_one_track(poses, tmp_path):
    alone = [frame_of(frame.index, frame.time, list(frame)[:1]) for frame in poses]
    paths = summarise(write_frames(tmp_path / "one.poses.jsonl", alone, rate=30.0), tmp_path / "sum")
    assert [path.name for path in paths] == [
        f"one.movement{ending}" for ending in (".json", ".csv", "_pairs.csv", ".png")
    ]
    assert all(path.is_file() for path in paths)


def test_faults_end_with_status_2(tmp_path, run, poses):
    text = tmp_path / "x.poses.jsonl"
    text.write_text('{"format": "other"}\n')
    code, said = run(text)
    assert code == 2
    assert "not a file of poses" in said.err
    code, said = run(tmp_path / "none.poses.jsonl")
    assert code == 2
    assert "cannot be read" in said.err
    code, said = run(poses.path, "--out", text)
    assert code == 2
    assert "cannot be written to" in said.err


def test_every_measure_is_explained():
    text = (ROOT / "docs" / "movement.md").read_text(encoding="utf-8")
    for name, measure_ in (JOINT_MEASURES | PAIR_MEASURES).items():
        base = name.rsplit("_", 1)[0] if name.endswith(("_mean", "_median", "_p95", "_floor")) else name
        base = "symmetry_" if base.startswith("symmetry_") else base
        assert f"`{base}" in text, name
        for source in filter(None, measure_.source.split("; ")):
            author, year = source.split(" ")[0], source[-4:]
            assert any(
                author in line and year in line for line in text.splitlines() if line.startswith("- ")
            ), source


def test_a_track_without_a_trunk_is_left_out_with_a_warning(poses, run, tmp_path):
    """A parent's arm in view once cost the infant's numbers."""
    frames = []
    for frame in poses:
        persons = list(frame)
        if len(persons) > 1:
            persons[1].scores[0, 11] = 0.0  # a hip
        frames.append(frame_of(frame.index, frame.time, tuple(persons)))
    partly = write_frames(tmp_path / "arm.poses.jsonl", frames, rate=30.0)
    code, said = run(partly.path, "--out", tmp_path / "out")
    assert code == 0 and "track 5: shoulders and hips are never seen together" in said.err
    record = json.loads((tmp_path / "out/arm.movement.json").read_text())
    assert [one["track"] for one in record["tracks"]] == [0]
    assert record["tracks"][0]["joints"] == measure(poses).tracks[0].joints
