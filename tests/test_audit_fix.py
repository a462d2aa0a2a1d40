"""Corrected splits: what is changed, what is said of it, and that an audit of the result is clean."""

import copy
import json

import numpy as np
import pytest
from audit_data import FAULTS, annotation_path, audit, clean_split, picture, save

from fidip.annotations import check_annotations
from fidip.audit import DROPPABLE, fix_split, recheck, tied_pictures, write_fixed
from fidip.data.records import find_split, load_records, read_split
from fidip.errors import ConfigError, DataError
from fidip.skeleton import COCO17


def faulty_split(root):
    """Every fault that is corrected without being asked: pictures 0 to 3 stay, 4 to 6 go."""
    content = clean_split(root, count=7)
    persons = content["annotations"]
    content.pop("info")
    persons[0].update(id=0, num_keypoints=3)
    persons[1].update(id=3, bbox=[-4, 5, 100, 200])
    persons[3].pop("id")
    persons[3]["keypoints"][:2] = [300, 20]
    for person, area in zip(persons, [5, 5, 5, 5, 9, 9, 9], strict=True):
        person["area"] = area
    persons[4].pop("bbox")
    persons[5].update(bbox=[500, 5, 20, 20])
    picture(root, content, 6).unlink()
    content["annotations"].append("nothing")
    return save(root, "train", content)


def test_everything_that_can_be_corrected_is(tmp_path):
    original = faulty_split(tmp_path)
    result = audit(tmp_path)
    before = copy.deepcopy(result.splits[0].data)
    fixed = fix_split(result, "train", grow_boxes=True)
    assert result.splits[0].data == before
    assert [image["id"] for image in fixed.data["images"]] == [1, 2, 3, 4]
    persons = fixed.data["annotations"]
    assert [person["id"] for person in persons] == [1, 2, 3, 4]
    assert [person["image_id"] for person in persons] == [1, 2, 3, 4]
    assert [person["num_keypoints"] for person in persons] == [17, 17, 17, 16]
    for person in persons:
        x, y, width, height = person["bbox"]
        assert min(x, y) >= 0
        assert x + width <= 160
        assert y + height <= 120
        assert person["area"] == pytest.approx(width * height)
    assert persons[0]["bbox"] == original["annotations"][0]["bbox"]
    assert persons[3]["keypoints"][:3] == [0, 0, 0]
    assert recheck(result, "train", fixed) == []
    assert fixed.counts() == {
        "picture_left_out": 3, "person_left_out": 3, "joint_unlabelled": 1, "box_grown": 1, "box_clipped": 1,
        "area_replaced": 4, "num_keypoints_counted": 2, "id_renumbered": 3, "info_added": 1,
    }  # fmt: skip
    reasons = {
        c.record: c.message for c in fixed.changes if c.kind in ("picture_left_out", "person_left_out")
    }
    assert reasons == {
        "train00004.png": "none of its persons can be used",
        "train00004.png (annotation 5)": "broken record",
        "train00005.png": "none of its persons can be used",
        "train00005.png (annotation 6)": "its box lies wholly outside the picture",
        "train00006.png": "picture_missing: missing",
        "annotation at index 7": "it has no picture",
    }


def test_written_file_passes_the_strict_reader_and_a_new_audit(tmp_path):
    faulty_split(tmp_path)
    result = audit(tmp_path)
    fixed = fix_split(result, "train", grow_boxes=True)
    write_fixed(annotation_path(tmp_path, "good"), fixed, result.splits[0], "hardlink")
    assert audit(tmp_path, "good").findings == ()
    split = find_split("good", tmp_path)
    assert len(load_records(split, read_split(split, COCO17), COCO17)) == 4


@pytest.mark.parametrize(("kind", "plant", "places", "text"), FAULTS)
def test_every_planted_fault_is_corrected_or_left_out(tmp_path, kind, plant, places, text):
    content = clean_split(tmp_path)
    plant(content)
    save(tmp_path, "train", content)
    result = audit(tmp_path)
    fixed = fix_split(result, "train", drop=DROPPABLE, grow_boxes=True)
    assert recheck(result, "train", fixed) == []
    assert len(fixed.data["images"]) >= 3
    assert fixed.changes


def test_clean_split_is_not_changed(tmp_path):
    content = clean_split(tmp_path)
    fixed = fix_split(audit(tmp_path), "train", grow_boxes=True)
    assert fixed.changes == []
    assert fixed.data == json.loads(json.dumps(content))


def test_right_areas_stay_unless_most_are_wrong(tmp_path):
    content = clean_split(tmp_path)
    right = [0.6 * annotation["area"] for annotation in content["annotations"]]
    for annotation, area in zip(content["annotations"], right, strict=True):
        annotation["area"] = area
    content["annotations"][1]["area"] = 1e6
    save(tmp_path, "train", content)
    box = content["annotations"][1]["bbox"]
    fixed = fix_split(audit(tmp_path), "train")
    areas = [annotation["area"] for annotation in fixed.data["annotations"]]
    assert areas == [right[0], pytest.approx(box[2] * box[3]), *right[2:]]


