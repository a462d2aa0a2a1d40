"""CocoEvaluator: adding predictions, and the numbers that say where a model fails."""

import json
import math
import time

import numpy as np
import pytest
import torch
from coco_data import (
    PAIR,
    annotation,
    dataset,
    pair_person,
    random_dataset,
    random_results,
    raw_pycocotools,
    scored,
)

from fidip.errors import DataError
from fidip.evaluation import CocoEvaluator, oks_nms, soft_oks_nms
from fidip.evaluation.results import METRIC_NAMES


def test_rescoring_by_hand():
    data = dataset(
        [annotation(1, 0, pair_person()), annotation(2, 1, pair_person()), annotation(3, 2, pair_person())]
    )
    joint_scores = [[0.8, 0.4], [0.7, 0.2], [0.1, 0.2]]  # 0.2 is not above in_vis_thre
    xy = np.stack([pair_person()] * 3)
    for rescore, expected in ((True, [0.3, 0.7 * 0.25, 0.0]), (False, [0.5, 0.25, 1.0])):
        evaluator = CocoEvaluator(data, "bbox", PAIR, rescore=rescore)
        evaluator.add([0, 1, 2], xy, joint_scores, [0.5, 0.25, 1.0])
        results = evaluator.results()
        assert [r["score"] for r in results] == pytest.approx(expected, abs=1e-15)
    assert results[0] == {
        "image_id": 0,
        "category_id": 1,
        "score": 0.5,
        "keypoints": [20, 30, 0.8, 70, 110, 0.4],
    }


def test_torch_and_numpy_agree_over_batches():
    data = random_dataset()
    rng = np.random.default_rng(0)
    ids = np.array([2, 0, 2, 5])
    xy, scores = rng.uniform(0, 300, (4, 17, 2)), rng.uniform(size=(4, 17))
    boxes, areas = rng.uniform(size=4), rng.uniform(1000, 2000, 4)
    whole, parts = CocoEvaluator(data), CocoEvaluator(data)
    whole.add(ids, xy, scores, boxes, areas)
    for part in (slice(0, 1), slice(1, 4)):
        parts.add(*(torch.from_numpy(values[part]).requires_grad_(values.dtype == float)
                    for values in (ids, xy, scores, boxes, areas)))  # fmt: skip
    assert whole.results() == parts.results()
    assert [r["image_id"] for r in whole.results()] == [2, 2, 0, 5]
    json.dumps(parts.results())


def test_perfect_predictions_of_several_persons():
    data = random_dataset(5)
    evaluator = CocoEvaluator(data, "bbox")
    for record in data["annotations"]:
        if record["num_keypoints"]:
            xy = np.reshape(record["keypoints"], (1, 17, 3))[..., :2]
            evaluator.add([record["image_id"]], xy, np.full((1, 17), 0.9))
    summary = evaluator.summarize()
    assert [summary["AP"], summary["AR75"]] == pytest.approx([1, 1], abs=1e-12)


@pytest.mark.parametrize("soft", [False, True])
def test_detections_are_suppressed_per_image(soft):
    """Three detections of two persons, the same in two pictures: pictures must not suppress each other."""
    rng = np.random.default_rng(0)
    first, second = rng.uniform(0, 100, (17, 2)), rng.uniform(300, 400, (17, 2))
    data = dataset(
        [annotation(i * 2 + j + 1, i, xy) for i in range(2) for j, xy in enumerate((first, second))]
    )
    xy = np.stack([first, second, first + 0.5])
    scores, areas = np.array([0.6, 0.5, 0.9]), np.full(3, 8000.0)
    evaluator = CocoEvaluator(data, "bbox", soft_nms=soft)
    for image_id in range(2):
        evaluator.add([image_id] * 3, xy, np.full((3, 17), 1.0), scores, areas)
    nms = soft_oks_nms if soft else oks_nms
    kept = nms(xy, scores, areas, 0.9)
    assert kept.tolist() == ([2, 1, 0] if soft else [2, 1])
    results = evaluator.results()
    assert [r["keypoints"][0] for r in results] == pytest.approx(2 * xy[kept, 0, 0].tolist())
    lowered = [r["score"] for r in results[: len(kept)]]
    assert lowered[:2] == [0.9, 0.5]
    assert not soft or 0.6 * math.exp(-1 / 0.9) < lowered[2] < 0.6 * math.exp(-0.9 / 0.9)
    assert evaluator.summarize()["AP"] == pytest.approx(1, abs=1e-12)


