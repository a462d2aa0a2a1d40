import json

import cv2
import numpy as np
import pytest
from synth_fit import coco_file, spread_out

from fidip.errors import DataError
from fidip.skeleton import COCO17
from infantsynth.fit.keypoints import LAYOUTS, ignored_joints, parse_joints, read_subjects, to_coco17

BODY_25 = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist", "mid_hip",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye", "left_eye", "right_ear",
    "left_ear", "left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel",
)  # fmt: skip


@pytest.fixture
def person():
    rng = np.random.default_rng(0)
    return np.concatenate([rng.uniform(10, 90, (17, 2)), np.ones((17, 1))], axis=1)


def picture(path, size=(100, 120)):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((size[1], size[0], 3), 200, np.uint8))


def openpose(folder, name, *people):
    folder.mkdir(parents=True, exist_ok=True)
    content = {"version": 1.3, "people": [{"pose_keypoints_2d": p.ravel().tolist()} for p in people]}
    (folder / f"{name}_keypoints.json").write_text(json.dumps(content))


def test_layouts_name_the_same_joints():
    for layout in (19, 25):
        assert tuple(BODY_25[i] for i in LAYOUTS[layout]) == COCO17.names
    assert all(len(set(order)) == 17 and max(order) < count for count, order in LAYOUTS.items())


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_every_layout_becomes_coco(person, layout):
    np.testing.assert_array_equal(to_coco17(spread_out(person, layout)), person)


def test_unknown_layout_is_refused():
    with pytest.raises(DataError, match="21 joints"):
        to_coco17(np.zeros((21, 3)))


def test_ignored_joints_are_the_published_ones():
    left_out = [name for name, out in zip(COCO17.names, ignored_joints([1, 9, 12]), strict=True) if out]
    assert left_out == ["left_hip", "right_hip"]
    with pytest.raises(DataError, match="0 to 24"):
        ignored_joints([25])


def test_flags_and_confidences_become_weights():
    flat = [1.0, 2.0, 0, 3, 4, 1, 5, 6, 2] + [7, 8, 2] * 14
    np.testing.assert_array_equal(parse_joints(flat, True)[:3, 2], (0, 0.5, 1))
    flat = [1.0, 2.0, 0.25, 3, 4, 1.7, 5, 6, -1] + [7, 8, 1] * 14
    np.testing.assert_array_equal(parse_joints(flat, False)[:3, 2], (0.25, 1, 0))


@pytest.mark.parametrize("values", [None, [1, 2], [1.0] * 50, ["a"] * 51, [float("nan")] * 51, [1.0] * 21])
def test_odd_numbers_are_refused(values):
    with pytest.raises(DataError):
        parse_joints(values, False)


def test_coco_file_is_read(tmp_path, person):
    path = coco_file(tmp_path / "a.json", np.stack([person, person + 1]), size=(100, 120))
    first, second = read_subjects(path, tmp_path)
    np.testing.assert_allclose(first.keypoints[:, :2], person[:, :2])
    np.testing.assert_array_equal(second.keypoints[:, 2], 1)
    assert (first.name, first.person, first.size, first.fault) == ("baby0", 0, (100, 120), "")
    assert first.posture == "supine" and first.image is None


def test_broken_records_become_faults(tmp_path, person):
    changes = {"a0": {"keypoints": [1, 2]}, "a1": {"image_id": 77}, "a2": {"keypoints": None}}
    path = coco_file(tmp_path / "a.json", np.stack([person] * 4), **changes)
    subjects = read_subjects(path, tmp_path)
    assert [bool(s.fault) for s in subjects] == [True, True, True, False]
    assert "instead of 51" in subjects[0].fault and "77" in subjects[1].fault


def test_several_persons_and_the_limit(tmp_path, person):
    path = coco_file(tmp_path / "a.json", np.stack([person] * 3), a1={"image_id": 1}, a2={"image_id": 1})
    assert [s.person for s in read_subjects(path, tmp_path)] == [0, 1, 2]
    assert [s.person for s in read_subjects(path, tmp_path, max_persons=2)] == [0, 1]


def test_openpose_folder(tmp_path, person):
    openpose(tmp_path / "keypoints", "one", spread_out(person, 25), spread_out(person + 2, 25))
    openpose(tmp_path / "keypoints", "empty")
    openpose(tmp_path / "keypoints", "lonely", spread_out(person, 25))
    (tmp_path / "keypoints" / "cut_keypoints.json").write_text("{")
    for name in ("one", "empty", "cut"):
        picture(tmp_path / "images" / f"{name}.png")
    found = {(s.name, s.person): s for s in read_subjects(tmp_path / "keypoints", tmp_path / "images")}
    assert found["one", 0].size == (100, 120) and not found["one", 0].fault
    np.testing.assert_allclose(found["one", 1].keypoints[:, :2], person[:, :2] + 2)
    assert "no person" in found["empty", 0].fault and "not valid JSON" in found["cut", 0].fault
    assert "size of the image" in found["lonely", 0].fault


def test_published_19_joint_file(tmp_path, person):
    flags = spread_out(person, 19)
    flags[:, 2] = 2
    flags[1, 2] = 1
    (tmp_path / "keypoints").mkdir()
    (tmp_path / "keypoints" / "46_keypoints.json").write_text(
        json.dumps({"annotations": flags.ravel().tolist()})
    )
    picture(tmp_path / "images" / "46.jpg")
    (subject,) = read_subjects(tmp_path / "keypoints", tmp_path / "images")
    np.testing.assert_allclose(subject.keypoints, person)
    assert subject.image == tmp_path / "images" / "46.jpg"


def test_names_stay_inside_the_output_and_apart(tmp_path, person):
    path = coco_file(tmp_path / "a.json", np.stack([person] * 3))
    content = json.loads(path.read_text())
    for image, name in zip(content["images"], ("../../x.jpg", "a/b.jpg", "a/b.png"), strict=True):
        image["file_name"] = name
    path.write_text(json.dumps(content))
    names = [s.name for s in read_subjects(path, tmp_path)]
    assert names[0] == "x" and len(set(names)) == 3 and not any("/" in name or ".." in name for name in names)


@pytest.mark.parametrize("content", ["{", "[]", '{"images": []}', '{"images": [], "annotations": []}'])
def test_file_without_keypoints_is_refused(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(DataError):
        read_subjects(tmp_path / "a.json", tmp_path)


def test_missing_keypoints_are_refused(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_subjects(tmp_path / "none.json", tmp_path)
