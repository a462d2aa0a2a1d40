"""Each fault of the labels, planted alone, is found alone."""

import json

import pytest
from audit_data import FAULTS, annotation_path, audit, clean_split, found, move, only, records, save

from fidip.audit import as_json
from fidip.errors import DataError


def test_clean_splits_have_no_finding(tmp_path):
    clean_split(tmp_path, "train", 8)
    clean_split(tmp_path, "val", 8, seed=1)
    result = audit(tmp_path, "train", "val")
    assert result.findings == ()
    assert as_json(result)["clean"] is True


@pytest.mark.parametrize(("kind", "plant", "places", "text"), FAULTS)
def test_planted_fault_is_found_alone(tmp_path, kind, plant, places, text):
    content = clean_split(tmp_path)
    plant(content)
    save(tmp_path, "train", content)
    finding = only(audit(tmp_path), kind)
    assert records(finding) == places
    assert text in finding.message


def test_joints_in_question_are_named(tmp_path):
    content = clean_split(tmp_path)
    move(content["annotations"][0], 9, 200, 60)
    move(content["annotations"][0], 16, 80, -4)
    save(tmp_path, "train", content)
    assert only(audit(tmp_path), "joint_outside_picture").places[0].joints == (9, 16)


def test_slack_of_one_pixel_and_unlabelled_joints_are_no_fault(tmp_path):
    content = clean_split(tmp_path)
    content["annotations"][0].update(bbox=[0, 0, 160, 120], area=9000.0)
    move(content["annotations"][0], 9, 160, 60)  # one pixel right of the last pixel centre, 159
    move(content["annotations"][1], 9, 500, 500)
    content["annotations"][1]["keypoints"][29] = 0
    content["annotations"][1]["num_keypoints"] = 16
    save(tmp_path, "train", content)
    assert found(audit(tmp_path)) == []


@pytest.mark.parametrize("equal", [4, 6, 8])
def test_constant_area_is_found_when_most_share_few_values(tmp_path, equal):
    content = clean_split(tmp_path, count=8)
    small = min(annotation["area"] for annotation in content["annotations"])
    for number, annotation in enumerate(content["annotations"][:equal]):
        annotation["area"] = small * (0.8 if number % 2 else 0.7)
    save(tmp_path, "train", content)
    result = audit(tmp_path)
    if equal <= 4:  # half of the persons is not most of them
        assert result.findings == ()
        return
    finding = only(result, "area_constant")
    assert len(finding.places) == equal
    assert f"8 persons have {2 + 8 - equal} different areas" in finding.message


def test_equal_boxes_may_share_an_area(tmp_path):
    content = clean_split(tmp_path)
    for annotation in content["annotations"]:
        annotation.update(bbox=[0, 0, 160, 120], area=9600.0)
    save(tmp_path, "train", content)
    assert found(audit(tmp_path)) == []


def test_persons_without_labels_need_no_area(tmp_path):
    content = clean_split(tmp_path)
    content["annotations"][0].update(keypoints=[0] * 51, num_keypoints=0, area=0)
    save(tmp_path, "train", content)
    result = audit(tmp_path)
    assert found(result) == []
    assert result.composition["train"].unlabelled == 1


def test_other_categories_are_no_persons(tmp_path):
    content = clean_split(tmp_path)
    content["categories"].append({"id": 2, "name": "toy"})
    content["annotations"].append({"id": 50, "image_id": 1, "category_id": 2, "bbox": [1, 1, 5, 5]})
    save(tmp_path, "train", content)
    assert found(audit(tmp_path)) == []


def test_ignored_kinds_are_left_out(tmp_path):
    content = clean_split(tmp_path)
    content["annotations"][2].update(id=0)
    content.pop("info")
    save(tmp_path, "train", content)
    assert found(audit(tmp_path, ignore=["annotation_id_zero"])) == [("info_missing", ("train",))]


@pytest.mark.parametrize("text", ["[]", '{"images": []}', '{"images": [], "annotations": {}}', "{"])
def test_unusable_file_is_an_error(tmp_path, text):
    clean_split(tmp_path)
    annotation_path(tmp_path, "train").write_text(text)
    with pytest.raises(DataError, match=r"person_keypoints_train\.json"):
        audit(tmp_path)


def test_json_names_every_record(tmp_path):
    content = clean_split(tmp_path)
    move(content["annotations"][3], 9, 200, 60)
    save(tmp_path, "train", content)
    report = json.loads(json.dumps(as_json(audit(tmp_path)), allow_nan=False))
    place = {"split": "train", "file_name": "train00003.png", "image_id": 4, "annotation_id": 4,
             "annotation_index": 3, "joints": ["left_wrist"]}  # fmt: skip
    assert [finding["places"] for finding in report["findings"]] == [[place]]
    assert report["counts"] == [{"kind": "joint_outside_picture", "splits": ["train"], "findings": 1,
                                 "pictures": 1, "level": "fault"}]  # fmt: skip
    assert report["splits"]["train"]["pictures"] == 4
