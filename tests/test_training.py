"""The training scripts as a user runs them, on tiny nets and generated pictures."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from running import command
from tensorboardX.proto.event_pb2 import Event
from training_setup import (
    CONFIG,
    edit_split,
    forget_processes,
    only_run,
    weights_of,
    write_place,
)

from fidip.build import build_model
from fidip.cli import exit_on_error
from fidip.config import load_config
from fidip.engine.loop import Trainer
from fidip.models import load_weights

run_tests, train_main = command("test"), command("train")

PLAIN = ("ADAPT.METHOD", "none")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working directory with a config and data."""
    monkeypatch.chdir(write_place(tmp_path))
    forget_processes()
    return tmp_path


def train(*arguments, **options):
    return train_main(["--cfg", "tiny.yaml", *arguments], **options)


def refused(*arguments, capsys, **options):
    """The one line of an error that a command ends with, status 2."""
    with pytest.raises(SystemExit) as stop:
        exit_on_error(lambda: train(*arguments, **options))
    assert stop.value.code == 2
    (line,) = [text for text in capsys.readouterr().err.splitlines() if text.startswith("error:")]
    return line


def log_of(folder):
    return (folder / "train.log").read_text()


def newest_run():
    return max(Path("output").iterdir(), key=lambda folder: folder.stat().st_mtime)


def stage_names(folder):
    lines = [line for line in log_of(folder).splitlines() if "images_per_s" in line]
    return {line.split(" epoch ")[0].split()[-1] for line in lines}


def ap(folder):
    return json.loads((folder / "metrics.json").read_text())["AP"]


def events(folder):
    """All scalars of the event files in a folder: {tag: {step: value}}."""
    scalars = {}
    for file in sorted(folder.glob("events.*")):
        data, at = file.read_bytes(), 0
        while at < len(data):  # records: length (8), its checksum (4), content, its checksum (4)
            size = int.from_bytes(data[at : at + 8], "little")
            event = Event.FromString(data[at + 12 : at + 12 + size])
            for value in event.summary.value:
                scalars.setdefault(value.tag, {})[event.step] = value.simple_value
            at += size + 16
    return scalars


def test_adaptation_trains_tests_and_leaves_a_whole_run_folder(place, capsys):
    assert train("TRAIN.PRE_EPOCH", "1", adaptive=True) == 0
    folder = only_run()
    assert stage_names(folder) == {"classifier", "pose"}
    assert {"model_best.pth", "model_last.pth", "checkpoint.pth", "checkpoint_previous.pth", "config.yaml",
            "provenance.json", "metrics.json", "table.md", "last"} <= {p.name for p in folder.iterdir()}  # fmt: skip
    cfg = load_config(folder / "config.yaml")
    assert cfg.TRAIN.PRE_EPOCH == 1 and cfg.ADAPT.METHOD == "grl"
    provenance = json.loads((folder / "provenance.json").read_text())
    assert provenance["versions"]["torch"] and provenance["earlier"] == []
    for name in ("best", "last"):
        report = load_weights(build_model(cfg), folder / f"model_{name}.pth")
        assert not report.missing and not report.unexpected
    metrics = [json.loads((f / "metrics.json").read_text()) for f in (folder, folder / "last")]
    assert [Path(m["checkpoint"]).name for m in metrics] == ["model_best.pth", "model_last.pth"]
    out = capsys.readouterr().out
    assert "best model\n|" in out and "last model\n|" in out
    before = metrics[0]["AP"], (folder / "keypoints_held_results_0.json").read_bytes()
    assert run_tests(["--cfg", "tiny.yaml", "TRAIN.PRE_EPOCH", "1"]) == 0  # finds the best model by itself
    assert (ap(folder), (folder / "keypoints_held_results_0.json").read_bytes()) == before


def test_plain_training_has_no_classifier(place):
    assert train(*PLAIN) == 0
    state = torch.load(only_run() / "checkpoint.pth", weights_only=True)
    assert state["states"]["companion"] is None and stage_names(only_run()) == {"pose"}


def test_a_finished_training_trains_nothing_more(place, monkeypatch):
    train(*PLAIN)
    before = {p.name: p.read_bytes() for p in only_run().glob("*.pth")}
    results = (only_run() / "keypoints_held_results_0.json").read_bytes()
    monkeypatch.setattr(Trainer, "_learn", lambda *a: pytest.fail("it trains"))
    assert train(*PLAIN) == 0
    assert {p.name: p.read_bytes() for p in only_run().glob("*.pth")} == before
    assert (only_run() / "keypoints_held_results_0.json").read_bytes() == results
    assert len(json.loads((only_run() / "provenance.json").read_text())["earlier"]) == 1


