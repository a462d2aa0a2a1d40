"""The predictor and the predict command: the same numbers as testing, whatever the pictures come in."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from figures import write_split
from films import DOTS, INPUT, MAPS, ColourNet, dots, dots_predictor, write_film
from running import command

from fidip.build import build_model
from fidip.cli import main as console
from fidip.codec import HeatmapCodec
from fidip.config import load_config
from fidip.data.augment import CropPolicy
from fidip.deploy.bundle import save_bundle
from fidip.errors import ConfigError, DataError
from fidip.geometry import clip_box
from fidip.models import export_weights, load_weights
from fidip.models.mobilenet import MobilePose
from fidip.pixels import read_rgb
from fidip.predict.pose_file import PoseFile
from fidip.predict.predictor import Predictor
from fidip.testing import run_test

main = command("predict")

TINY = """
MODEL:
  NAME: adaptive_pose_timm
  IMAGE_SIZE: [64, 64]
  HEATMAP_SIZE: [16, 16]
  SIGMA: 2
  EXTRA: {BACKBONE: test_resnet, HEAD_CHANNELS: 16}
DATASET: {ROOT: data, TEST_SET: infants}
TEST: {AREA: bbox, IN_VIS_THRE: 0.0, PICTURES: 0, BOOTSTRAP: 0, OKS_THRE: 1.0, MODEL_FILE: tiny.pth}
WORKERS: 0
DEVICE: cpu
"""
LABELS = "data/annotations/person_keypoints_infants.json"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A config, a checkpoint, labelled pictures and a video of them; tests work on copies."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "tiny.yaml").write_text(TINY)
    write_split(folder / "data", "infants", 6)
    torch.manual_seed(0)
    model = build_model(load_config(folder / "tiny.yaml"))
    torch.nn.init.normal_(model.head[-1].weight, std=0.5)  # maps that differ from picture to picture
    torch.save(export_weights(model), folder / "tiny.pth")
    images = [read_rgb(path) for path in sorted((folder / "data/images/infants").glob("*.png"))]
    write_film(folder / "my baby é.mkv", images * 3)
    return folder


@pytest.fixture
def place(made, tmp_path, monkeypatch):
    """A copy of it, entered."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def predict(*arguments):
    assert main([*map(str, arguments), "--cfg", "tiny.yaml", "--device", "cpu"]) == 0


def poses(name, folder="output/predictions"):
    return PoseFile(Path(folder) / f"{name}.poses.jsonl")


def from_testing():
    """What testing says of the annotated boxes: annotation -> keypoints (K, 3)."""
    outcome = run_test(load_config("tiny.yaml"), Path("tiny.yaml"))
    results = json.loads((outcome.folder / "keypoints_infants_results_0.json").read_text())
    return {r["image_id"]: np.reshape(r["keypoints"], (-1, 3)) for r in results}


def test_the_same_boxes_give_the_same_numbers_as_testing(place):
    expected, labels = from_testing(), json.loads(Path(LABELS).read_text())
    predictor = Predictor.from_checkpoint(load_config("tiny.yaml"), "tiny.pth", "cpu", flip=True)
    files = {image["id"]: image["file_name"] for image in labels["images"]}
    crops = [
        predictor.crop(read_rgb(Path("data/images/infants") / files[a["image_id"]]), np.array(a["bbox"]))
        for a in labels["annotations"]
    ]
    xy, _ = predictor.joints(crops)
    assert len(xy) == len(expected) == 6 and np.ptp(xy, axis=(0, 1)).min() > 20
    for annotation, found in zip(labels["annotations"], xy, strict=True):
        np.testing.assert_array_equal(found, expected[annotation["image_id"]][:, :2])


def test_the_command_gives_the_same_numbers_as_testing(place, capsys):
    expected = from_testing()
    predict(LABELS, "--flip", "--export", "csv,coco")
    frames = list(poses("infants"))
    assert [frame.name for frame in frames] == [f"infants{i:05d}.png" for i in range(6)]
    for number, frame in enumerate(frames, start=1):
        (person,) = frame
        assert (
            person.box_from[0] == "given"
            and np.abs(person.keypoints[0] - expected[number][:, :2]).max() <= 0.0051
        )
        assert person.scores[0] == pytest.approx(expected[number][:, 2].clip(0, 1), abs=6e-5)
    results = json.loads(Path("output/predictions/infants.coco.json").read_text())
    for (
        result
    ) in results:  # with the ids of the file that named the pictures, so that it can be scored against it
        joints = np.reshape(result["keypoints"], (-1, 3))[:, :2]
        assert np.abs(joints - expected[result["image_id"]][:, :2]).max() <= 0.0051
    assert [result["image_id"] for result in results] == sorted(expected)
    shown = capsys.readouterr().out
    assert shown.startswith(
        "model: tiny.pth, under the licence of those who trained it, run by PyTorch; Research use, not diagnostic.\n"
    )
    assert shown.endswith("Results are in output/predictions: an infant was found in 6 of 6 images.\n")
    assert Path("output/predictions/infants.csv").is_file()


