"""Nets of 14 and 19 joints: trained, tested, audited and used end to end."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from own_data import write_restated_split
from running import command
from test_chain import Oracle
from torch.utils.data import DataLoader
from training_setup import CONFIG, forget_processes, only_run

from fidip.audit import as_json, audit_page, audit_splits, audit_text
from fidip.build import build_estimator, build_model
from fidip.codec import HeatmapCodec
from fidip.config import load_config
from fidip.data.augment import CropPolicy
from fidip.data.dataset import PoseDataset
from fidip.data.records import find_split, load_records, read_split
from fidip.evaluation import CocoEvaluator
from fidip.inference import Estimator
from fidip.models import POSE_NETS, export_weights
from fidip.predict.predictor import Predictor
from fidip.skeleton import load_skeleton
from fidip.statistics import add_intervals
from fidip.testing import predict
from fidip.training import run_training

run_tests = command("test")

FOLDER = Path(__file__).parents[1] / "experiments" / "skeletons"
SKELETONS = [load_skeleton(FOLDER / f"infant{count}.yaml") for count in (14, 19)]


@pytest.fixture(params=SKELETONS, ids=lambda skeleton: skeleton.name)
def skeleton(request):
    return request.param


def write_place(folder, skeleton):
    """A working folder with a training of a net with the joints of ``skeleton``, from a start with 17."""
    for seed, (split, count) in enumerate((("mixed", 8), ("chosen", 4), ("held", 4))):
        write_restated_split(
            folder / "data", split, count, skeleton, seed=seed, synthetic=lambda i: i % 2 == 1
        )
    torch.manual_seed(0)
    start = POSE_NETS["pose_timm"](17, (32, 32), {"BACKBONE": "test_resnet", "HEAD_CHANNELS": 16})
    torch.save(export_weights(start), folder / "start.pth")
    text = CONFIG.replace("SIGMA: 1", "SIGMA: 1\n  PRETRAINED: start.pth")
    text = text.replace("VAL_SET: chosen", f"VAL_SET: chosen, PROB_HALF_BODY: 0.5, NUM_JOINTS_HALF_BODY: 4, "
                        f"SKELETON: {FOLDER / (skeleton.name + '.yaml')}")  # fmt: skip
    text = text.replace("PICTURES: 0, FLIP_TEST: False", "PICTURES: 2, FLIP_TEST: True, BOOTSTRAP: 20")
    (folder / "tiny.yaml").write_text(text + "DEBUG: {DEBUG: True, EVERY: 1}\n")


def test_train_checkpoint_test_and_predict(tmp_path, monkeypatch, skeleton, capsys):
    monkeypatch.chdir(tmp_path)
    forget_processes()
    write_place(tmp_path, skeleton)
    cfg = load_config("tiny.yaml")
    outcome = run_training(cfg, Path("tiny.yaml"))
    folder = only_run()
    assert f"is for 17 joints, the network has {skeleton.num_joints}" in (folder / "train.log").read_text()
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["n_images"] == 4 and 0 <= metrics["AP"] <= 1 and "AP" in metrics["ci95"]
    assert list(metrics["details"]["pck"]["0.1"]["joints"]) == list(skeleton.names)
    assert list(metrics["details"]["oks_per_joint"]) == list(skeleton.names)
    results = json.loads((folder / "keypoints_held_results_0.json").read_text())
    assert {len(result["keypoints"]) for result in results} == {3 * skeleton.num_joints}
    assert (folder / "predictions_best.png").stat().st_size > 1000 and list((folder / "pictures").iterdir())
    assert outcome.tests["best"].metrics["AP"] == metrics["AP"]
    # the kept config holds the joints, so the checkpoint is tested without the skeleton's file
    assert (
        run_tests(["--cfg", str(folder / "config.yaml"), "TEST.MODEL_FILE", str(folder / "model_last.pth")])
        == 0
    )
    assert skeleton.names[0] in capsys.readouterr().out
    again = run_training(load_config("tiny.yaml", ["TRAIN.END_EPOCH", "2"]), Path("tiny.yaml"))
    assert again.folder == folder and again.tests["last"].metrics["AP"] == outcome.tests["last"].metrics["AP"]


def place(tmp_path, skeleton):
    content = write_restated_split(tmp_path, "infants", 6, skeleton, seed=4, size=(160, 120))
    split = find_split("infants", tmp_path)
    records = load_records(split, read_split(split, skeleton), skeleton)
    codec = HeatmapCodec((48, 64), 2.0)
    return content, split, records, codec, PoseDataset(records, CropPolicy((192, 256), skeleton), codec)


class AnyOracle(Oracle):
    """Knows the targets of every crop, and of every mirrored crop, for any skeleton."""

    def __init__(self, dataset, skeleton, monkeypatch):
        monkeypatch.setattr("test_chain.COCO17", skeleton)
        super().__init__(dataset)


@pytest.mark.parametrize("flip", [False, True])
def test_a_perfect_network_scores_one(tmp_path, monkeypatch, skeleton, flip):
    content, split, records, codec, dataset = place(tmp_path, skeleton)
    oracle = AnyOracle(dataset, skeleton, monkeypatch)
    estimator = Estimator(oracle, codec, (192, 256), skeleton, torch.device("cpu"), flip=flip)
    evaluator = CocoEvaluator(split.annotation_file, area="bbox", skeleton=skeleton)
    predict(estimator, DataLoader(dataset, batch_size=4), records, [1e4] * len(records), evaluator)
    metrics = evaluator.metrics()
    assert metrics["AP"] == metrics["AR"] == metrics["AP75"] == 1.0
    truth = {a["image_id"]: np.reshape(a["keypoints"], (-1, 3))[:, :2] for a in content["annotations"]}
    for result in evaluator.results():
        found = np.reshape(result["keypoints"], (skeleton.num_joints, 3))[:, :2]
        assert np.abs(found - truth[result["image_id"]]).max() < 0.02  # image px
    details = evaluator.details()
    assert (
        set(details["pck"]["0.05"]["joints"].values()) == {1.0}
        and min(details["oks_per_joint"].values()) > 0.99
    )
    add_intervals(metrics, evaluator, 20, 0)
    assert metrics["ci95"]["AP"][1] == 1.0


def test_own_sigmas_decide(tmp_path, skeleton):
    """With sigmas ten times as large the same error costs less; a joint off by its limit has OKS exp(-1/2)."""
    content, split, *_ = place(tmp_path, skeleton)
    results = []
    for annotation in content["annotations"]:
        keypoints = np.reshape(annotation["keypoints"], (-1, 3)).copy()
        area = annotation["bbox"][2] * annotation["bbox"][3]
        keypoints[:, 0] += 2 * np.array(skeleton.sigmas) * np.sqrt(area)
        results.append({"image_id": annotation["image_id"], "category_id": 1, "score": 1.0,
                        "keypoints": keypoints.ravel().tolist()})  # fmt: skip
    evaluator = CocoEvaluator(split.annotation_file, area="bbox", skeleton=skeleton)
    evaluator.load_results(results)
    assert list(evaluator.details()["oks_per_joint"].values()) == pytest.approx(
        [np.exp(-0.5)] * skeleton.num_joints
    )


def test_flipping_twice_is_nothing_and_swaps_sides(skeleton):
    policy = CropPolicy((64, 64), skeleton, flip_probability=1.0)
    image = np.zeros((64, 64, 3), np.uint8)
    keypoints = np.column_stack(
        [np.random.default_rng(0).uniform(5, 58, (skeleton.num_joints, 2)), np.ones(skeleton.num_joints)]
    )
    plain = policy(image, np.array([0, 0, 63, 63]), keypoints).keypoints
    mirrored = policy(image, np.array([0, 0, 63, 63]), keypoints, np.random.default_rng(1)).keypoints
    hip, other = skeleton.names.index("left_hip"), skeleton.names.index("right_hip")
    assert mirrored[other, 1] == pytest.approx(plain[hip, 1]) and mirrored[hip, 1] == pytest.approx(
        plain[other, 1]
    )
    middle = skeleton.names.index("neck")
    assert mirrored[middle, 1] == pytest.approx(plain[middle, 1])


def test_audit_leaves_out_rules_on_joints_that_are_not_there(tmp_path, skeleton):
    content = write_restated_split(tmp_path, "infants", 4, skeleton, seed=4, size=(160, 120))
    flat = content["annotations"][1]["keypoints"]
    for joint in ("knee", "ankle"):
        left, right = (3 * skeleton.names.index(f"{side}_{joint}") for side in ("left", "right"))
        flat[left : left + 3], flat[right : right + 3] = flat[right : right + 3], flat[left : left + 3]
    (tmp_path / "annotations" / "person_keypoints_infants.json").write_text(json.dumps(content))
    audit = audit_splits([find_split("infants", tmp_path)], skeleton=skeleton)
    swapped = [finding for finding in audit.findings if finding.kind == "swapped_sides"]
    assert [place.annotation_id for finding in swapped for place in finding.places] == [2]
    rates = audit.detection["infants"]
    assert ("eyes" in rates) == ("left_eye" in skeleton.names) and rates["knees and ankles"] == 1.0
    assert len(audit.diversity["infants"].spread) == skeleton.num_joints
    assert (
        skeleton.names[-1] in audit_text(audit) and json.dumps(as_json(audit)) and "<svg" in audit_page(audit)
    )


def test_audit_of_a_skeleton_without_a_torso(tmp_path):
    joints = load_skeleton(_without_torso(tmp_path))
    write_restated_split(tmp_path, "infants", 3, joints, seed=1, size=(160, 120))
    audit = audit_splits([find_split("infants", tmp_path)], skeleton=joints)
    assert audit.diversity["infants"].persons == 0 and set(audit.detection["infants"].values()) == {0.0}
    assert not [finding for finding in audit.findings if finding.kind == "swapped_sides"]


def _without_torso(folder):
    path = folder / "head.yaml"
    path.write_text("joints: [nose, left_eye, right_eye]\nsigmas: {nose: 0.03, left_eye: 0.03, right_eye: 0.03}\n"
                    "flip_pairs: [[left_eye, right_eye]]\nlimbs: [[nose, left_eye], [nose, right_eye]]\n")  # fmt: skip
    return path


def test_estimator_of_a_config_has_the_skeletons_joints(tmp_path, skeleton):
    (tmp_path / "c.yaml").write_text(CONFIG)
    cfg = load_config(
        tmp_path / "c.yaml",
        ["DATASET.SKELETON", str(FOLDER / f"{skeleton.name}.yaml"), "TEST.FLIP_TEST", "True"],
    )
    model = build_model(cfg)
    estimator = build_estimator(cfg, model, torch.device("cpu"))
    batch = {"image": torch.zeros(2, 32, 32, 3, dtype=torch.uint8).permute(0, 3, 1, 2), "index": torch.arange(2),
             "matrix": torch.eye(3)[:2].expand(2, 2, 3).double()}  # fmt: skip
    (prediction,) = estimator.run([batch])
    assert prediction.xy.shape == (2, skeleton.num_joints, 2) and prediction.score.shape == (
        2,
        skeleton.num_joints,
    )


def test_predictor_names_the_joints_and_finds_them(tmp_path, monkeypatch, skeleton):
    """A perfect network finds every joint of a picture by its name, within 0.02 px."""
    content, _, records, codec, dataset = place(tmp_path, skeleton)
    oracle = AnyOracle(dataset, skeleton, monkeypatch)
    predictor = Predictor(oracle, codec, (192, 256), skeleton, device="cpu", flip=True)
    picture = cv2.imread(str(records[2].image))[..., ::-1].copy()
    (pose,) = predictor(picture, [content["annotations"][2]["bbox"]])
    truth = np.reshape(content["annotations"][2]["keypoints"], (-1, 3))
    assert pose.names == skeleton.names and pose.scores.min() > 0.9
    for name, expected in zip(skeleton.names, truth, strict=True):
        assert pose[name][0, :2] == pytest.approx(expected[:2], abs=0.02)


def test_predictor_of_a_config_and_checkpoint(tmp_path, skeleton):
    (tmp_path / "c.yaml").write_text(CONFIG)
    cfg = load_config(tmp_path / "c.yaml", ["DATASET.SKELETON", str(FOLDER / f"{skeleton.name}.yaml")])
    torch.save(export_weights(build_model(cfg)), tmp_path / "w.pth")
    predictor = Predictor.from_checkpoint(cfg, tmp_path / "w.pth", device="cpu")
    (pose,) = predictor(np.zeros((40, 50, 3), np.uint8), [[5, 5, 30, 30]])
    assert pose.names == skeleton.names and pose.keypoints.shape == (1, skeleton.num_joints, 2)