def test_without_validation_the_last_model_is_the_result(place):
    assert train(*PLAIN, "DATASET.VAL_SET", "") == 0
    assert (only_run() / "last" / "metrics.json").exists() and not (only_run() / "model_best.pth").exists()
    assert "DATASET.VAL_SET is empty: no model is selected" in log_of(only_run())


@pytest.mark.parametrize("net", ["hrnet", "resnet", "mobile"])
def test_the_script_of_another_net_refuses(place, capsys, net):
    line = refused(capsys=capsys, net=net, adaptive=True)
    assert f"MODEL.NAME is adaptive_pose_timm, this script trains {net} nets; use `fidip train`" in line
    assert not Path("output").exists()


def test_an_adaptive_script_refuses_a_plain_config(place, capsys):
    assert "ADAPT.METHOD is none" in refused(*PLAIN, capsys=capsys, adaptive=True)


@pytest.mark.parametrize("key", ["DATASET.TRAIN_SET", "DATASET.TRAIN_PRE_SET"])
def test_one_domain_is_too_few(place, capsys, key):
    line = refused(key, "['chosen']", "TRAIN.PRE_EPOCH", "1", capsys=capsys)
    assert f"{key} chosen holds real persons only" in line and "ADAPT.METHOD none" in line


def test_lambda_zero_is_refused(place, capsys):
    line = refused("TRAIN.LAMBDA", "0", capsys=capsys)
    assert "TRAIN.LAMBDA 0.0 trains no adaptation" in line and "5e-4" in line


def test_what_changes_the_result_changes_the_folder(place):
    same = ["PRINT_FREQ", "1", "WORKERS", "1", "LOG_DIR", "elsewhere", "TRAIN.CHECKPOINT_EVERY", "1"]
    train(*PLAIN)
    train(*PLAIN, *same)
    first = only_run()
    for other in (["TRAIN.LAMBDA", "0.02", "ADAPT.METHOD", "grl"], ["SEED", "1", *PLAIN]):
        train(*other)
    assert len(list(first.parent.iterdir())) == 3


def test_other_data_behind_the_same_folder_is_refused(place, capsys):
    train(*PLAIN)
    edit_split(
        place / "data", "mixed", lambda content: content["annotations"][3]["keypoints"].__setitem__(0, 9.0)
    )
    line = refused(*PLAIN, capsys=capsys)
    assert "checkpoint.pth was made with another config, other data" in line and "OUTPUT_DIR" in line
    assert train(*PLAIN, "AUTO_RESUME", "False") == 0


def test_shared_sources_and_a_test_set_that_selects_are_said(place):
    edit_split(place / "data", "chosen", lambda c: [i.update(image_source="clip7") for i in c["images"][:1]])
    edit_split(place / "data", "held", lambda c: [i.update(image_source="clip7") for i in c["images"]])
    train(*PLAIN, "TRAIN.END_EPOCH", "1")
    log = log_of(only_run())
    assert (
        "4 of 4 pictures of DATASET.TEST_SET come from 1 sources that DATASET.VAL_SET has too: its scores flatter"
        in log
    )
    assert "DATASET.TRAIN_SET has too" not in log and "VAL_SET is the test set" not in log
    train(*PLAIN, "TRAIN.END_EPOCH", "1", "DATASET.VAL_SET", "held")
    log = log_of(newest_run())
    assert "VAL_SET is the test set: the best model is chosen on what it is tested on" in log


def test_a_rate_that_explodes_stops_with_the_batch_saved(place, capsys):
    line = refused(*PLAIN, "TRAIN.LR", "1e30", capsys=capsys)
    assert "not finite at step" in line and "lower TRAIN.LR" in line
    bad = torch.load(only_run() / "bad_batch_0.pt", weights_only=True)
    assert bad["batch"]["image"].shape == (4, 3, 32, 32) and not math.isfinite(bad["losses"]["pose"])


def test_alarms_reach_the_log(place, monkeypatch):
    monkeypatch.setattr(
        "fidip.tasks.adversarial.domain_accuracy", lambda logits, synthetic: torch.tensor(1.0)
    )
    train("TRAIN.END_EPOCH", "6")
    assert "domain accuracy is 1.000: the classifier is saturated" in log_of(only_run())


