"""What the page does behind its back: limits, findings, and files that go away."""

import json
import os
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from running import command
from torch import nn

from fidip.codec import HeatmapCodec
from fidip.errors import ConfigError, DataError
from fidip.page import launch
from fidip.page.analysis import IMAGE_HEADERS, VIDEO_HEADERS, Limits, analyse, open_upload
from fidip.page.launch import Store
from fidip.predict.follow import Plan
from fidip.predict.predictor import Predictor
from fidip.skeleton import COCO17

main = command("serve")


class Blob(nn.Module):
    """Every joint is where the picture is brightest; spread out, as a spot with a flat top has no one peak."""

    def forward(self, images):
        grey = nn.functional.avg_pool2d(images.mean(1, keepdim=True), 4)
        grey = nn.functional.avg_pool2d(grey, 5, stride=1, padding=2, count_include_pad=False)
        return images, torch.sigmoid(grey).repeat(1, COCO17.num_joints, 1, 1)


def predictor():
    return Predictor(Blob(), HeatmapCodec((16, 16), 1.5), (64, 64), COCO17)


def picture(path, at=(40, 24), size=(96, 64)):
    """A grey picture with a bright spot."""
    image = np.full((size[1], size[0], 3), 40, np.uint8)
    cv2.circle(image, at, 5, (255, 255, 255), cv2.FILLED)
    cv2.imwrite(str(path), image)
    return path


def video(path, frames=6, rate=10, size=(96, 64)):
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for index in range(frames):
            image = np.full((size[1], size[0], 3), 40, np.uint8)
            cv2.circle(image, (30 + 4 * index, 24), 6, (255, 255, 255), cv2.FILLED)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


def test_a_picture_becomes_table_overlay_and_files(tmp_path):
    upload = picture(tmp_path / "Säugling 1.png")
    shares = []
    found = analyse(predictor(), upload, Plan(), Limits(), tmp_path / "out", report=shares.append)
    assert found.headers == IMAGE_HEADERS and not found.is_video
    assert [row[1] for row in found.table] == list(COCO17.names)
    assert all(abs(float(row[2]) - 40) < 3 and abs(float(row[3]) - 24) < 3 for row in found.table)
    assert {row[5] for row in found.table} == {"yes"}
    assert sorted(file.suffix for file in found.files) == [".csv", ".jpg", ".json", ".json", ".jsonl"]
    results = json.loads(next(f for f in found.files if f.name.endswith(".coco.json")).read_text())
    assert results[0]["keypoints"][0] == pytest.approx(float(found.table[0][2]), abs=0.06)
    drawn = cv2.imread(str(found.overlay))
    assert drawn.shape == (64, 96, 3) and np.abs(drawn.astype(int) - 40).max() > 100
    assert found.summary == "Säugling 1.png, 96 x 64 px: 1 person"
    assert shares == [1.0]


def test_a_video_becomes_one_row_a_joint(tmp_path):
    upload = video(tmp_path / "clip.mp4")
    found = analyse(predictor(), upload, Plan(), Limits(), tmp_path / "out")
    assert found.headers == VIDEO_HEADERS and found.is_video and found.overlay.suffix == ".mp4"
    assert len(found.table) == 17 and found.table[0][:4] == ["0", "nose", "6", "100"]
    assert found.summary == "clip.mp4, 96 x 64 px: 1 person, 6 frames"


def test_a_box_by_hand_is_where_is_looked(tmp_path):
    plan = Plan(start=(np.array([10.0, 8.0, 40.0, 40.0]),))
    found = analyse(predictor(), picture(tmp_path / "a.png"), plan, Limits(), tmp_path / "out")
    poses = next(f for f in found.files if f.name.endswith(".poses.jsonl")).read_text().splitlines()
    assert json.loads(poses[1])["persons"][0]["box"] == [10, 8, 40, 40]


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(megabytes=1e-4), r"has 0\.0 MB; at most 0\.0001 MB"),
        (Limits(megapixels=0.006), r"has 96 x 64 px; at most 50 MB, 0\.006 megapixels"),
    ],
)
def test_large_pictures_are_refused(tmp_path, limits, message):
    with pytest.raises(DataError, match=message):
        open_upload(picture(tmp_path / "a.png"), limits)


@pytest.mark.parametrize("limits", [Limits(seconds=0.3), Limits(frames=5)])
def test_long_videos_are_refused(tmp_path, limits):
    with pytest.raises(DataError, match=r"clip\.mp4 has 6 frames in 0\.6 s; at most"):
        open_upload(video(tmp_path / "clip.mp4"), limits)


