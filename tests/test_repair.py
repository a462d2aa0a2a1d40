"""Labels as other tools write them: repaired where their meaning is beyond doubt, else refused in one line."""

import copy
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fidip.annotations import check_annotations
from fidip.data.records import Split, load_detections, load_records
from fidip.errors import DataError, FidipError
from fidip.evaluation import CocoEvaluator
from fidip.evaluation.results import check_results
from fidip.files import read_json
from fidip.repair import Repairs, repaired, same_image
from fidip.skeleton import COCO17

NAMES = list(COCO17.names)


def document(count=4):
    """A sound file of ``count`` images with one person each."""
    rng = np.random.default_rng(5)
    images, annotations = [], []
    for number in range(1, count + 1):
        xy = rng.uniform(20, 100, (17, 2))
        images.append(
            {
                "id": number,
                "file_name": f"im{number}.jpg",
                "width": 160,
                "height": 120,
                "is_synthetic": False,
                "posture": "Supine",
                "image_source": "",
            }
        )
        annotations.append(
            {
                "id": number,
                "image_id": number,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": [10.0, 10.0, 100.0, 100.0],
                "area": 10000.0,
                "num_keypoints": 17,
                "keypoints": np.c_[xy, np.full(17, 2)].ravel().tolist(),
            }
        )
    categories = [{"id": 1, "name": "person", "keypoints": NAMES}]
    return {"info": {}, "images": images, "annotations": annotations, "categories": categories}


def score(data, area="bbox"):
    """AP of predictions that are the labels of ``document``."""
    evaluator = CocoEvaluator(data, area=area)
    for number, one in enumerate(document()["annotations"]):
        person = np.reshape(one["keypoints"], (17, 3))
        evaluator.add(
            [evaluator.truth.dataset["images"][number]["id"]], person[None, :, :2], np.full((1, 17), 0.9)
        )
    return evaluator.summarize()["AP"]


def changed(**fields):
    data = document()
    for record in data["annotations"]:
        record.update({name: value(record) if callable(value) else value for name, value in fields.items()})
    return data


@pytest.mark.parametrize(
    "data",
    [
        changed(category_id="1"),
        changed(category_id=1.0),
        changed(iscrowd=None),
        changed(iscrowd="0"),
        changed(iscrowd="false"),
        changed(id="a0"),
        changed(id=lambda record: str(record["id"] - 1)),
        changed(id=None),
        changed(id=[1]),
        changed(image_id=lambda record: str(record["image_id"])),
        changed(image_id=lambda record: float(record["image_id"])),
        changed(bbox=["10", "10", "100.0", 100]),
        changed(area=None),
        changed(area="large"),
        changed(area=0),
        changed(area=float("nan")),
        changed(keypoints=lambda record: [str(value) for value in record["keypoints"]]),
    ],
)
def test_the_score_is_that_of_the_sound_file(data):
    assert score(document()) == pytest.approx(1.0)
    assert score(data) == pytest.approx(1.0)
    split = Split("x", "x.json", Path())
    assert len(load_records(split, check_annotations(data, "x"), COCO17)) == 4


def test_keypoints_are_taken_by_their_names():
    order = np.random.default_rng(0).permutation(17)
    data = document()
    data["categories"][0]["keypoints"] = [NAMES[i].upper().replace("_", " ") for i in order]
    for one in data["annotations"]:
        one["keypoints"] = np.reshape(one["keypoints"], (17, 3))[order].ravel().tolist()
    assert score(data) == pytest.approx(1.0)
    data["categories"][0]["keypoints"] = [f"h36m_{i}" for i in range(17)]
    with pytest.raises(DataError, match=r"has keypoints that coco17 does not: h36m_0.*--skeleton"):
        check_annotations(data, "annotation file x.json")


@pytest.mark.parametrize("value", ["false", "0", 0, None, float("nan"), "", False, "no"])
def test_a_word_does_not_make_a_set_synthetic(value):
    data = document()
    for image in data["images"]:
        image["is_synthetic"] = value
    split = Split("x", "x.json", Path())
    assert [record.synthetic for record in load_records(split, check_annotations(data, "x"), COCO17)] == [
        False
    ] * 4
    for image in data["images"]:
        image["is_synthetic"] = "True"
    assert all(record.synthetic for record in load_records(split, check_annotations(data, "x"), COCO17))


def test_nothing_at_an_unlabelled_keypoint_matters():
    data = document()
    data["annotations"][0]["keypoints"][:3] = [float("nan"), None, 0]
    checked = check_annotations(data, "x")
    assert checked["annotations"][0]["keypoints"][:3] == [0, 0, 0]
    data["annotations"][0]["keypoints"][:3] = [float("nan"), 3, 2]
    with pytest.raises(DataError, match="not all finite"):
        check_annotations(data, "x")


