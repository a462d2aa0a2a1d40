"""The six example scripts run on tiny inputs, as a reader would run them, and what they print and write is right."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from figures import write_split

ROOT = Path(__file__).parents[1]
IMAGE = ROOT / "tests" / "data" / "infant.jpg"
SCRIPTS = sorted((ROOT / "examples").glob("*.py"))


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """A function that runs an example in this process, in an empty folder, and returns what it printed."""
    monkeypatch.chdir(tmp_path)

    def call(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        try:
            runpy.run_path(str(ROOT / "examples" / name), run_name="__main__")
        except SystemExit as end:
            assert not end.code, end.code
        return capsys.readouterr().out

    return call


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Twelve frames of the synthetic infant, who moves to the right by 2 px a frame."""
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    image = cv2.imread(str(IMAGE))[..., ::-1]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = image.shape[1], image.shape[0], "yuv420p"
        for step in range(12):
            frame = av.VideoFrame.from_ndarray(np.roll(image, 2 * step, axis=1).copy(), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_scripts_are_short_and_say_what_they_show():
    assert len(SCRIPTS) == 6
    listed = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    for script in SCRIPTS:
        text = script.read_text(encoding="utf-8")
        assert len(text.splitlines()) < 40, script.name
        assert "Shows:" in text and "Example: python examples/" in text
        assert f"({script.name})" in listed


def test_predict_image(run, tmp_path):
    printed = run("predict_image.py", IMAGE, "--model", "movenet_lightning")
    assert len(re.findall(r"^\w+ +x +[\d.]+ px", printed, flags=re.MULTILINE)) == 17
    assert cv2.imread(str(tmp_path / "overlay.jpg")).shape == cv2.imread(str(IMAGE)).shape


def test_predict_image_in_a_box(run):
    printed = run("predict_image.py", IMAGE, "--model", "movenet_lightning", "--box", 90, 50, 130, 130)
    x = float(re.search(r"^left_hip +x +([\d.]+)", printed, flags=re.MULTILINE)[1])
    assert 90 < x < 220


def test_predict_video_and_measure_movement(run, video, tmp_path):
    run("predict_video.py", video, "--out", tmp_path, "--model", "movenet_lightning")
    assert (tmp_path / "clip.smooth.overlay.mp4").stat().st_size > 0
    rows = (tmp_path / "clip.smooth.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 1 + 12 * 17
    printed = run(
        "measure_movement.py", tmp_path / "clip.poses.jsonl", "--out", tmp_path, "--body-length", 150
    )
    assert "track 0: " in printed and "body lengths/s, noise floor" in printed
    record = json.loads((tmp_path / "clip.movement.json").read_text(encoding="utf-8"))
    assert record["tracks"][0]["joints"].keys() >= {"nose", "left_hip"}


def test_evaluate_results(run, tmp_path):
    results = [
        {"image_id": one["image_id"], "category_id": 1, "keypoints": one["keypoints"], "score": 0.9}
        for one in write_split(tmp_path, "mine", 3)["annotations"]
    ]
    (tmp_path / "results.json").write_text(json.dumps(results), encoding="utf-8")
    annotations = tmp_path / "annotations" / "person_keypoints_mine.json"
    printed = run("evaluate_results.py", annotations, tmp_path / "results.json", "--resamples", 50)
    assert "AP    100.0" in printed


def test_train_on_own_data(run, tmp_path):
    write_split(tmp_path, "train_own", 4)
    write_split(tmp_path, "test_own", 2, seed=1)
    printed = run("train_on_own_data.py", tmp_path, "train_own", "test_own", "--steps", 2, "--out", "runs")
    assert "from 2 images" in printed
    assert list(Path("runs").glob("*/model_last.pth"))


def test_make_synthetic_infants(run, tmp_path):
    pytest.importorskip("joblib")
    run("make_synthetic_infants.py", tmp_path / "set", "--count", 2, "--size", 96, 72, "--plain")
    data = json.loads(
        (tmp_path / "set" / "annotations" / "person_keypoints_synthetic.json").read_text(encoding="utf-8")
    )
    assert len(data["images"]) == 2 and data["images"][0]["is_synthetic"]
    assert (tmp_path / "set" / "preview_synthetic.png").exists()


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_run_from_another_folder(script, tmp_path):
    command = [sys.executable, str(script), "--help"]
    printed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert printed.startswith(f"usage: {script.name}")