def test_a_video_that_lies_about_its_length_is_stopped(tmp_path, monkeypatch):
    upload, limits = video(tmp_path / "clip.mp4"), Limits(frames=4)
    source = open_upload(upload, Limits())
    monkeypatch.setattr("fidip.page.analysis.open_upload", lambda *_: source)
    with pytest.raises(DataError, match="longer than its header says"):
        analyse(predictor(), upload, Plan(), limits, tmp_path / "out")


def test_messages_do_not_say_where_files_lie(tmp_path):
    for name, content in (("a.jpg", b"text"), ("b.mp4", b"text"), ("c.exe", b"text"), ("d.png", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError) as caught:
            analyse(predictor(), tmp_path / name, Plan(), Limits(), tmp_path / "out")
        assert name in str(caught.value) and str(tmp_path) not in str(caught.value)


def age(path, seconds=100):
    for file in (path, *path.rglob("*")):
        os.utime(file, (time.time() - seconds,) * 2)


@pytest.fixture
def store():
    kept = Store(50)
    yield kept
    kept._folder.cleanup()


def uploaded(store, name="a.png"):
    file = store.root / "hash" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("pixels")
    return file


def test_only_the_owner_can_look(store):
    assert store.root.stat().st_mode & 0o077 == 0


def test_files_outlive_their_last_use_by_a_while_only(store):
    upload = uploaded(store)
    with store.request("me", upload) as folder:
        (folder / "result.csv").write_text("x")
        for path in (folder, upload.parent):
            age(path)
        store.sweep()  # a request under way loses nothing, however long it takes
        assert upload.exists() and (folder / "result.csv").exists()
    store.sweep()
    assert upload.exists() and (folder / "result.csv").exists()
    age(folder)
    store.sweep()
    assert upload.exists() and not folder.exists()
    age(upload.parent)
    store.sweep()
    assert list(store.root.iterdir()) == []


def test_a_failed_request_leaves_no_results(store):
    upload = uploaded(store)
    with pytest.raises(DataError), store.request("me", upload) as folder:
        (folder / "half").write_text("x")
        raise DataError("no")
    assert not folder.exists() and upload.exists()


def test_closing_the_page_deletes_what_nobody_else_uses(store):
    upload = uploaded(store)
    folders = []
    for session in ("me", "you/../..", "me"):
        with store.request(session, upload) as folder:
            folders.append(folder)
    store.forget("me")
    assert [folder.exists() for folder in folders] == [False, True, False] and upload.exists()
    store.forget("you/../..")
    store.forget("never seen")
    assert list(store.root.iterdir()) == []


def test_a_file_elsewhere_is_none_of_the_stores_business(store, tmp_path):
    with pytest.raises(ValueError, match="subpath"), store.request("me", tmp_path / "mine.png"):
        pass


def test_the_sweeper_runs_and_the_end_takes_everything():
    with Store(0.2) as store:
        upload = uploaded(store)
        for _ in range(100):
            if not upload.exists():
                break
            time.sleep(0.05)
        assert not upload.exists()
        uploaded(store)
    assert not store.root.exists()


def test_the_environment_keeps_gradio_quiet(tmp_path, monkeypatch):
    for name in ("GRADIO_ANALYTICS_ENABLED", "GRADIO_TEMP_DIR", "GRADIO_SHARE", "GRADIO_RUN_HISTORY",
                 "GRADIO_MCP_SERVER", "GRADIO_SSR_MODE", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_OFFLINE"):  # fmt: skip
        monkeypatch.setenv(name, "before")
    monkeypatch.setenv("NO_PROXY", "intern.example,localhost")
    monkeypatch.setenv("no_proxy", "")
    launch.quieten(tmp_path)
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False" and os.environ["GRADIO_SHARE"] == "False"
    assert Path(os.environ["GRADIO_TEMP_DIR"]) == tmp_path
    assert os.environ["NO_PROXY"] == "intern.example,localhost,127.0.0.1,::1"
    assert os.environ["no_proxy"] == "127.0.0.1,localhost,::1"


def test_faulty_arguments():
    with pytest.raises(ConfigError, match="or --cfg together with --weights"):
        main(["--cfg", "a.yaml"])
    with pytest.raises(ConfigError, match="give --model, or --bundle"):
        main(["--model", "movenet_thunder", "--bundle", "a.safetensors"])
    with pytest.raises(ConfigError, match=r"unknown model 'thunder'.*movenet_thunder, movenet_lightning"):
        main(["--model", "thunder"])
    with pytest.raises(ConfigError, match="limits must be positive"):
        main(["--bundle", "a.safetensors", "--max-mb", "0"])
    with pytest.raises(ConfigError, match="must be positive"):
        launch.serve(predictor(), Limits(), minutes=0)