def test_default_area_of_the_suppression_is_that_of_the_joints():
    xy = np.stack([pair_person(), pair_person(6)])  # OKS at 4000 px^2: exp(-36 / 0.01 / 4000 / 2) = 0.638
    data = dataset([annotation(1, 0, pair_person())])
    for threshold, kept in ((0.63, 1), (0.64, 2)):
        evaluator = CocoEvaluator(data, "bbox", PAIR, oks_thre=threshold)
        evaluator.add([0, 0], xy, np.full((2, 2), 0.9))
        assert len(evaluator.results()) == kept


def test_results_follow_later_additions_and_reset():
    data = dataset([annotation(1, 0, pair_person()), annotation(2, 1, pair_person())])
    evaluator = CocoEvaluator(data, "bbox", PAIR)
    assert evaluator.results() == []
    assert evaluator.summarize()["AP"] == 0.0
    evaluator.add([0], pair_person()[None], [[0.9, 0.9]])
    assert evaluator.summarize()["AR"] == 0.5
    evaluator.add([1], pair_person()[None], [[0.9, 0.9]])
    assert evaluator.summarize()["AR"] == 1.0
    evaluator.reset()
    assert evaluator.results() == []
    evaluator.load_results([])
    with pytest.raises(ValueError, match="call reset"):
        evaluator.add([1], pair_person()[None], [[0.9, 0.9]])


def test_wrong_shapes_and_bad_predictions():
    evaluator = CocoEvaluator(dataset([annotation(1, 0, pair_person())]), "bbox", PAIR)
    with pytest.raises(ValueError, match=r"expected keypoints \(1, 2, 2\)"):
        evaluator.add([0], np.zeros((1, 3, 2)), np.zeros((1, 2)))
    with pytest.raises(ValueError, match="expected 1 box scores and areas"):
        evaluator.add([0], np.zeros((1, 2, 2)), np.zeros((1, 2)), [1.0, 1.0])
    with pytest.raises(DataError, match="annotation dict has no image 5; predict on the pictures it lists"):
        evaluator.add([5], np.zeros((1, 2, 2)), np.zeros((1, 2)))
    with pytest.raises(DataError, match="prediction for image 0 is not finite; check the weights"):
        evaluator.add([0], np.full((1, 2, 2), np.nan), np.zeros((1, 2)))
    assert evaluator.results() == []


def test_summary_says_none_where_there_is_no_object():
    evaluator = CocoEvaluator(dataset([annotation(1, 0, pair_person())]), "bbox", PAIR)  # 100^2 px: large
    evaluator.add([0], pair_person()[None], [[0.9, 0.9]])
    summary = evaluator.summarize()
    assert (summary["AP_M"], summary["AR_M"], summary["AP_L"]) == (None, None, pytest.approx(1, abs=1e-12))
    assert evaluator.metrics("gt") == {**summary, "n_images": 1, "area": "bbox", "boxes": "gt"}


def test_pck_by_hand():
    """Box 100 x 50, so 5, 10 and 20 px are the limits; person 2 is missed, its second joint not labelled."""
    missed = [[20.0, 30.0, 2.0], [0.0, 0.0, 0.0]]
    data = dataset(
        [annotation(1, 0, pair_person(), (0, 0, 100, 50)), annotation(2, 1, missed, (0, 0, 50, 100))]
    )
    evaluator = CocoEvaluator(data, "bbox", PAIR)
    evaluator.add(
        [0], [pair_person() + np.array([[3, 4], [12, 0]])], [[0.9, 0.9]]
    )  # 5 px (just right) and 12 px off
    details = evaluator.details()
    assert details["pck"] == {
        "0.05": {"mean": pytest.approx(1 / 3), "joints": {"a": 0.5, "b": 0.0}},
        "0.1": {"mean": pytest.approx(1 / 3), "joints": {"a": 0.5, "b": 0.0}},
        "0.2": {"mean": pytest.approx(2 / 3), "joints": {"a": 0.5, "b": 1.0}},
    }
    terms = [math.exp(-d2 / 0.01 / 5000 / 2) for d2 in (25, 144)]
    assert details["oks_per_joint"] == {"a": pytest.approx(terms[0] / 2), "b": pytest.approx(terms[1])}
    assert [(entry["image_id"], entry["file_name"]) for entry in details["images"]] == [
        (0, "0.jpg"),
        (1, "1.jpg"),
    ]
    assert [entry["oks"] for entry in details["images"]] == pytest.approx([sum(terms) / 2, 0.0])
    assert details["posture"] == {}
    json.dumps(details)


