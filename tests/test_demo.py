"""tools/demo.py from end to end, with flat infants and a tiny net in place of the real ones."""

import importlib.util
import json
from pathlib import Path

import pytest
from synth_scene import FlatLook
from training_setup import forget_processes

from fidip.annotations import load_annotations
from fidip.config import load_config
from fidip.media.video import video_facts
from fidip.synth.generate import Labels, PictureRecipe
from fidip.synth.workers import Crew

ROOT = Path(__file__).parents[1]
TINY = """
BASE: {base}
MODEL:
  NAME: adaptive_pose_timm
  IMAGE_SIZE: [32, 32]
  HEATMAP_SIZE: [8, 8]
  SIGMA: 1
  EXTRA: {{BACKBONE: test_resnet, HEAD_CHANNELS: 16}}
LOSS: {{KIND: mse}}
TRAIN: {{END_EPOCH: 1, BATCH_SIZE_PER_GPU: 4, PRE_BATCH_SIZE_PER_GPU: 4, WARMUP_STEPS: 0, EMA: 0.0}}
TEST: {{PICTURES: 2, FLIP_TEST: False}}
WORKERS: 0
DEVICE: cpu
"""


@pytest.fixture(scope="module")
def demo():
    spec = importlib.util.spec_from_file_location("demo", ROOT / "tools/demo.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def small_parts(demo):
    names = [(p.name, p.synthetic, p.held_out) for p in demo.parts(1, 1, 1)]
    return [demo.Part(name, FlatLook(64, 48), 5, synthetic, held_out) for name, synthetic, held_out in names]


@pytest.fixture(scope="module")
def finished(demo, tmp_path_factory):
    """A demo that has run, the function that runs it again, and its result."""
    root = tmp_path_factory.mktemp("demo")
    config = root / "tiny.yaml"
    config.write_text(TINY.format(base=demo.CONFIG))

    films = {f"film{i}": PictureRecipe(FlatLook(64, 48), i, f"film{i}", Labels(1000 * i)) for i in (1, 2)}

    def again():
        forget_processes()
        return demo.run(root / "out", small_parts(demo), films, 3, Crew(1), config, ["TEST.BLUR_KERNEL", "5"])

    return root / "out", again, again()


def test_the_table_has_chance_and_both_looks(finished):
    root, _, result = finished
    rows = result["rows"]
    assert len(rows) == 5
    assert rows["scenes, the mean pose for everybody"]["AP"] == pytest.approx(
        1
    )  # flat infants all have one pose
    assert all(0 <= row["AP"] <= 1 for row in rows.values())
    assert 0 <= result["domain_accuracy"] <= 1
    text = (root / "table.md").read_text()
    assert "| scenes, the mean pose for everybody | 100.0 | 100.0 | 100.0 | 100.0 |" in text
    assert "min" in text and "domain classifier" in text
    assert json.loads((root / "summary.json").read_text())["rows"] == rows
    assert len(result["pictures"]) == 4 and all(Path(p).is_file() for p in result["pictures"])


def test_joints_are_found_in_each_frame_of_the_films(finished):
    root, _, result = finished
    for name in ("film1", "film2"):
        overlay = root / f"films/{name}.overlay.mp4"
        assert video_facts(root / f"data/{name}.mp4").count == video_facts(overlay).count == 3
        assert len((root / f"films/{name}.csv").read_text().splitlines()) == 1 + 3 * 17
        assert str(overlay) in result["pictures"]


def test_films_are_scored_together_each_a_source(finished):
    root, _, result = finished
    content = load_annotations(root / "data/annotations/person_keypoints_films.json")
    assert [i["image_source"] for i in content["images"]] == ["film1"] * 3 + ["film2"] * 3
    assert all((root / "data/images" / i["file_name"]).is_file() for i in content["images"])
    (metrics,) = root.glob("tiny-*/films/metrics.json")
    found = json.loads(metrics.read_text())
    assert found["AP"] == result["rows"]["films, labelled boxes"]["AP"]


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


def test_the_config_names_the_splits_that_are_made(demo):
    cfg = load_config(demo.CONFIG)
    names = {p.name: p.held_out for p in demo.parts(1, 1, 1)}
    made = {f"train_{name}" for name in names} | {f"test_{name}" for name, held in names.items() if held}
    assert {*cfg.DATASET.TRAIN_SET, *cfg.DATASET.TRAIN_PRE_SET, cfg.DATASET.TEST_SET} <= made
    assert "test_infant_renders" in made
    assert cfg.OUTPUT_DIR == "output/demo" and cfg.DATASET.ROOT == "output/demo/data"
