"""fidip test as a user runs it: what it writes, and what it says when something is wrong."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from figures import write_split
from running import command

from fidip.build import build_model
from fidip.cli import exit_on_error
from fidip.config import load_config
from fidip.errors import ConfigError
from fidip.models import export_weights

run_tests = command("test")

ROOT = Path(__file__).parents[1]
TINY = """
MODEL:
  NAME: adaptive_pose_mobile
  IMAGE_SIZE: [64, 64]
  HEATMAP_SIZE: [16, 16]
  SIGMA: 2
  EXTRA: {WIDTH_MULT: 0.25, HEAD_CHANNELS: 32}
DATASET: {ROOT: data, TEST_SET: infants}
TEST: {AREA: bbox, IN_VIS_THRE: 0.0}
WORKERS: 0
DEVICE: cpu
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working directory with a config, a data set and a checkpoint."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TINY)
    write_split(tmp_path / "data", "infants", 6, synthetic=lambda i: i > 3)
    torch.manual_seed(0)
    torch.save(export_weights(build_model(load_config("tiny.yaml"))), "tiny.pth")
    return tmp_path


def run(*arguments):
    return run_tests(["--cfg", "tiny.yaml", "TEST.MODEL_FILE", "tiny.pth", *arguments])


def only_run(pattern="*"):
    (folder,) = Path("output").glob(pattern)
    return folder


def test_it_writes_results_metrics_table_and_pictures(place, capsys):
    assert run("TEST.USE_GT_BBOX", "True") == 0
    folder = only_run()
    assert folder.name.startswith("tiny-")
    results = json.loads((folder / "keypoints_infants_results_0.json").read_text())
    assert [r["image_id"] for r in results] == [1, 2, 3, 4, 5, 6] and len(results[0]["keypoints"]) == 51
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["n_images"] == 6 and metrics["area"] == "bbox" and metrics["boxes"] == "gt"
    assert 0 <= metrics["AP"] <= 1 and set(metrics["details"]["posture"]) == {"Supine", "Prone"}
    assert metrics["provenance"]["versions"]["torch"] and metrics["split"] == "infants"
    assert (folder / "table.md").read_text().startswith("| Method | Backbone |")
    assert {p.name for p in folder.glob("*.png")} == {"predictions_best.png", "predictions_worst.png"}
    assert "MobileNetV2" in capsys.readouterr().out
    assert load_config(folder / "config.yaml").MODEL.EXTRA.WIDTH_MULT == 0.25


def test_intervals_come_with_the_numbers(place, capsys):
    run("TEST.BOOTSTRAP", "100")
    metrics = json.loads((only_run() / "metrics.json").read_text())
    pictures = metrics["bootstrap"].pop("ci95_pictures")
    about = {"resamples": 100, "seed": 0, "level": 0.95, "unit": "source", "units": 3}
    assert metrics["bootstrap"] == about and pictures.keys() == metrics["ci95"].keys()
    low, high = metrics["ci95"]["AP"]
    assert low <= metrics["AP"] <= high and "ci95" in metrics["details"]["posture"]["Prone"]
    assert f"[{100 * low:.1f}, {100 * high:.1f}]" in capsys.readouterr().out


def test_intervals_can_be_left_out(place):
    run("TEST.BOOTSTRAP", "0")
    assert not {"ci95", "bootstrap"} & json.loads((only_run() / "metrics.json").read_text()).keys()
    with pytest.raises(ConfigError, match=r"TEST\.BOOTSTRAP 1 gives no interval"):
        run("TEST.BOOTSTRAP", "1")


def test_two_runs_give_the_same_results_and_another_checkpoint_another_folder(place):
    run()
    first = (only_run() / "keypoints_infants_results_0.json").read_bytes()
    run("WORKERS", "1")
    assert (only_run() / "keypoints_infants_results_0.json").read_bytes() == first
    torch.save({"state_dict": torch.load("tiny.pth", weights_only=True)}, "other.pth")
    run_tests(["--cfg", "tiny.yaml", "TEST.MODEL_FILE", "other.pth"])
    assert len(list(Path("output").iterdir())) == 2


def test_features_are_saved_on_request(place):
    run("--save-features", "features.npy", "--modelDir", "runs")
    features = np.load("features.npy")
    rows = json.loads(Path("features.json").read_text())
    assert features.shape[0] == len(rows) == 6 and features.shape[2:] == (2, 2)
    assert [row["synthetic"] for row in rows] == [False] * 4 + [True] * 2
    assert not Path("output").exists() and list(Path("runs").iterdir())


def test_detected_boxes_can_be_used(place):
    boxes = [{"image_id": i, "category_id": 1, "bbox": [5, 5, 120, 100], "score": 0.5} for i in (1, 2, 2)]
    Path("boxes.json").write_text(json.dumps(boxes))
    run("TEST.USE_GT_BBOX", "False", "TEST.COCO_BBOX_FILE", "boxes.json")
    metrics = json.loads((only_run() / "metrics.json").read_text())
    assert metrics["boxes"] == "boxes.json"
    results = json.loads((only_run() / "keypoints_infants_results_0.json").read_text())
    assert sorted(r["image_id"] for r in results) == [1, 2]  # equal poses of one picture: one is suppressed