def test_several_crowds_and_other_categories_are_kept(tmp_path):
    content = clean_split(tmp_path)
    content["annotations"].insert(
        0, {"id": 7, "image_id": 1, "category_id": 1, "iscrowd": 1, "bbox": [1, 1, 9, 9]}
    )
    content["categories"].append({"id": 2, "name": "toy"})
    content["annotations"].append({"id": 8, "image_id": 2, "category_id": 2, "bbox": [1, 1, 5, 5]})
    save(tmp_path, "train", content)
    fixed = fix_split(audit(tmp_path), "train")
    assert [annotation["id"] for annotation in fixed.data["annotations"]] == [1, 2, 3, 4, 5, 6]
    assert fixed.counts() == {"id_renumbered": 6}


def joined_splits(root):
    """val: 0 has train's source, 1 train's bytes, 2 the source of 1, 3 the bytes of 2 alone, 4 and 5 are free."""
    train = clean_split(root, "train")
    val = clean_split(root, "val", 6, seed=1)
    val["images"][0]["image_source"] = train["images"][2]["image_source"]
    picture(root, val, 1, "val").write_bytes(picture(root, train, 3).read_bytes())
    val["images"][2]["image_source"] = val["images"][1]["image_source"]
    picture(root, val, 3, "val").write_bytes(picture(root, val, 2, "val").read_bytes())
    picture(root, val, 5, "val").write_bytes(picture(root, val, 4, "val").read_bytes())
    save(root, "val", val)
    return audit(root, "train", "val")


def test_disjoint_split_leaves_out_what_is_tied_to_others(tmp_path):
    result = joined_splits(tmp_path)
    assert tied_pictures(result, "val", ["train"]) == {
        0: "its source https://example.org/train/3 is in train too",
        1: "its bytes are those of train/train00003.png",
        2: "it is tied to train through pictures of its own split",
        3: "it is tied to train through pictures of its own split",
    }
    assert tied_pictures(result, "train", ["val"]).keys() == {2, 3}
    fixed = fix_split(result, "val", ["train"])
    assert [image["id"] for image in fixed.data["images"]] == [5, 6]
    assert [finding.kind for finding in recheck(result, "val", fixed, ["train"])] == ["duplicate_within"]
    fixed = fix_split(result, "val", ["train"], ["duplicate_within"])
    assert [image["id"] for image in fixed.data["images"]] == [5]
    assert recheck(result, "val", fixed, ["train"]) == []


def test_of_duplicates_one_stays_that_nothing_else_leaves_out(tmp_path):
    content = clean_split(tmp_path)
    for index in (1, 2):
        picture(tmp_path, content, index).write_bytes(picture(tmp_path, content, 0).read_bytes())
    content["annotations"].append({**content["annotations"][0], "id": 9})
    save(tmp_path, "train", content)
    fixed = fix_split(audit(tmp_path), "train", drop=["duplicate_within", "several_persons"])
    assert [image["id"] for image in fixed.data["images"]] == [2, 4]
    assert {c.record: c.message for c in fixed.changes if c.kind == "picture_left_out"} == {
        "train00000.png": "several_persons: 2 persons",
        "train00002.png": "duplicate_within: 3 files with the same bytes",
    }


def test_boxes_grow_only_when_asked(tmp_path):
    content = clean_split(tmp_path)
    box = content["annotations"][0]["bbox"]
    content["annotations"][0]["bbox"] = [box[0] + 20, box[1], box[2] - 20, box[3]]
    content["annotations"][0]["area"] *= 0.5
    save(tmp_path, "train", content)
    result = audit(tmp_path)
    assert [finding.kind for finding in recheck(result, "train", fix_split(result, "train"))] == [
        "joint_outside_box"
    ]
    fixed = fix_split(result, "train", grow_boxes=True)
    assert recheck(result, "train", fixed) == []
    joints = np.reshape(content["annotations"][0]["keypoints"], (17, 3))
    assert fixed.data["annotations"][0]["bbox"][0] == pytest.approx(joints[:, 0].min())


def test_misuse_is_refused(tmp_path):
    clean_split(tmp_path)
    result = audit(tmp_path)
    with pytest.raises(ConfigError, match="cannot drop area_constant"):
        fix_split(result, "train", drop=["area_constant"])
    for wrong in ("val", "Train"):
        with pytest.raises(DataError, match=f"{wrong!r} is not among those audited: train"):
            fix_split(result, wrong)
        with pytest.raises(DataError, match="not among those audited"):
            fix_split(result, "train", [wrong])
    fixed = fix_split(result, "train")
    with pytest.raises(DataError, match="under another name"):
        write_fixed(annotation_path(tmp_path, "train"), fixed, result.splits[0])
    with pytest.raises(DataError, match="no place for pictures"):
        write_fixed(tmp_path / "labels.json", fixed, result.splits[0], "copy")
    write_fixed(tmp_path / "labels.json", fixed, result.splits[0])
    assert check_annotations(json.loads((tmp_path / "labels.json").read_text()), "labels.json")


def test_disjoint_from_itself_is_refused(tmp_path):
    clean_split(tmp_path)
    with pytest.raises(ConfigError, match="from itself"):
        fix_split(audit(tmp_path), "train", ["train"])
