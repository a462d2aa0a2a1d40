"""Results files and metrics.json."""

import json

import json_tricks
import numpy as np
import pytest

from fidip.errors import DataError
from fidip.evaluation import read_results, write_metrics, write_results
from fidip.evaluation.results import METRIC_NAMES, check_results


def result(image_id=1, **changes):
    return {"image_id": image_id, "category_id": 1, "keypoints": [1.5] * 51, "score": 0.5, **changes}


def check(record, joints=17):
    return check_results([result(), record], {1: {"id": 1}, 2: {"id": 2}}, 1, joints, "results file r.json")


def test_arrays_survive_as_plain_lists(tmp_path, recwarn):
    keypoints = np.random.default_rng(0).uniform(0, 500, 51)
    record = result(np.int64(2), keypoints=keypoints, score=np.float32(0.25), box=np.arange(4).reshape(2, 2))
    write_results(tmp_path / "deep" / "r.json", [record])
    plain = json.loads((tmp_path / "deep" / "r.json").read_text())
    expected = {"image_id": 2, "category_id": 1, "keypoints": keypoints.tolist(), "score": 0.25}
    assert plain == [{**expected, "box": [[0, 1], [2, 3]]}]
    assert read_results(tmp_path / "deep" / "r.json") == plain
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["r.json"]
    assert not recwarn.list


def test_encoded_arrays_are_read(tmp_path):
    keypoints = np.random.default_rng(0).uniform(0, 500, (17, 3))
    path = tmp_path / "r.json"
    path.write_text(json_tricks.dumps([result(keypoints=keypoints, center=np.array([3.0, 4.0]))]))
    assert "__ndarray__" in path.read_text()
    assert read_results(path) == [result(keypoints=keypoints.ravel().tolist(), center=[3.0, 4.0])]


def test_reading_builds_no_classes(tmp_path):
    """json_tricks can be told by a file to import a module; a results file must not."""
    path = tmp_path / "r.json"
    entry = {"__instance_type__": ["antigravity", "Any"], "attributes": {}}
    path.write_text(json.dumps([result(extra=entry)]))
    assert read_results(path)[0]["extra"] == entry


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "r.json"
    write_results(path, [result()])
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_results(path, [result(score=float("nan"))])
    assert read_results(path) == [result()]
    assert [entry.name for entry in tmp_path.iterdir()] == ["r.json"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "does not exist"),
        ('[{"image_id": 1, "keyp', "not valid JSON"),
        ('{"annotations": []}', "holds a dict, not a list; give a COCO keypoint results JSON"),
    ],
)
def test_unreadable_files(tmp_path, text, words):
    path = tmp_path / "r.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=words) as error:
        read_results(path)
    assert f"results file {path}" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (result(7), "(image_id 7) is of a picture that the annotations do not have"),
        (result(None), "(image_id None) is of a picture that the annotations do not have"),
        (result([1]), "(image_id [1]) is of a picture that the annotations do not have"),
        (result(keypoints=[1.0] * 48), "has 48 numbers in keypoints instead of 51 (17 joints x 3)"),
        (result(keypoints=[float("nan")] * 51), "has keypoints that are not all finite numbers"),
        (result(keypoints=[None] * 51), "has keypoints that are not all finite numbers"),
        (result(keypoints=[[1, 2, 3]] * 17), "has 17 numbers in keypoints instead of 51"),
        (result(keypoints="x"), "has keypoints that are not a list"),
        (result(score=float("inf")), "has the score inf, not a finite number"),
        (result(score="0.5"), "has the score '0.5', not a finite number"),
        (result(category_id=3), "has the category_id 3; the annotations' person is 1"),
        ({k: v for k, v in result().items() if k != "score"}, "has no score"),
        ({k: v for k, v in result().items() if k != "keypoints"}, "has no keypoints"),
        ({k: v for k, v in result().items() if k != "image_id"}, "result at index 1 has no image_id"),
        ("text", "result at index 1 is not a dict"),
    ],
)
def test_faulty_records(record, words):
    with pytest.raises(DataError) as error:
        check(record)
    message = str(error.value)
    assert words in message
    assert message.startswith("results file r.json has 1 fault: result at index 1")
    assert message.endswith(": check that it belongs to these annotations, or write it again")
    assert "\n" not in message


def test_many_faults_are_counted():
    with pytest.raises(
        DataError, match=r"has 9 faults: result at index 0 .*index 4 .*; and 4 more: "
    ) as error:
        check_results([result(9)] * 9, {1: {"id": 1}}, 1, 17, "results")
    assert "index 5" not in str(error.value)


def test_category_is_filled_in_and_the_input_untouched():
    record = {"image_id": 1, "keypoints": [0] * 51, "score": 1}
    assert check_results([record], {1: {"id": 1}}, 4, 17, "results") == [{**record, "category_id": 4}]
    assert "category_id" not in record


def metrics(**changes):
    return {
        **dict.fromkeys(METRIC_NAMES, 0.5),
        "AP_M": None,
        "n_images": 3,
        "area": "bbox",
        "boxes": "gt",
        **changes,
    }


def test_metrics_file(tmp_path):
    write_metrics(tmp_path / "metrics.json", metrics(epoch=4))
    assert json.loads((tmp_path / "metrics.json").read_text()) == metrics(epoch=4)


def test_metrics_must_be_complete_and_finite(tmp_path):
    lacking = {key: value for key, value in metrics().items() if key not in ("AR75", "boxes")}
    with pytest.raises(ValueError, match="metrics lack AR75, boxes"):
        write_metrics(tmp_path / "metrics.json", lacking)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_metrics(tmp_path / "metrics.json", metrics(AP=float("nan")))
    assert list(tmp_path.iterdir()) == []
