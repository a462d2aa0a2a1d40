"""Left and right, spread of poses, and what splits are made of."""

import numpy as np
import pytest
from audit_data import audit, clean_split, found, only, save
from figures import POSE

from fidip.audit.diversity import align
from fidip.audit.sides import LINES, SWAPS, contradictions
from fidip.audit.torso import cross, measure_torsos, pair
from fidip.skeleton import COCO17


def person(pose=POSE):
    return np.column_stack([pose * 100, np.full(17, 2.0)])


def swap(keypoints, *names):
    swapped = keypoints.copy()
    for name in names:
        left, right = pair(COCO17, name)
        swapped[[left, right]] = swapped[[right, left]]
    return swapped


def rules(keypoints, posture="Prone"):
    """Names of the rules that one person breaks."""
    return {rule for rule, mask in contradictions(keypoints[None], [posture], COCO17).items() if mask[0]}


EXPECTED = {
    "eyes": {("lines", "eye", "ear"), ("lines", "eye", "shoulder")},
    "ears": {("lines", "eye", "ear"), ("lines", "ear", "shoulder")},
    "head": {("lines", "ear", "shoulder"), ("lines", "eye", "shoulder")},
    "shoulders and arms": {("lines", "shoulder", "hip"), ("lines", "ear", "shoulder"), ("lines", "eye", "shoulder")},
    "elbows and wrists": {("limbs", "shoulder", "elbow")},
    "wrists": {("limbs", "elbow", "wrist")},
    "hips and legs": {("lines", "shoulder", "hip")},
    "knees and ankles": {("limbs", "hip", "knee")},
    "ankles": {("limbs", "knee", "ankle")},
    "whole body": set(),
}  # fmt: skip


@pytest.mark.parametrize("turn", [0, 90, 200])
@pytest.mark.parametrize("swapped", SWAPS)
def test_planted_swap_breaks_the_rules_it_should(swapped, turn):
    angle = np.deg2rad(turn)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    pose = POSE - [0, 0.02] * (np.arange(17) >= 13)[:, None]  # shins somewhat shorter
    keypoints = person(pose @ rotation.T)
    assert rules(keypoints) == set()
    assert rules(swap(keypoints, *SWAPS[swapped])) == EXPECTED[swapped]


def test_supine_infant_shows_its_chest():
    mirrored = swap(person(), *SWAPS["whole body"])
    assert rules(person(), "Supine") == rules(mirrored, "Prone") == set()
    assert rules(mirrored, "supine") == {("supine", "shoulder", "hip")}


def test_short_lines_have_no_direction():
    keypoints = person()
    for joint in ("shoulder", "hip"):  # seen from the side
        indices = pair(COCO17, joint)
        middle = keypoints[indices, :2].mean(axis=0)
        keypoints[indices, :2] = middle + (keypoints[indices, :2] - middle) * 0.2
    assert rules(swap(keypoints, "shoulder")) & {("lines", *line[:2]) for line in LINES} == set()


def test_unlabelled_joints_contradict_nothing():
    keypoints = swap(person(), "elbow", "wrist", "eye")
    keypoints[pair(COCO17, "elbow")[0], 2] = keypoints[pair(COCO17, "eye")[1], 2] = 0
    assert rules(keypoints) == set()


def test_swapped_person_is_found_alone_and_rates_are_told(tmp_path):
    content = clean_split(tmp_path, count=6)
    annotation = content["annotations"][2]
    keypoints = swap(np.reshape(annotation["keypoints"], (17, 3)), "elbow", "wrist")
    annotation["keypoints"] = keypoints.ravel().tolist()
    save(tmp_path, "train", content)
    result = audit(tmp_path)
    finding = only(result, "swapped_sides")
    assert finding.message == "elbows fit better when swapped"
    assert [(place.image, place.joints) for place in finding.places] == [(2, (5, 6, 7, 8))]
    rates = result.detection["train"]
    assert rates.keys() == SWAPS.keys()
    assert rates["shoulders and arms"] == rates["elbows and wrists"] == 1.0
    # every second infant is supine; no other rule sees a whole body that is swapped: 2 of the 5 others
    assert rates["whole body"] == pytest.approx(2 / 5)


