"""CocoEvaluator: equality with pycocotools, its traps, and the object area."""

import copy
import json
import logging
import math

import numpy as np
import pytest
from coco_data import (
    PAIR,
    annotation,
    dataset,
    pair_person,
    perfect,
    random_dataset,
    random_results,
    raw_pycocotools,
    refused,
    scored,
)

from fidip.errors import ConfigError
from fidip.evaluation import CocoEvaluator
from fidip.evaluation.results import METRIC_NAMES
from fidip.skeleton import Skeleton


@pytest.fixture
def warnings(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("fidip"), "propagate", True)
    caplog.set_level(logging.WARNING, logger="fidip")
    return lambda: [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("seed", range(4))
def test_equals_plain_cocoeval(seed, tmp_path, capsys):
    data = random_dataset(seed)
    results = random_results(data, seed)
    (tmp_path / "gt.json").write_text(json.dumps(data))
    (tmp_path / "results.json").write_text(json.dumps(results))
    evaluator = CocoEvaluator(tmp_path / "gt.json")
    evaluator.load_results(tmp_path / "results.json")
    summary = evaluator.summarize()
    expected = raw_pycocotools(data, results)
    assert list(summary) == list(METRIC_NAMES)
    np.testing.assert_allclose(list(summary.values()), expected, rtol=0, atol=1e-12)
    assert 0.1 < summary["AP"] < 0.95
    assert evaluator.n_images == 12
    assert capsys.readouterr().out == ""


def test_boxes_of_results_count_like_in_cocoeval():
    """An unmatched detection is ignored outside an area range, by the area of its box if it has one."""
    data = random_dataset(3)
    results = [{**r, "bbox": [0.0, 0.0, 50.0, 40.0]} for r in random_results(data, 3, noise=30)]
    without = raw_pycocotools(data, [{k: v for k, v in r.items() if k != "bbox"} for r in results])
    expected = raw_pycocotools(data, results)
    assert abs(expected - without).max() > 0.01
    np.testing.assert_allclose(list(scored(data, results).summarize().values()), expected, rtol=0, atol=1e-12)
    del results[-1]["bbox"]  # boxes on some results only are not used
    np.testing.assert_allclose(list(scored(data, results).summarize().values()), without, rtol=0, atol=1e-12)


def test_annotation_id_0_is_not_a_miss(warnings):
    data = random_dataset(0, first_id=0)
    results = perfect(data)
    summary = scored(data, results).summarize()
    assert [summary["AP"], summary["AR"]] == pytest.approx([1, 1], abs=1e-12)
    persons = len(results)
    assert raw_pycocotools(data, results)[5] == pytest.approx((persons - 1) / persons, abs=1e-12)  # AR
    assert raw_pycocotools(data, results)[0] < 1
    (message,) = warnings()
    assert "1 with id 0, which COCOeval reads as 'unmatched'" in message
    assert f"of {len(data['annotations'])} annotations" in message
    assert "all ids are renumbered from 1" in message


def test_repeated_and_missing_annotation_ids(warnings):
    data = random_dataset(0)
    results = perfect(data)
    data["annotations"][3]["id"] = data["annotations"][4]["id"]
    del data["annotations"][6]["id"]
    assert scored(data, results).summarize()["AP"] == pytest.approx(1, abs=1e-12)
    missing, repeated = warnings()
    assert "1 of 23 annotations have no id" in missing and "2 with an id that is used twice" in repeated


def test_messages_can_name_the_file_that_a_dict_came_from(warnings):
    CocoEvaluator(random_dataset(first_id=0), source="annotation file a.json")
    assert warnings()[0].startswith("annotation file a.json: of ")


def test_sound_files_raise_no_warning(warnings):
    CocoEvaluator(random_dataset())
    CocoEvaluator(dataset([annotation(1, 0, pair_person())]), skeleton=PAIR)
    assert warnings() == []


def test_the_given_dict_is_not_changed():
    data = random_dataset(0, first_id=0)
    results = random_results(data)
    before = copy.deepcopy((data, results))
    scored(data, results, area="bbox").details()
    assert (data, results) == before


@pytest.mark.parametrize(
    ("area", "oks", "ap"), [("annotation", math.exp(-0.125), 0.8), ("bbox", math.exp(-0.5), 0.3),
                            ("keypoints", math.exp(-1.25), 0.0)]
)  # fmt: skip
def test_area_modes_by_hand(area, oks, ap):
    """Both joints 10 px off: e = 100 / 0.01 / area / 2 with area 40000, 100 x 100, and 50 x 80 px^2.

    OKS 0.88 passes COCO's thresholds 0.50 ... 0.85 (8 of 10), 0.61 passes 3, 0.29 none.
    """
    evaluator = CocoEvaluator(dataset([annotation(1, 0, pair_person(), area=40000.0)]), area, PAIR)
    evaluator.add([0], pair_person(10)[None], [[0.9, 0.9]])
    assert evaluator.matches()[0].oks == pytest.approx(oks, abs=1e-12)
    assert evaluator.summarize()["AP"] == pytest.approx(ap, abs=1e-12)


def test_joints_without_extent_take_the_box():
    line = [[20.0, 30.0], [70.0, 30.0]]
    single = [[20.0, 30.0, 2.0], [0.0, 0.0, 0.0]]
    data = dataset([annotation(1, 0, line), annotation(2, 1, single), annotation(3, 2, pair_person())])
    evaluator = CocoEvaluator(data, "keypoints", PAIR)
    assert [a["area"] for a in evaluator.truth.anns.values()] == [10000, 10000, 4000]


def test_only_labelled_joints_span_the_area():
    three = Skeleton("three", ("a", "b", "c"), (), (0.05,) * 3, (), ())
    keypoints = [[20, 30, 2], [70, 110, 1], [900, 900, 0]]
    evaluator = CocoEvaluator(dataset([annotation(1, 0, keypoints)]), "keypoints", three)
    assert evaluator.truth.anns[1]["area"] == 4000


def test_unknown_area():
    with pytest.raises(ConfigError, match="area 'mask' is unknown; choose from annotation, bbox, keypoints"):
        CocoEvaluator(random_dataset(), area="mask")


@pytest.mark.parametrize(("area", "effect"), [(130000.0, "13 times"), (1000.0, "0.1 times")])
def test_one_area_for_all_is_told(area, effect, warnings):
    data = dataset([annotation(i + 1, i, pair_person(), area=area) for i in range(3)])
    CocoEvaluator(data, skeleton=PAIR)
    (message,) = warnings()
    assert "annotation dict: of 3 annotations all have the same area" in message
    assert effect in message
    assert ("inflates AP" if area > 10000 else "deflates AP") in message
    assert "TEST.AREA bbox" in message


def test_a_few_areas_for_most_are_told(warnings):
    areas = [1e5] * 3 + [2e5] * 2 + [3e5, 4e5, 5e5, 6e5]  # 5 of 9 share two areas
    CocoEvaluator(
        dataset([annotation(i + 1, i, pair_person(), area=a) for i, a in enumerate(areas)]), skeleton=PAIR
    )
    (message,) = warnings()
    assert "of 9 annotations" in message and "inflates AP" in message


@pytest.mark.parametrize("areas", [[1e5, 2e5, 3e5], [1e5] * 2 + [2e5] * 2 + [3e5 + i for i in range(4)]])
def test_differing_areas_are_not_told(areas, warnings):
    CocoEvaluator(
        dataset([annotation(i + 1, i, pair_person(), area=a) for i, a in enumerate(areas)]), skeleton=PAIR
    )
    assert warnings() == []


def test_constant_area_does_not_matter_in_other_modes(warnings):
    data = dataset([annotation(i + 1, i, pair_person(), area=7.0) for i in range(3)])
    CocoEvaluator(data, "bbox", PAIR)
    assert warnings() == []


@pytest.mark.parametrize(
    ("area", "words"),
    [
        ("missing", "has no area"),
        (None, "has no area"),
        (-1, "has the area -1"),
        (0, "has the area 0"),
        (float("nan"), "has no area"),
    ],
)
def test_missing_area(area, words):
    data = random_dataset()
    data["annotations"][1]["area"] = area
    if area == "missing":
        del data["annotations"][1]["area"]
    message = refused(data)
    assert f"annotation 2 (index 1) {words}" in message
    assert "score with TEST.AREA bbox" in message
    CocoEvaluator(data, area="bbox")


def test_unlabelled_joints_do_not_count_wherever_they_lie():
    off = [[20.0, 30.0, 2.0], [70.0, 500.0, 0.0]]
    evaluator = CocoEvaluator(dataset([annotation(1, 0, off)]), "bbox", PAIR)
    evaluator.add([0], pair_person()[None], [[0.9, 0.9]])
    assert evaluator.summarize()["AP"] == pytest.approx(1, abs=1e-12)