def test_scalars_of_every_figure_are_written(place):
    train("DATASET.SAMPLER", "balanced", "TRAIN.LR", "0.002")
    scalars = events(next(Path("log").glob("tiny-*")))
    for name in ("pose", "domain", "domain_accuracy", "pck", "lr", "images_per_s"):
        assert list(scalars[f"train/{name}"]) == [2, 3, 5, 6], name
    assert list(scalars["train/lr"].values()) == pytest.approx([2e-3, 2e-3, 2e-4, 2e-4])
    assert list(scalars["val/AP"]) == [3, 6] and scalars["train/images_per_s"][6] > 0
    log = log_of(only_run())
    assert "INFO pose epoch 2/2: 3/3, pose 0." in log and "0 s left" in log


def test_pictures_of_batches_show_crops_and_maps(place):
    cv2 = pytest.importorskip("cv2")
    train("DEBUG.DEBUG", "True", "DEBUG.EVERY", "4", *PLAIN)
    files = sorted((only_run() / "pictures").iterdir())
    assert [f.name for f in files] == ["step_0000001.jpg", "step_0000004.jpg"]
    sheet = cv2.imread(str(files[0]))
    assert sheet.shape == (4 * 224, 4 * 224, 3) and np.ptp(sheet) > 100
    train(
        "DEBUG.DEBUG",
        "True",
        "DEBUG.SAVE_HEATMAPS_GT",
        "False",
        "DEBUG.SAVE_BATCH_IMAGES_PRED",
        "False",
        "SEED",
        "1",
    )
    assert cv2.imread(str(newest_run() / "pictures" / "step_0000001.jpg")).shape[0] == 2 * 224


def test_half_precision_arithmetic_trains_to_finite_losses(place):
    assert train("PRECISION", "bf16", "TRAIN.EMA", "0.5", "TRAIN.CLIP_GRAD", "1.0") == 0
    assert all(value.isfinite().all() for value in weights_of(only_run()).values())


def test_an_arithmetic_that_the_device_lacks_is_refused(place, capsys, monkeypatch):
    def lacking(**options):
        raise ValueError("fp16 mixed precision requires a GPU")

    monkeypatch.setattr("fidip.stages.Accelerator", lacking)
    line = refused("PRECISION", "fp16", capsys=capsys)
    assert "PRECISION fp16 does not work here: fp16 mixed precision requires a GPU" in line


def overfit(place, *arguments):
    """Train without augmentation on pictures that are the test set too; losses and APs over time."""
    easy = [
        "DATASET.ROT_PROB",
        "0.0",
        "DATASET.SCALE_FACTOR",
        "0.0",
        "DATASET.FLIP",
        "False",
        "TRAIN.SCHEDULE",
        "cosine",
    ]
    sets = ["DATASET.VAL_SET", "mixed", "DATASET.TEST_SET", "mixed", "MODEL.IMAGE_SIZE", "[96, 96]",
            "MODEL.HEATMAP_SIZE", "[24, 24]", "MODEL.SIGMA", "1.5", "TRAIN.BATCH_SIZE_PER_GPU", "6",
            "MODEL.EXTRA.HEAD_CHANNELS", "32"]  # fmt: skip
    assert train(*PLAIN, *easy, *sets, *arguments) == 0
    scalars = events(next(Path("log").glob("tiny-*")))
    return [list(scalars[name].values()) for name in ("train/pose", "val/AP")]


@pytest.mark.slow
def test_a_tiny_net_learns_its_training_pictures(place):
    losses, scores = overfit(place, "TRAIN.END_EPOCH", "90", "TRAIN.VAL_EVERY", "30", "TRAIN.LR", "0.004")
    assert losses[-1] < 0.3 * losses[0] and scores[0] < scores[-1]
    assert ap(only_run() / "last") > 0.95


@pytest.mark.slow
def test_a_narrow_mobilenet_learns_its_training_pictures(place):
    Path("tiny.yaml").write_text(CONFIG.replace("adaptive_pose_timm", "pose_mobile").replace(
        "{BACKBONE: test_resnet, HEAD_CHANNELS: 16}", "{WIDTH_MULT: 0.35, HEAD_CHANNELS: 64}"))  # fmt: skip
    losses, scores = overfit(place, "TRAIN.END_EPOCH", "120", "TRAIN.VAL_EVERY", "40", "TRAIN.LR", "0.01",
                             "MODEL.SIGMA", "0.7", "TRAIN.BATCH_SIZE_PER_GPU", "4", "MODEL.EXTRA.HEAD_CHANNELS", "64")  # fmt: skip
    assert losses[-1] < losses[0] and scores[0] < scores[-1]
    assert ap(only_run() / "last") > 0.95