def test_torso_and_cross_product():
    torsos = measure_torsos(person()[None], COCO17)
    np.testing.assert_allclose(torsos.center, [[50, 43]])
    np.testing.assert_allclose(torsos.axis, [[0, 30]], atol=1e-12)
    assert torsos.length == pytest.approx([30])
    assert cross(np.array([1.0, 0]), np.array([0, 1.0])) == 1


def test_alignment_undoes_move_turn_and_scale():
    rng = np.random.default_rng(0)
    poses = np.stack([person()] * 5)
    for pose in poses:
        angle = rng.uniform(0, 2 * np.pi)
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        pose[:, :2] = pose[:, :2] @ rotation.T * rng.uniform(0.5, 3) + rng.uniform(-99, 99, 2)
    poses[0, 9, 2] = 0
    aligned, usable = align(poses, COCO17)
    expected = (POSE - [0.5, 0.43]) / 0.30
    assert usable.all()
    assert np.isnan(aligned[0, 9]).all()
    np.testing.assert_allclose(aligned[1:], np.stack([expected] * 4), atol=1e-9)


def test_torsos_seen_end_on_or_not_labelled_are_left_out():
    poses = np.stack([person()] * 3)
    poses[1, pair(COCO17, "hip"), 1] = poses[1, pair(COCO17, "shoulder"), 1] + 5
    poses[2, 11, 2] = 0
    assert align(poses, COCO17)[1].tolist() == [True, False, False]


def test_spread_is_the_distance_from_the_mean_position(tmp_path):
    content = clean_split(tmp_path, count=4)
    for number, annotation in enumerate(content["annotations"]):
        keypoints = person() + [20, 10, 0]
        keypoints[9, :2] += [[6, 0], [-6, 0], [0, 3], [0, -3]][number]
        annotation.update(keypoints=keypoints.ravel().tolist(), bbox=[20, 10, 100, 100], area=6000.0 + number)
    save(tmp_path, "train", content)
    result = audit(tmp_path)
    assert found(result) == []
    diversity = result.diversity["train"]
    expected = np.zeros(17)
    expected[9] = np.sqrt((36 + 36 + 9 + 9) / 4) / 30  # the torso is 30 px long
    np.testing.assert_allclose(diversity.spread, expected, atol=1e-9)
    assert diversity.overall == pytest.approx(expected.mean())
    assert (diversity.persons, diversity.left_out) == (4, 0)
    np.testing.assert_allclose(diversity.covariance[9], np.diag([18, 4.5]) / 900, atol=1e-9)


def test_split_without_persons(tmp_path):
    content = clean_split(tmp_path, count=2)
    save(tmp_path, "train", {**content, "annotations": []})
    result = audit(tmp_path)
    assert [kind for kind, _ in found(result)] == ["no_person", "no_person"]
    assert result.diversity["train"].overall is None
    assert result.detection["train"] == {}


def test_composition(tmp_path):
    content = clean_split(tmp_path, count=5, synthetic=lambda i: i > 1)
    clean_split(tmp_path, "wide", count=2, seed=3, size=(200, 100))
    content["images"][0]["posture"] = ""
    content["images"][1]["image_source"] = content["images"][2]["image_source"]
    content["annotations"].append({**content["annotations"][0], "id": 9, "iscrowd": 1})
    save(tmp_path, "train", content)
    result = audit(tmp_path, "train", "wide")
    assert found(result) == []
    train = result.composition["train"]
    assert (train.pictures, train.persons, train.crowds) == (5, 5, 1)
    assert (train.real, train.synthetic, train.unclear) == (2, 3, 0)
    assert train.postures == {"Supine": 2, "Prone": 2, "(none)": 1}
    assert (train.sources, train.unsourced, train.sizes) == (4, 0, 1)
    assert result.composition["wide"].width == (200, 200, 200)