def test_joints_never_labelled_have_no_numbers():
    data = dataset([annotation(1, 0, [[20.0, 30.0, 2.0], [0.0, 0.0, 0.0]])])
    details = CocoEvaluator(data, "bbox", PAIR).details()
    assert details["pck"]["0.1"] == {"mean": 0.0, "joints": {"a": 0.0, "b": None}}
    assert details["oks_per_joint"] == {"a": 0.0, "b": None}
    empty = CocoEvaluator(dataset([], n_images=2), "bbox", PAIR)
    assert empty.details()["pck"]["0.1"] == {"mean": None, "joints": {"a": None, "b": None}}
    assert empty.summarize()["AP"] is None
    assert empty.n_images == 2


def test_highest_score_chooses_first():
    """Two results near person 0: the better scored one takes it although the other is closer."""
    data = dataset([annotation(1, 0, pair_person()), annotation(2, 0, pair_person(3000))])
    results = [
        {"image_id": 0, "keypoints": [*xy[0], 1, *xy[1], 1], "score": score}
        for xy, score in ((pair_person(1), 0.5), (pair_person(8), 0.9))
    ]
    first, second = scored(data, results, area="bbox", skeleton=PAIR).matches()
    assert second.prediction is None
    assert (first.score, second.score, second.oks) == (0.9, None, 0.0)
    assert first.oks == pytest.approx(math.exp(-64 / 0.01 / 10000 / 2))
    results.append({"image_id": 0, "keypoints": [3020, 30, 1, 3070, 110, 1], "score": 0.1})
    assert [m.oks for m in scored(data, results, area="bbox", skeleton=PAIR).matches()][1] == 1.0


def test_a_false_detection_does_not_take_a_person_from_its_true_one():
    data = dataset([annotation(1, 0, pair_person())])
    far, near = ([*xy[0], 1, *xy[1], 1] for xy in (pair_person(40), pair_person(1)))  # OKS 0.0003 and 0.995
    results = [{"image_id": 0, "keypoints": k, "score": s} for k, s in ((far, 0.9), (near, 0.2))]
    (match,) = scored(data, results, area="bbox", skeleton=PAIR).matches()
    assert match.score == 0.2
    (match,) = scored(data, results[:1], area="bbox", skeleton=PAIR).matches()  # bad, but not missing
    assert match.oks == pytest.approx(math.exp(-1600 / 0.01 / 10000 / 2))


def test_per_posture_numbers_are_those_of_the_posture_alone():
    data = random_dataset(2, n_images=16)
    for image in data["images"]:
        image["posture"] = ("Supine", "Prone", "")[image["id"] % 3]
    results = random_results(data, 2)
    postures = scored(data, results).details()["posture"]
    assert list(postures) == ["Prone", "Supine"]
    for rest, posture in enumerate(("Supine", "Prone")):
        ids = {image["id"] for image in data["images"] if image["id"] % 3 == rest}
        part = {**data, "images": [i for i in data["images"] if i["id"] in ids],
                "annotations": [a for a in data["annotations"] if a["image_id"] in ids]}  # fmt: skip
        expected = raw_pycocotools(part, [r for r in results if r["image_id"] in ids])
        assert postures[posture]["n"] == len(ids)
        numbers = [postures[posture][name] for name in METRIC_NAMES]
        np.testing.assert_allclose(numbers, expected, rtol=0, atol=1e-12)


def test_missing_prediction_by_hand():
    data = dataset([annotation(i + 1, i, pair_person()) for i in range(4)])
    evaluator = CocoEvaluator(data, "bbox", PAIR)
    evaluator.add([0, 1, 3], [pair_person()] * 3, np.full((3, 2), 0.9))
    assert evaluator.summarize()["AR"] == 0.75
    assert evaluator.summarize()["AP"] == pytest.approx(76 / 101)  # recall points 0 ... 0.75
    assert evaluator.details()["pck"]["0.2"]["mean"] == 0.75
    assert [entry["image_id"] for entry in evaluator.details()["images"]][-1] == 2


def test_faulty_results_name_their_file(tmp_path):
    path = tmp_path / "r.json"
    path.write_text(json.dumps([{"image_id": 77, "keypoints": [0] * 51, "score": 1}]))
    with pytest.raises(
        DataError, match=r"results file .*r\.json has 1 fault: result at index 0 \(image_id 77\)"
    ):
        CocoEvaluator(random_dataset()).load_results(path)


def test_500_pictures_take_less_than_a_second():
    rng = np.random.default_rng(0)
    annotations = [annotation(i + 1, i, rng.uniform(0, 200, (17, 2)), area=9e3 + i) for i in range(500)]
    evaluator = CocoEvaluator(dataset(annotations))
    xy = np.reshape([a["keypoints"] for a in annotations], (500, 17, 3))[..., :2] + rng.normal(
        0, 5, (500, 17, 2)
    )
    start = time.process_time()
    evaluator.add(range(500), xy, rng.uniform(size=(500, 17)))
    evaluator.summarize()
    assert time.process_time() - start < 1
