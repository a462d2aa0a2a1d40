"""Reading COCO keypoint JSON: every fault has its message, what is missing is filled in."""

import copy
import json
import logging

import numpy as np
import pytest
from coco_data import (
    random_dataset,
    random_results,
    raw_pycocotools,
    refused,
    scored,
)

from fidip.annotations import load_annotations
from fidip.errors import DataError
from fidip.evaluation import CocoEvaluator
from fidip.skeleton import COCO17


@pytest.fixture
def warnings(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("fidip"), "propagate", True)
    caplog.set_level(logging.WARNING, logger="fidip")
    return lambda: [record.getMessage() for record in caplog.records]


def change(position=1, **fields):
    def apply(data):
        data["annotations"][position].update(fields)

    return apply


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (change(keypoints=[1.0] * 48), "annotation 2 (index 1) has 48 numbers in keypoints instead of 51"),
        (
            change(keypoints=[float("nan")] * 51),
            "annotation 2 (index 1) has keypoints that are not all finite",
        ),
        (
            change(keypoints=[float("inf")] * 51),
            "annotation 2 (index 1) has keypoints that are not all finite",
        ),
        (
            change(keypoints=[*[1.0] * 50, "x"]),
            "annotation 2 (index 1) has keypoints that are not all finite",
        ),
        (
            change(keypoints=[*[1.0] * 50, [2]]),
            "annotation 2 (index 1) has keypoints that are not all finite",
        ),
        (change(keypoints=None), "annotation 2 (index 1) has keypoints that are not a list"),
        (
            change(bbox=[1, 2, float("nan"), 4]),
            "annotation 2 (index 1) has a bbox that is not 4 finite numbers",
        ),
        (change(bbox=[1, 2, 3]), "annotation 2 (index 1) has a bbox that is not 4 finite numbers"),
        (change(bbox=[1, 2, 0, 4]), "annotation 2 (index 1) has a bbox of no size (width 0, height 4)"),
        (change(bbox=[1, 2, 3, -4]), "annotation 2 (index 1) has a bbox of no size (width 3, height -4)"),
        (change(image_id=99), "annotation 2 (index 1) has the image_id 99, which no image has"),
        (change(image_id=None), "annotation 2 (index 1) has the image_id None, which no image has"),
        (lambda d: d["annotations"][1].pop("bbox"), "annotation 2 (index 1) has no bbox"),
        (lambda d: d["annotations"][1].pop("keypoints"), "annotation 2 (index 1) has no keypoints"),
        (lambda d: d["annotations"].insert(1, 7), "annotation at index 1 is not a dict"),
        (lambda d: d["images"].append(d["images"][3]), "image id 3 is used 2 times"),
        (lambda d: d["images"][4].update(id=3.5), "image at index 4 has no id"),
        (lambda d: d["images"].append([]), "image at index 12 has no id"),
    ],
)
def test_faulty_records(spoil, words, tmp_path):
    data = random_dataset()
    spoil(data)
    assert words in (message := refused(data))
    assert "annotation dict has " in message
    assert message.endswith(": correct or remove these records")
    (tmp_path / "gt.json").write_text(json.dumps(data))
    assert f"annotation file {tmp_path / 'gt.json'} has " in (message := refused(tmp_path / "gt.json"))
    assert words in message


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            lambda d: d.pop("annotations"),
            "annotation dict has no list 'annotations'; give a COCO keypoint JSON",
        ),
        (lambda d: d.pop("images"), "annotation dict has no list 'images'; give a COCO keypoint JSON"),
        (lambda d: d.update(images={}), "annotation dict has no list 'images'"),
        (
            lambda d: d.update(categories=[{"name": "x"}]),
            "has categories that are not a list of dicts with an id",
        ),
        (lambda d: d.update(categories=[{"id": 1}, {"id": 2}]), "has 2 categories and not one person"),
        (
            lambda d: (d.pop("categories"), d["annotations"][0].update(category_id=2)),
            "has no categories but several category_id; add its list of categories",
        ),
    ],
)
def test_faulty_files(spoil, words):
    data = random_dataset()
    spoil(data)
    assert words in refused(data)