def test_a_picture_a_folder_a_pattern_and_a_video(place):
    whole = ("--box", "16,12,128,96")
    predict("data/images/infants/infants00002.png", *whole)
    predict("data/images/infants", "--export", "none", *whole)
    predict("data/images/*/infants0000[24].png", "--out", "some", "--export", "none", *whole)
    predict("my baby é.mkv", "--export", "csv")
    one, all_, some = poses("infants00002"), poses("infants"), list(poses("infants", "some"))
    assert one.header.size == (160, 120) and all_.header.size == (0, 0) and all_.header.rate == 0
    (alone,) = one
    frames = list(all_)
    assert [frame.name for frame in some] == ["infants00002.png", "infants00004.png"]
    for frame, same in ((alone, frames[2]), *zip(some, (frames[2], frames[4]), strict=True)):
        assert frame.keypoints[0] == pytest.approx(same.keypoints[0], abs=0.02)
    film = poses("my baby é")
    assert film.header.rate == 25 and [frame.index for frame in film] == list(range(18))
    assert [frame.time for frame in film] == pytest.approx(0.04 * np.arange(18))


def test_a_checkpoint_needs_no_name_where_the_config_has_one_and_keys_can_be_set(place):
    Path("tiny.pth").rename("other.pth")
    predict(
        "data/images/infants/infants00000.png", "--set", "TEST.MODEL_FILE", "other.pth", "--export", "none"
    )
    before = poses("infants00000").header.model
    predict("data/images/infants/infants00000.png", "--weights", "other.pth", "--export", "none")
    assert poses("infants00000").header.model == before


def test_options_reach_what_they_are_for(place):
    predict(
        "my baby é.mkv",
        "--region",
        "10,10,90,90",
        "--smooth",
        "one-euro",
        "--threshold",
        "0",
        "--export",
        "csv",
    )
    raw, smooth = list(poses("my baby é")), list(poses("my baby é.smooth"))
    assert {p.box_from[0] for frame in raw for p in frame} == {"given"} and len(raw) == len(smooth) == 18
    assert raw[0].keypoints[0] == pytest.approx(smooth[0].keypoints[0])
    moved = [np.ptp([frame.keypoints[0] for frame in frames], axis=0).sum() for frames in (raw, smooth)]
    assert moved[1] < moved[0]
    assert Path("output/predictions/my baby é.smooth.csv").is_file()
    predict(
        "data/images/infants",
        "--rate",
        "10",
        "--box",
        "5,5,100,100",
        "--export",
        "none",
        "--smooth",
        "savgol",
    )
    assert [frame.time for frame in poses("infants")] == pytest.approx(0.1 * np.arange(6))
    assert next(iter(poses("infants"))).box_from[0] == "given"
    assert len(list(poses("infants.smooth"))) == 6


def test_overlays_and_blurred_faces_are_asked_for(place):
    pytest.importorskip("av")
    predict("my baby é.mkv", "--export", "video,pictures", "--blur-faces")
    assert Path("output/predictions/my baby é.overlay.mp4").is_file()
    assert len(list(Path("output/predictions/my baby é.overlay").iterdir())) == 18


def test_two_videos_of_one_name_have_two_files(place):
    shutil.copy("my baby é.mkv", "my baby é.avi")
    predict("my baby é.mkv", "my baby é.avi", "--export", "none")
    names = {path.name for path in Path("output/predictions").iterdir()}
    assert names == {"my baby é.mkv.poses.jsonl", "my baby é.avi.poses.jsonl"}


def test_the_console_command(place, capsys):
    with pytest.raises(SystemExit) as stop:
        console(["--help"])
    assert stop.value.code == 0 and "predict" in capsys.readouterr().out
    picture = "data/images/infants/infants00000.png"
    assert console(["predict", picture, "--cfg", "tiny.yaml", "--export", "none"]) == 0
    assert len(list(poses("infants00000"))) == 1
    with pytest.raises(SystemExit) as stop:
        console(["forecast"])
    assert stop.value.code == 2


def test_results_are_named():
    (found,) = dots_predictor()(dots([(60, 60)]), [[25, 20, 70, 80]])
    assert found["red"] == pytest.approx(np.array([[60, 36, found.scores[0, 0]]]), abs=1.5)
    assert found.names == ("red", "green", "blue") and found.boxes[0] == pytest.approx([25, 20, 70, 80])
    with pytest.raises(KeyError, match="choose from red, green, blue"):
        found["nose"]