def test_weights_device_and_folder_can_be_given_as_options(place):
    assert run_tests(["--cfg", "tiny.yaml", "--weights", "tiny.pth", "--device", "cpu", "--out", "runs"]) == 0
    (file,) = Path("runs").glob("*/metrics.json")
    assert json.loads(file.read_text())["checkpoint"] == "tiny.pth" and not Path("output").exists()
    assert load_config(file.parent / "config.yaml").DEVICE == "cpu"


def annotations(change):
    file = Path("data/annotations/person_keypoints_infants.json")
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def missing_json():
    Path("data/annotations/person_keypoints_infants.json").unlink()


def truncated_json():
    file = Path("data/annotations/person_keypoints_infants.json")
    file.write_text(file.read_text()[:500])


def short_keypoints():
    annotations(lambda c: c["annotations"][2].update(keypoints=[1, 2, 2] * 16))


def nan_keypoint():
    annotations(lambda c: c["annotations"][2]["keypoints"].__setitem__(0, float("nan")))


def empty_box():
    annotations(lambda c: c["annotations"][1].update(bbox=[5, 5, 0, 20]))


def text_picture():
    Path("data/images/infants/infants00003.png").write_text("hello")


def other_net():
    extra = ["MODEL.NAME", "pose_resnet", "MODEL.EXTRA", "{}", "MODEL.EXTRA.NUM_LAYERS", "18"]
    cfg = load_config("tiny.yaml", extra[:2])
    cfg.defrost()
    cfg.MODEL.EXTRA.clear()
    cfg.MODEL.EXTRA.NUM_LAYERS = 18
    torch.save(export_weights(build_model(cfg)), "tiny.pth")


class Payload:
    def __reduce__(self):
        return os.system, ("touch executed",)


def malicious_checkpoint():
    Path("tiny.pth").write_bytes(pickle.dumps({"state_dict": Payload()}))


def misspelt_key():
    Path("tiny.yaml").write_text(TINY.replace("IN_VIS_THRE", "IN_VIS_TRE"))


def missing_checkpoint():
    Path("tiny.pth").unlink()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (missing_json, ["person_keypoints_infants.json does not exist", "data/README.md"]),
        (truncated_json, ["person_keypoints_infants.json is not valid JSON", "cut short"]),
        (short_keypoints, ["annotation 3", "48", "51"]),
        (nan_keypoint, ["annotation 3", "finite"]),
        (empty_box, ["annotation 2", "bbox of no size"]),
        (text_picture, ["infants00003.png", "unreadable"]),
        (other_net, ["tiny.pth", "missing"]),
        (malicious_checkpoint, ["tiny.pth", "not loaded"]),
        (misspelt_key, ["tiny.yaml: unknown key TEST.IN_VIS_TRE", "TEST.IN_VIS_THRE"]),
        (missing_checkpoint, ["TEST.MODEL_FILE tiny.pth does not exist"]),
    ],
)
def test_bad_input_is_one_clear_line_and_status_2(place, capsys, spoil, words):
    spoil()
    with pytest.raises(SystemExit) as stop:
        exit_on_error(run)
    assert stop.value.code == 2
    (line,) = [text for text in capsys.readouterr().err.splitlines() if text.startswith("error:")]
    for word in words:
        assert word in line
    assert not Path("executed").exists()
    assert not list(Path().rglob("*.tmp")) and not list(Path().rglob("metrics.json"))


def test_the_script_itself_exits_with_status_2(place):
    command = [sys.executable, str(ROOT / "tools/test_adaptive_model.py"), "--cfg", "nowhere.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=place)
    assert done.returncode == 2
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith("error: config ") and "nowhere.yaml does not exist" in line


@pytest.mark.parametrize("boxes", ["annotated", "detected"])
def test_what_is_left_out_is_not_scored(place, boxes):
    file = Path("data/annotations/person_keypoints_infants.json")
    content = json.loads(file.read_text())
    words = ["DATASET.SKIP_BAD", "True", "TEST.BOOTSTRAP", "0"]
    if boxes == "detected":
        found = [
            {"image_id": a["image_id"], "category_id": 1, "bbox": a["bbox"], "score": 0.9}
            for a in content["annotations"]
        ]
        Path("boxes.json").write_text(json.dumps(found))
        words += ["TEST.USE_GT_BBOX", "False", "TEST.COCO_BBOX_FILE", "boxes.json"]
    else:
        content["annotations"][3]["bbox"] = [5000.0, 5000.0, 20.0, 20.0]  # outside its image
        file.write_text(json.dumps(content))
    cut = Path("data/images/infants") / content["images"][0]["file_name"]
    cut.write_bytes(cut.read_bytes()[:300])
    run(*words)
    details = json.loads((only_run() / "metrics.json").read_text())["details"]
    scored = {one["image_id"] for one in details["images"]}
    predicted = {
        one["image_id"] for one in json.loads((only_run() / "keypoints_infants_results_0.json").read_text())
    }
    assert predicted == scored and len(scored) == (5 if boxes == "detected" else 4)