@pytest.mark.parametrize(
    ("text", "words"),
    [(None, "does not exist"), ('{"images": [{"id', "is not valid JSON"), ("[]", "holds a list, not a dict")],
)
def test_unreadable_files(tmp_path, text, words):
    path = tmp_path / "gt.json"
    if text is not None:
        path.write_text(text)
    message = refused(path)
    assert f"annotation file {path}" in message and words in message


def test_all_faults_are_counted():
    data = random_dataset()
    for record in data["annotations"][:9]:
        record["keypoints"] = [0.0]
    message = refused(data)
    assert "has 9 faults: annotation 1 (index 0)" in message
    assert "annotation 5 (index 4)" in message and "annotation 6 (" not in message
    assert "; and 4 more: correct or remove these records" in message


def test_faulty_annotations_can_be_skipped(tmp_path, warnings):
    data = random_dataset()
    data["annotations"][1]["bbox"] = [0, 0, 0, 5]
    path = tmp_path / "gt.json"
    path.write_text(json.dumps(data))
    loaded = load_annotations(path, skip_bad=True)
    assert [a["id"] for a in loaded["annotations"]] == [a["id"] for a in data["annotations"] if a["id"] != 2]
    (message,) = warnings()
    assert (
        "annotation 2 (index 1) has a bbox of no size (width 0, height 5); these annotations are left out"
        in message
    )
    data["images"].append(data["images"][0])
    path.write_text(json.dumps(data))
    with pytest.raises(DataError, match="image id 0 is used 2 times"):
        load_annotations(path, skip_bad=True)


def test_missing_fields_are_filled_in(tmp_path):
    data = random_dataset()
    complete = copy.deepcopy(data)
    del data["info"], data["licenses"], data["categories"]
    for record in data["annotations"]:
        del record["num_keypoints"], record["category_id"]
        if not record["iscrowd"]:
            del record["iscrowd"]
    (tmp_path / "gt.json").write_text(json.dumps(data))
    loaded = load_annotations(tmp_path / "gt.json", COCO17)
    assert loaded == {**complete, "categories": [{"id": 1, "name": "person"}]}
    results = random_results(complete)
    expected = raw_pycocotools(complete, results)
    np.testing.assert_allclose(list(scored(data, results).summarize().values()), expected, rtol=0, atol=1e-12)


def test_a_wrong_num_keypoints_is_counted_anew(warnings):
    """COCOeval ignores a person with num_keypoints 0, whatever its joints."""
    data = random_dataset()
    results = random_results(data)
    expected = scored(data, results).summarize()
    data["annotations"][0]["num_keypoints"] = 0
    assert scored(data, results).summarize() == expected
    (message,) = warnings()
    assert f"1 of {len(data['annotations'])} annotations state a num_keypoints" in message


def test_box_without_size_passes_where_nothing_is_labelled():
    data = random_dataset()
    data["annotations"][5]["bbox"] = [3.0, 4.0, 0.0, 0.0]
    assert len(CocoEvaluator(data).truth.anns) == len(data["annotations"])


@pytest.mark.parametrize(
    "categories",
    [
        [{"id": 3, "name": "infant"}],
        [{"id": 3, "name": "Person"}, {"id": 4, "name": "cot"}],
        [{"id": 3, "name": "infant", "keypoints": ["nose"]}, {"id": 4, "name": "person"}],
    ],
)
def test_the_person_category_is_found(categories):
    data = random_dataset()
    results = random_results(data)
    expected = raw_pycocotools(data, results)
    for record in data["annotations"] + results:
        record["category_id"] = 3
    if len(categories) > 1:  # other categories need no keypoints
        data["annotations"].append(
            {"id": 500, "image_id": 0, "category_id": 4, "bbox": [0, 0, 5, 5], "area": 25}
        )
    data["categories"] = categories
    evaluator = scored(data, results)
    np.testing.assert_allclose(list(evaluator.summarize().values()), expected, rtol=0, atol=1e-12)
    assert evaluator.category_id == 3
