"""What a stop leaves, and how the same command goes on from it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from films import dots, dots_predictor, write_film
from pose_files import frame_of
from test_media_predict import made, place  # noqa: F401 -- fixtures

from fidip.errors import DataError, Interrupted
from fidip.predict.follow import Follower, Plan, predict_source
from fidip.predict.pose_file import Header, PoseFile, PoseStream
from fidip.predict.sources import Video

ROOT = Path(__file__).parents[1]
COUNT = 30


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    rng = np.random.default_rng(0)
    centres = [(60 + i + rng.normal(0, 2), 60 + rng.normal(0, 2)) for i in range(COUNT)]
    images = [dots([] if 12 <= i < 15 else [centre]) for i, centre in enumerate(centres)]
    return write_film(tmp_path_factory.mktemp("film") / "a film.mkv", images)


class Stopped(Video):
    """A video in whose reading a signal arrives."""

    def __init__(self, path, number, at):
        super().__init__(path)
        self.signal, self.at = number, at

    def read(self, start=0):
        for picture in super().read(start):
            if picture.index == self.at:
                os.kill(os.getpid(), self.signal)
                time.sleep(0.05)  # the frames before it are being used meanwhile
            yield picture


def run(source, path, smooth=None, model="m-o", overwrite=False):
    return predict_source(source, Follower(dots_predictor(), Plan()), path, model, overwrite, smooth)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_leaves_whole_frames_and_goes_on_to_the_same_end(film, tmp_path, number):
    whole, whole_smooth = tmp_path / "whole.poses.jsonl", tmp_path / "whole.smooth.poses.jsonl"
    run(Video(film), whole, whole_smooth)
    path, smooth = tmp_path / "b.poses.jsonl", tmp_path / "b.smooth.poses.jsonl"
    done, handler = 0, signal.getsignal(signal.SIGINT)
    for at in (8, 14, 22):
        with pytest.raises(Interrupted) as stop:
            run(Stopped(film, number, at), path, smooth)
        assert stop.value.status == 128 + number
        frames = list(PoseFile(path))
        assert done < len(frames) < COUNT and [f.index for f in frames] == list(range(len(frames)))
        assert path.read_text().endswith("}\n")
        done = len(frames)
    run(Video(film), path, smooth)
    assert path.read_bytes() == whole.read_bytes()
    assert smooth.read_bytes() == whole_smooth.read_bytes()
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_line_that_was_cut_off_is_written_again(film, tmp_path):
    path = tmp_path / "a.poses.jsonl"
    run(Video(film), path)
    whole = path.read_bytes()
    for length in (len(whole) - 1, len(whole) // 2, 100, 0):
        path.write_bytes(whole[:length])
        run(Video(film), path)
        assert path.read_bytes() == whole


def test_a_finished_run_is_not_done_again(film, tmp_path):
    path = tmp_path / "a.poses.jsonl"
    run(Video(film), path)
    before = path.read_bytes()
    follower = Follower(dots_predictor(), Plan())
    follower.predictor.crop = None  # nothing may be looked at
    predict_source(Video(film), follower, path, "m-o")
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("x-o", "another model;"),
        ("m-x", "another choice of options;"),
        ("x-x", "another model and choice of options;"),
    ],
)
def test_another_run_is_not_gone_on_with(film, tmp_path, model, words):
    path = tmp_path / "a.poses.jsonl"
    run(Video(film), path)
    before = path.read_bytes()
    with pytest.raises(DataError, match=words) as error:
        run(Video(film), path, model=model)
    assert str(path) in str(error.value) and "--overwrite" in str(error.value)
    assert path.read_bytes() == before
    run(Video(film), path, model=model, overwrite=True)
    assert PoseFile(path).header.model == model and len(list(PoseFile(path))) == COUNT


def test_another_source_is_not_gone_on_with(film, tmp_path):
    path = tmp_path / "a.poses.jsonl"
    run(Video(film), path)
    other = write_film(tmp_path / "other.mkv", [dots([(60, 60)], (80, 90))] * 3)
    with pytest.raises(DataError, match="another source and size"):
        run(Video(other), path)


def test_what_is_no_file_of_poses_is_not_overwritten(film, tmp_path):
    path = tmp_path / "a.poses.jsonl"
    path.write_text('{"a": 1}\n')
    with pytest.raises(DataError, match="not a file of poses"):
        run(Video(film), path)
    assert path.read_text() == '{"a": 1}\n'


def test_frames_reach_the_disk_while_they_come(tmp_path, monkeypatch):
    monkeypatch.setattr("fidip.predict.pose_file.FLUSH_EVERY", 0.0)
    path = tmp_path / "a.poses.jsonl"
    with PoseStream(path, Header("a", ("x",), (1, 1), 1.0, "m")) as stream:
        for index in range(3):
            stream.write(frame_of(index, float(index)))
            assert len(list(PoseFile(path))) == index + 1


@pytest.mark.slow
def test_the_script_stops_at_sigint_and_goes_on(place):  # noqa: F811
    write_film(Path("long.mkv"), [dots([(60, 60)])] * 3000)
    command = [sys.executable, str(ROOT / "tools/predict.py"), "long.mkv", "--cfg", "tiny.yaml", "--out", "o"]
    path = Path("o/long.poses.jsonl")
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not path.is_file() or len(list(PoseFile(path))) < 5:
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "run the same command again to resume" in errors
    part = path.read_bytes()
    assert 5 <= len(list(PoseFile(path))) < 3000
    assert subprocess.run(command, check=False).returncode == 0
    assert path.read_bytes().startswith(part) and len(list(PoseFile(path))) == 3000
    assert Path("o/long.csv").is_file()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_memory_does_not_grow_with_the_video(tmp_path, monkeypatch):
    part = [dots([(60 + 30 * np.sin(i / 9), 60)], (320, 240)) for i in range(50)]
    path = write_film(tmp_path / "long.mp4", part * 60, codec="h264", pixels="yuv420p")
    resident, write = {}, PoseStream.write

    def measured(self, frame):
        write(self, frame)
        if frame.index in (300, 2999):
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            resident[frame.index] = pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    monkeypatch.setattr(PoseStream, "write", measured)
    run(Video(path), tmp_path / "a.poses.jsonl")
    assert resident[2999] - resident[300] < 8  # MiB; 3,000 frames of 320 x 240 are 660