def test_what_was_repaired_is_counted_and_said(caplog):
    check_annotations(changed(category_id="1", iscrowd=None), "annotation file x.json")
    assert "annotation file x.json was repaired while reading" in caplog.text
    assert (
        "annotation category_id of text read as a whole number (4 times, first in annotation at index 0)"
        in caplog.text
    )
    before = document()
    kept, repairs = copy.deepcopy(before), Repairs()
    assert repaired(before, NAMES, repairs) == kept == before and not repairs.counts


@pytest.mark.parametrize("name", ["im2.jpg", "im2", "2", 2, 2.0, "a/b/im2.jpg"])
def test_results_may_name_images_in_any_way_that_is_clear(name):
    images = document()["images"]
    if name == "a/b/im2.jpg":
        images[1]["file_name"] = name
    assert same_image(images)(name) == 2
    result = {"image_id": name, "category_id": "1", "score": 0.5, "keypoints": [1.0] * 51}
    (checked,) = check_results([result], {one["id"]: one for one in images}, 1, 17, "results")
    assert (checked["image_id"], checked["category_id"]) == (2, 1)


def test_ambiguous_names_mean_no_image():
    images = [{"id": 1, "file_name": "a/x.jpg"}, {"id": 2, "file_name": "b/x.jpg"}]
    assert same_image(images)("x.jpg") == "x.jpg" and same_image(images)("a/x.jpg") == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gzip", "latin-1"])
def test_json_in_other_encodings(tmp_path, encoding):
    path, content = tmp_path / "a.json", {"name": "Bébé"}
    text = json.dumps(content, ensure_ascii=False)
    path.write_bytes(gzip.compress(text.encode()) if encoding == "gzip" else text.encode(encoding))
    if encoding == "latin-1":
        with pytest.raises(DataError, match=r"is not UTF-8 \(byte 0xe9 at 11\); save it as UTF-8"):
            read_json(path, "annotation file")
    else:
        assert read_json(path, "annotation file") == content


def test_detections_of_other_categories_are_named(tmp_path, caplog):
    split = Split("x", "x.json", tmp_path)
    content, file = check_annotations(document(), "x"), tmp_path / "boxes.json"
    boxes = [
        {"image_id": f"im{i}.jpg", "category_id": "1", "bbox": [0, 0, 50, 50], "score": 0.9} for i in (1, 2)
    ]
    file.write_text(json.dumps([*boxes, {**boxes[0], "category_id": 3}]))
    assert [record.image_id for record in load_detections(split, content, file, COCO17)] == [1, 2]
    assert "1 boxes of other categories than person are left out; 2 of 4 images have no box" in caplog.text
    file.write_text(json.dumps([{**box, "category_id": 0} for box in boxes]))
    with pytest.raises(DataError, match=r"no person box is left of 2 \(2 of category 0\)"):
        load_detections(split, content, file, COCO17)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 400),
    st.floats(),
    st.text(max_size=3),
    st.just("1"),
    st.just("true"),
    st.lists(st.one_of(st.integers(-9, 9), st.none(), st.text(max_size=2)), max_size=5),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
)
PLACES = st.tuples(
    st.sampled_from(["images", "annotations", "categories"]),
    st.integers(0, 3),
    st.sampled_from(
        [
            "id",
            "image_id",
            "category_id",
            "iscrowd",
            "bbox",
            "area",
            "keypoints",
            "width",
            "height",
            "file_name",
            "is_synthetic",
            "image_source",
            "posture",
            "name",
            "num_keypoints",
            None,
        ]
    ),
    VALUES,
    st.booleans(),
)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(PLACES, max_size=4))
def test_any_document_is_read_refused_or_counted(changes):
    data = document()
    for kind, index, name, value, gone in changes:
        records = data[kind]
        index %= len(records)
        if name is None:
            records[index] = value
        elif isinstance(records[index], dict):
            records[index].pop(name, None)
            if not gone:
                records[index][name] = value
    try:
        checked = check_annotations(data, "annotation file x.json")
        split = Split("x", "x.json", Path())
        records = load_records(split, checked, COCO17)
        evaluator = CocoEvaluator(data, area="bbox")
    except FidipError as error:
        assert "\n" not in str(error)
        return
    scored = [a for a in evaluator.truth.dataset["annotations"] if a["num_keypoints"] and not a["iscrowd"]]
    assert len(records) == len(scored)  # predicted persons are the scored ones
    assert all(type(record.synthetic) is bool for record in records)