def test_without_a_box_the_whole_picture_is_looked_at():
    image = dots([(30, 60)])
    (found,) = dots_predictor()(image)
    assert found["red"][0, :2] == pytest.approx((30, 36), abs=2.5)
    assert len(dots_predictor()(image, [])) == 0
    assert len(dots_predictor()(dots([]))) == 0  # nobody is there


def test_batches_change_nothing():
    image = dots([(60, 60)])
    boxes = [[20 + i, 15, 70, 85] for i in range(7)]
    one, many = dots_predictor(batch=2)(image, boxes), dots_predictor(batch=16)(image, boxes)
    for a, b in zip(one, many, strict=True):
        assert a.keypoints == pytest.approx(b.keypoints, abs=1e-4)
        assert a.scores == pytest.approx(b.scores, abs=1e-5)


def test_the_flip_test_averages_with_the_mirror_image():
    image = dots([(60, 60)])
    for flip in (False, True):
        (found,) = dots_predictor(flip=flip)(image, [[25, 20, 70, 80]])
        pairs = found["green"][0, 2] < 0.6  # the mirrored crop has blue where green is
        assert pairs == flip


@pytest.mark.parametrize("sigma", [1.0, 1.5])
def test_scores_of_maps_that_sum_to_one_are_relative_to_a_perfect_map(sigma):
    codec = HeatmapCodec(MAPS, sigma)
    maps = torch.from_numpy(codec.encode(np.full((3, 2), 8.0), np.ones(3))[0])

    class Sums(torch.nn.Module):
        def forward(self, images):
            sums = maps.sum((1, 2), keepdim=True)
            return images, (maps / sums).repeat(len(images), 1, 1, 1)

    (found,) = Predictor(Sums(), codec, INPUT, DOTS, kind=MobilePose)(dots([(60, 60)]))
    assert found.scores == pytest.approx(1, abs=0.01)
    (found,) = Predictor(ColourNet(), codec, INPUT, DOTS)(dots([]), [[0, 0, 160, 120]])
    assert found.scores.max() < 1e-6


@pytest.mark.parametrize("image", [np.zeros((4, 4)), np.zeros((4, 4, 3)), np.zeros((4, 4, 4), np.uint8)])
def test_an_array_that_is_no_picture_is_refused(image):
    with pytest.raises(DataError, match="RGB uint8"):
        dots_predictor()(image)


def test_a_box_is_cropped_as_testing_clips_it():
    predictor, box = dots_predictor(), np.array([-10.0, 100.0, 60.0, 60.0])
    image = dots([(60, 60)])
    crop, matrix = predictor.crop(image, box)
    expected = CropPolicy(INPUT, DOTS)(image, clip_box(box, 160, 120), np.zeros((3, 3)))
    np.testing.assert_array_equal(matrix, expected.matrix)
    np.testing.assert_array_equal(crop.permute(1, 2, 0).numpy(), expected.image)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--bundle", "b.safetensors"], "exclude each other"),
        (["--detector-weights", "x"], "needs --detector"),
        (["--box", "1,2,30,40", "--region", "1,2,30,40"], "exclude each other"),
        (["--choose", "region"], "needs --region"),
        (["--choose", "eldest"], "unknown choice"),
        (["--export", "csv,xls"], "unknown export 'xls'"),
        (["--blur-faces", "--export", "csv"], "--blur-faces needs"),
        (["--batch", "0"], "--batch must be at least 1"),
    ],
)
def test_options_that_contradict_each_other_are_named(place, arguments, words):
    with pytest.raises(ConfigError, match=words):
        predict("data/images/infants", *arguments)
    assert not Path("output/predictions").exists()


def test_a_bundle_is_config_and_weights_in_one(place):
    cfg = load_config("tiny.yaml")
    model = build_model(cfg)
    load_weights(model, "tiny.pth")
    save_bundle(cfg, model, "tiny.safetensors")
    picture = "data/images/infants/infants00000.png"
    whole = ("--box", "16,12,128,96")
    predict(picture, "--export", "none", *whole)
    assert main([picture, "--bundle", "tiny.safetensors", "--out", "b", "--device", "cpu", *whole]) == 0
    (one,), (other,) = poses("infants00000"), poses("infants00000", "b")
    np.testing.assert_array_equal(one.keypoints[0], other.keypoints[0])
    found = Predictor.from_bundle("tiny.safetensors", "cpu", flip=True)(
        read_rgb(Path(picture)), [[16, 12, 128, 96]]
    )
    assert found.keypoints[0] == pytest.approx(one.keypoints[0], abs=0.0051)
