"""fidip demo from end to end, with flat infants and small crops in place of the real ones."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from pose_files import frame_of, person_at, write_frames
from synth_scene import FlatLook
from training_setup import forget_processes

from fidip.annotations import load_annotations
from fidip.config import load_config
from fidip.predict.media import video_facts
from fidip.predict.pose_file import PoseFile
from infantsynth import whole_chain as demo
from infantsynth.image_set import ImageRecipe, Labels
from infantsynth.shards import Crew

TINY = """
BASE: {base}
MODEL:
  IMAGE_SIZE: [64, 64]
  HEATMAP_SIZE: [16, 16]
TRAIN: {{END_STEP: 2, BATCH_SIZE_PER_GPU: 4, PRE_EPOCH: 1, PRE_BATCH_SIZE_PER_GPU: 4, WARMUP_STEPS: 0, EMA: 0.0}}
TEST: {{PICTURES: 2, FLIP_TEST: False}}
WORKERS: 0
DEVICE: cpu
"""


def small_parts():
    names = [(p.name, p.synthetic, p.held_out) for p in demo.parts(1, 1, 1)]
    return [demo.Part(name, FlatLook(64, 48), 5, synthetic, held_out) for name, synthetic, held_out in names]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A demo that has run, the function that runs it again, and its result."""
    root = tmp_path_factory.mktemp("demo")
    config = root / "tiny.yaml"
    config.write_text(TINY.format(base=demo.CONFIG))

    videos = {f"video{i}": ImageRecipe(FlatLook(64, 48), i, f"video{i}", Labels(1000 * i)) for i in (1, 2)}

    def again():
        forget_processes()
        return demo.run(root / "out", small_parts(), videos, 3, Crew(1), config, ["TEST.BLUR_KERNEL", "5"])

    return root / "out", again, again()


def test_the_table_compares_chance_the_start_and_the_trained_network(finished):
    root, _, result = finished
    rows = result["rows"]
    assert list(rows) == [
        "scenes, the mean pose for every infant",
        "scenes, MoveNet as packaged, not trained",
        "scenes, trained network",
        "renders, trained network",
        "videos, boxes of the labels",
        "videos, boxes found and followed",
    ]
    assert rows["scenes, the mean pose for every infant"]["AP"] == pytest.approx(
        1
    )  # flat infants have one pose
    assert all(0 <= (row["AP"] or 0) <= 1 for row in rows.values())
    assert 0 <= result["domain_accuracy"] <= 1
    text = (root / "table.md").read_text()
    assert "| scenes, the mean pose for every infant | 100.0 | 100.0 | 100.0 | 100.0 |" in text
    assert "Minutes: infant scenes" in text and "The domain classifier is right on" in text
    assert json.loads((root / "summary.json").read_text())["rows"] == rows


def test_the_start_is_tested_with_the_packaged_weights(finished):
    (metrics,) = finished[0].glob("tiny-*/start/metrics.json")
    assert Path(json.loads(metrics.read_text())["checkpoint"]).name == "movenet_lightning.safetensors"


def test_the_last_sentence_names_overlays_that_exist(finished):
    root, _, result = finished
    overlays = [Path(path) for path in result["overlays"]]
    assert [path.relative_to(root).as_posix() for path in overlays] == [
        "videos/video1.overlay.mp4",
        "videos/video2.overlay.mp4",
        "predictions_best.png",
        "predictions_worst.png",
    ]
    assert all(path.is_file() for path in overlays)
    sentence = demo.where(["a.mp4", "b.mp4", "c.png"])
    assert sentence == "Keypoints are drawn on a.mp4, b.mp4 and c.png."


def test_each_step_is_announced_with_its_number_and_timed(caplog):
    steps = demo.Steps(2)
    with caplog.at_level("INFO"):
        steps.begin("one", "rendering")
        steps.begin("two", "training")
        steps.end()
    assert caplog.messages == ["step 1 of 2: rendering", "step 2 of 2: training"]
    assert list(steps.seconds) == ["one", "two"] and all(value >= 0 for value in steps.seconds.values())


