"""What users hand in that cannot work: one clear line, status 2, and nothing half-made."""

import json
import os
import struct
import zipfile
import zlib
from pathlib import Path

import av
import numpy as np
import pytest
from films import dots, write_film
from running import command
from test_media_predict import made, place  # noqa: F401 -- fixtures

from fidip.cli import exit_on_error
from fidip.errors import DataError
from fidip.files import require_writable
from fidip.predict.pose_file import PoseFile

main = command("predict")

PICTURE = "data/images/infants/infants00000.png"


def run(*arguments, weights="tiny.pth"):
    return main([*map(str, arguments), "--cfg", "tiny.yaml", "--weights", weights, "--device", "cpu"])


def refused(capsys, *arguments, **options):
    """The one line that a faulty command ends with."""
    with pytest.raises(SystemExit) as stop:
        exit_on_error(lambda: run(*arguments, **options))
    assert stop.value.code == 2
    (line,) = [text for text in capsys.readouterr().err.splitlines() if text.startswith("error:")]
    return line


def text_as_jpg():
    Path("a.jpg").write_text("hello")
    return "a.jpg"


def empty_picture():
    Path("a.png").touch()
    return "a.png"


def png(name, width, height):
    """A PNG whose header claims a size that its few pixels do not have."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(100)))
    Path(name).write_bytes(b"\x89PNG\r\n\x1a\n" + head + pixels + chunk(b"IEND", b""))
    return name


def picture_bomb():
    """10.8 GB of RGB: above what Pillow opens at all."""
    return png("bomb.png", 60000, 60000)


def large_picture():
    """Below Pillow's own error, above its warning."""
    return png("large.png", 12000, 10000)


def text_as_video():
    Path("a.mp4").write_text("hello " * 100)
    return "a.mp4"


def video_without_index():
    path = write_film(Path("b.mp4"), [dots([(60, 60)])] * 20, codec="h264", pixels="yuv420p")
    path.write_bytes(path.read_bytes()[:1000])  # the index of an .mp4 is at its end
    return "b.mp4"


def video_without_frames():
    with av.open("none.mp4", "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    return "none.mp4"


def video_cut_in_its_header():
    path = write_film(Path("cut.mkv"), [dots([(60, 60)])] * 20)
    content = path.read_bytes()
    path.write_bytes(content[: content.find(b"\x1f\x43\xb6\x75")])  # up to the first cluster
    return "cut.mkv"


def empty_folder():
    Path("empty").mkdir()
    return "empty"


def nothing():
    return "nowhere/*.png"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (text_as_jpg, ["a.jpg", "not a readable picture"]),
        (empty_picture, ["a.png", "not a readable picture"]),
        (picture_bomb, ["bomb.png", "3600000000 pixels", "decompression bomb"]),
        (large_picture, ["large.png", "12000 x 10000 px", "decompression bomb"]),
        (text_as_video, ["a.mp4", "not a readable picture or video"]),
        (video_without_index, ["b.mp4", "copy it again"]),
        (video_without_frames, ["none.mp4", "no video frames"]),
        (video_cut_in_its_header, ["cut.mkv", "copy it again"]),
        (empty_folder, ["empty", "no pictures"]),
        (nothing, ["nowhere/*.png", "does not exist"]),
    ],
)
@pytest.mark.filterwarnings("error")
def test_bad_sources_are_named_before_the_work(place, capsys, make, words):  # noqa: F811
    line = refused(capsys, make())
    for word in words:
        assert word in line
    assert not list(Path().rglob("*.poses.jsonl"))


def test_one_bad_picture_of_many_stops_or_is_left_out(place, capsys, caught):  # noqa: F811
    Path("data/images/infants/infants00003.png").write_text("hello")
    assert "infants00003.png is not a readable picture" in refused(capsys, "data/images/infants")
    assert run("data/images/infants", "--skip-bad", "--export", "none") == 0
    frames = list(PoseFile(Path("output/predictions/infants.poses.jsonl")))
    assert [frame.name[-5] for frame in frames] == list("01245")
    assert "infants00003.png" in capsys.readouterr().err


def test_a_truncated_video_is_used_as_far_as_it_goes(place, capsys):  # noqa: F811
    noise = np.random.default_rng(0).integers(0, 255, (60, 48, 64, 3), dtype=np.uint8)
    path = write_film(Path("cut video é.mkv"), list(noise))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert run(path) == 0
    poses = list(PoseFile(Path("output/predictions/cut video é.poses.jsonl")))
    assert 25 <= len(poses) <= 35
    assert f"its pictures end at {0.04 * len(poses):.2f} s of 2.40 s" in capsys.readouterr().err
    assert Path("output/predictions/cut video é.csv").is_file()


def zip_file():
    with zipfile.ZipFile("model.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    return "model.zip"


def text_file():
    Path("model.pth").write_text("hello")
    return "model.pth"


def missing_file():
    return "nowhere.pth"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (zip_file, ["model.zip", "not a PyTorch or safetensors file"]),
        (text_file, ["model.pth", "weights file"]),
        (missing_file, ["nowhere.pth does not exist"]),
    ],
)
def test_a_model_that_is_none_is_named(place, capsys, make, words):  # noqa: F811
    line = refused(capsys, PICTURE, weights=make())
    for word in words:
        assert word in line


def test_a_bundle_that_is_none_is_named(place, capsys):  # noqa: F811
    zip_file()
    with pytest.raises(SystemExit) as stop:
        exit_on_error(lambda: main([PICTURE, "--bundle", "model.zip"]))
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert "model.zip" in error and ".safetensors" in error


def test_an_output_folder_that_cannot_be_written_is_found_before_the_work(place, capsys, monkeypatch):  # noqa: F811
    monkeypatch.setattr("fidip.commands.predict_run.find_sources", lambda *a: pytest.fail("too late"))
    Path("a file").touch()
    line = refused(capsys, PICTURE, "--out", "a file/below")
    assert "a file/below" in line and "cannot be written to" in line


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(DataError, match="cannot be written to"):
        require_writable(tmp_path)


def test_a_full_or_forbidden_folder_is_refused(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(DataError, match="Permission denied"):
        require_writable(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[1", "not valid JSON"),
        ("3", "holds no boxes"),
        ('{"images": []}', "holds no boxes"),
        ("[3]", "index 0"),
    ],
)
def test_faulty_box_files_are_named(place, capsys, content, words):  # noqa: F811
    Path("boxes.json").write_text(content)
    line = refused(capsys, PICTURE, "--boxes", "boxes.json")
    assert "boxes.json" in line and words in line


def test_a_labelled_picture_that_is_missing_is_named(place, capsys):  # noqa: F811
    Path(PICTURE).unlink()
    line = refused(capsys, "data/annotations/person_keypoints_infants.json")
    assert "infants00000.png does not exist" in line


def test_a_box_outside_the_picture_is_named_with_it(place, capsys):  # noqa: F811
    boxes = [{"image_id": "infants00000.png", "bbox": [500, 500, 20, 20]}]
    Path("boxes.json").write_text(json.dumps(boxes))
    line = refused(capsys, PICTURE, "--boxes", "boxes.json")
    assert "infants00000.png: box 500, 500, 20, 20 lies outside" in line


def test_unknown_detectors_and_their_weights_are_named(place, capsys):  # noqa: F811
    assert "unknown detector 'yolo'" in refused(capsys, PICTURE, "--detector", "yolo")
    assert "nowhere.pth does not exist" in refused(
        capsys, PICTURE, "--detector", "ssdlite320_mobilenet_v3_large", "--detector-weights", "nowhere.pth"
    )
