"""The driver from end to end on flat infants: files, labels, options, parts, scoring."""

import contextlib
import errno
import io
import json

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from synth_scene import FlatLook
from synth_work import contents

from fidip.annotations import load_annotations
from fidip.errors import ConfigError, DataError
from infantsynth.image_set import ImageRecipe, Labels, Order, generate, image_seed
from infantsynth.overlay import SheetOptions, contact_sheet
from infantsynth.shards import Crew, ShardWriter

SPLIT = "train_synthetic"


def make(root, count=5, workers=1, seed=3, labels=None, **order):
    recipe = ImageRecipe(FlatLook(), seed, SPLIT, labels or Labels())
    return generate(recipe, Order(root, SPLIT, count, shard_size=2, crew=Crew(workers), **order))


def test_the_set_drops_into_the_published_layout(tmp_path):
    merged = make(tmp_path)
    assert merged.annotation_file == tmp_path / "annotations/person_keypoints_train_synthetic.json"
    data = load_annotations(merged.annotation_file)
    assert [image["file_name"] for image in data["images"]] == [f"train{i}.jpg" for i in range(10001, 10006)]
    assert [a["image_id"] for a in data["annotations"]] == [image["id"] for image in data["images"]]
    for index, image in enumerate(data["images"]):
        picture = cv2.imread(str(tmp_path / "images" / SPLIT / image["file_name"]))
        assert picture.shape == (image["height"], image["width"], 3)
        assert image["seed"] == image_seed(3, index, 0)
    assert data["info"]["options"]["seed"] == 3


def test_pycocotools_scores_the_labels_as_perfect(tmp_path):
    merged = make(tmp_path)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(merged.annotation_file))
        results = [{**a, "score": 1.0} for a in truth.dataset["annotations"]]
        for kind in ("keypoints", "segm", "bbox"):
            run = COCOeval(truth, truth.loadRes(results), kind)
            run.evaluate(), run.accumulate(), run.summarize()
            assert run.stats[0] == 1.0, kind


def test_seeds_differ_and_fit_into_json():
    seeds = [image_seed(s, i, d) for s in range(3) for i in range(200) for d in range(3)]
    assert len(set(seeds)) == len(seeds)
    assert min(seeds) >= 0 and 2**52 < max(seeds) < 2**53


def test_maps_and_space_are_written_on_demand(tmp_path):
    make(tmp_path, 2)
    assert {p.name for p in tmp_path.iterdir()} == {"annotations", "images", "shards"}
    root = tmp_path / "more"
    merged = make(root, 2, labels=Labels(depth=True, parts=True, space=True), webdataset=True)
    depth = cv2.imread(str(root / "depth" / SPLIT / "train10002.png"), cv2.IMREAD_UNCHANGED)
    parts = cv2.imread(str(root / "parts" / SPLIT / "train10002.png"), cv2.IMREAD_UNCHANGED)
    assert depth.dtype == np.uint16 and set(np.unique(depth)) == {0, 2000}
    assert set(np.unique(parts)) == {0, 1, 2}
    annotation = json.loads(merged.annotation_file.read_text())["annotations"][1]
    assert np.shape(annotation["keypoints_3d"]) == (17, 3)
    assert (root / "webdataset" / SPLIT / f"{SPLIT}-00000.tar").is_file()


def test_parts_of_an_array_of_jobs_make_the_same_set(tmp_path):
    whole = make(tmp_path / "whole", 5)
    assert make(tmp_path / "parts", 5, part=(2, 2)) is None
    merged = make(tmp_path / "parts", 5, part=(1, 2))
    assert merged.images == whole.images == 5
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_other_options_on_the_same_folder_are_refused(tmp_path):
    make(tmp_path, 2)
    with pytest.raises(ConfigError, match=r"seed 3, now 4"):
        make(tmp_path, 2, seed=4)
    with pytest.raises(ConfigError, match=r"quality \[70, 96\], now \[50, 50\]"):
        make(tmp_path, 2, labels=Labels(quality=(50, 50)))


def test_a_full_disk_is_told_and_nothing_half_written_stays(tmp_path, monkeypatch):
    whole = make(tmp_path / "whole", 5)
    real = ShardWriter.add

    def full(writer, name, content):
        real(writer, name, content)
        if name.endswith("10003.jpg"):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ShardWriter, "add", full)
    with pytest.raises(
        DataError, match=r"cannot write below .*No space left on device.*finished shards are kept"
    ):
        make(tmp_path / "full", 5)
    assert sorted(p.name for p in (tmp_path / "full/shards" / SPLIT).glob("0*")) == ["00000"]
    monkeypatch.undo()
    assert make(tmp_path / "full", 5).images == whole.images
    assert contents(tmp_path / "full") == contents(tmp_path / "whole")


def test_two_workers_make_the_bytes_of_one(tmp_path):
    make(tmp_path / "one", 4)
    make(tmp_path / "two", 4, workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@pytest.mark.parametrize("wrong", [{"count": 0}, {"part": (3, 2)}, {"part": (0, 2)}])
def test_impossible_orders_are_refused(tmp_path, wrong):
    with pytest.raises(DataError, match="must be positive"):
        make(tmp_path, **wrong)


def test_a_contact_sheet_shows_joints_where_the_labels_are(tmp_path):
    make(tmp_path, 5)
    options = SheetOptions(count=3, columns=2, tile=160)
    sheet = contact_sheet(tmp_path, SPLIT, options)
    assert sheet.shape == (2 * (160 + 18), 2 * 160, 3)
    first = json.loads((tmp_path / f"annotations/person_keypoints_{SPLIT}.json").read_text())["annotations"][
        0
    ]
    for joint, colour in ((9, (235, 60, 50)), (10, (60, 120, 255)), (16, (60, 120, 255))):
        x, y = first["keypoints"][3 * joint : 3 * joint + 2]
        assert sheet[round(y) + 20, round(x)].tolist() == list(colour)
    with pytest.raises(DataError, match="no image of posture 'Flying'"):
        contact_sheet(tmp_path, SPLIT, SheetOptions(posture="Flying"))