def test_the_command_that_users_have_reads_every_frame_and_finds_nobody_in_noise(finished):
    root, _, result = finished
    for name in ("video1", "video2"):
        overlay = root / f"videos/{name}.overlay.mp4"
        assert video_facts(root / f"data/{name}.mp4").count == video_facts(overlay).count == 3
        assert [len(frame) for frame in PoseFile(root / f"videos/{name}.poses.jsonl")] == [0] * 3
    assert not result["rows"]["videos, boxes found and followed"]["AP"]


@pytest.mark.parametrize(("missed", "expected"), [((), 1.0), (("video1",), 0.5)])
def test_poses_in_videos_are_scored_against_the_labels_of_their_frames(
    finished, monkeypatch, tmp_path, missed, expected
):
    """Perfect poses give AP 1; missed frames count, so without one video of two AP is near a half."""
    root = tmp_path
    shutil.copytree(finished[0] / "data", root / "data")
    (root / "videos").mkdir()

    def predict(argv):
        for source in argv[1 : argv.index("--overwrite")]:
            name = Path(source).stem
            content = load_annotations(root / f"data/annotations/person_keypoints_{name}.json")
            poses = [np.array(a["keypoints"], dtype=float).reshape(17, 3) for a in content["annotations"]]
            seen = [] if name in missed else poses
            frames = [
                frame_of(i, i / 10, (person_at(pose[:, :2], np.ones(17)),)) for i, pose in enumerate(seen)
            ]
            write_frames(root / f"videos/{name}.poses.jsonl", frames)

    monkeypatch.setattr(demo, "fidip", predict)
    places = [*demo.folders(root), "DATASET.TEST_SET", demo.VIDEOS]
    cfg = load_config(finished[0].parent / "tiny.yaml", places)
    found = demo.predict_videos(cfg, root, ["video1", "video2"], Path("model.pth"))
    assert found["AP"] == pytest.approx(expected, abs=0.02)


def test_videos_are_scored_together_each_a_source(finished):
    root, _, result = finished
    content = load_annotations(root / "data/annotations/person_keypoints_videos.json")
    assert [i["image_source"] for i in content["images"]] == ["video1"] * 3 + ["video2"] * 3
    assert all((root / "data/images" / i["file_name"]).is_file() for i in content["images"])
    (metrics,) = root.glob("tiny-*/videos/metrics.json")
    found = json.loads(metrics.read_text())
    assert found["AP"] == result["rows"]["videos, boxes of the labels"]["AP"]


def test_the_splits_have_their_domains_and_share_no_picture(finished):
    data = finished[0] / "data"
    found = {}
    for name in ("train_infant_scenes", "test_infant_scenes", "train_infant_renders", "train_adult_scenes"):
        content = load_annotations(data / f"annotations/person_keypoints_{name}.json")
        assert all((data / "images" / image["file_name"]).is_file() for image in content["images"])
        assert len(content["annotations"]) == len(content["images"])
        found[name] = content["images"]
    assert {i["is_synthetic"] for i in found["train_infant_renders"]} == {True}
    assert {i["is_synthetic"] for i in found["train_infant_scenes"] + found["test_infant_scenes"]} == {False}
    assert [len(images) for images in found.values()] == [4, 1, 4, 5]
    ids = [image["id"] for images in found.values() for image in images]
    assert len(set(ids)) == len(ids)


def test_a_second_run_makes_and_trains_nothing_anew(finished):
    root, again, result = finished
    (model,) = root.glob("tiny-*/model_last.pth")
    before = (
        model.stat().st_mtime_ns,
        sorted(p.stat().st_ino for p in (root / "data/shards").rglob("shard.json")),
    )
    assert again()["rows"] == result["rows"]
    assert before == (
        model.stat().st_mtime_ns,
        sorted(p.stat().st_ino for p in (root / "data/shards").rglob("shard.json")),
    )


def test_the_config_names_the_splits_that_are_made():
    cfg = load_config(demo.CONFIG)
    names = {p.name: p.held_out for p in demo.parts(1, 1, 1)}
    made = {f"train_{name}" for name in names} | {f"test_{name}" for name, held in names.items() if held}
    assert {*cfg.DATASET.TRAIN_SET, *cfg.DATASET.TRAIN_PRE_SET, cfg.DATASET.TEST_SET} <= made
    assert "test_infant_renders" in made
    assert cfg.OUTPUT_DIR == "output/demo" and cfg.DATASET.ROOT == "output/demo/data"
