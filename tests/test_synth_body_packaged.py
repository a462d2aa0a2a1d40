"""The packaged bodies: sizes against the WHO's, left and right, regressors, regions, expressions, size of the files."""

from pathlib import Path

import numpy as np
import pytest
import torch

import infantsynth.body
from fidip.skeleton import COCO17
from infantsynth.body import load_body
from infantsynth.body.bake.proportions import edges_among, girth, head_girth, height, mass

DATA = Path(infantsynth.body.__file__).parent / "data"
# WHO child growth standards, between girls and boys: length m, mass kg, head circumference m
WHO = {0: (0.495, 3.25, 0.342), 3: (0.606, 6.1, 0.400), 6: (0.667, 7.6, 0.428), 12: (0.749, 9.25, 0.455)}


@pytest.fixture(scope="module")
def infant():
    return load_body("infant")


def at_rest(body, betas):
    still = torch.zeros(1, len(body.joint_names), 3), torch.zeros(1, 3)
    out = body(torch.as_tensor(betas)[None], *still)
    return out.vertices[0].double().numpy(), out.keypoints[0].double().numpy()


def head_of(body, vertices, keypoints):
    inside = sum(body.regions[name] for name in ("ears", "eyes", "mouth", "tongue"))
    head = body.skinning_weights[:, body.joint("head")].numpy() > 0.5
    skull = head & (inside < 0.3)
    eyes = keypoints[1:3, 2].mean()
    brow = eyes + 0.12 * (vertices[skull, 2].max() - eyes)
    return head_girth(vertices, edges_among(body.faces, skull), brow)


@pytest.mark.parametrize("months", WHO)
def test_median_infant_has_the_size_that_the_who_gives(infant, months):
    length, kilograms, head = WHO[months]
    vertices, keypoints = at_rest(infant, infant.months_to_betas(months))
    assert height(vertices) == pytest.approx(length, rel=0.01)
    assert mass(vertices, infant.faces) == pytest.approx(kilograms, rel=0.02)
    assert head_of(infant, vertices, keypoints) == pytest.approx(head, rel=0.02)


@pytest.mark.parametrize("months", [1, 6, 11])
def test_drawn_infants_spread_as_children_do(infant, months):
    rng = np.random.default_rng(0)
    bodies = [at_rest(infant, infant.months_to_betas(months, rng))[0] for _ in range(60)]
    median = at_rest(infant, infant.months_to_betas(months))[0]
    lengths = np.array([height(body) for body in bodies]) / height(median)
    masses = np.array([mass(body, infant.faces) for body in bodies]) / mass(median, infant.faces)
    # within two deviations of the WHO's children; months around this one are in it too
    assert np.abs(lengths - 1).max() < 0.20
    assert np.median(lengths) == pytest.approx(1, abs=0.02)
    assert 0.02 < lengths.std() < 0.06
    assert 0.06 < masses.std() < 0.20


def test_same_generator_gives_the_same_infant_and_ages_are_clipped(infant):
    first, second = (infant.months_to_betas(5, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(infant.months_to_betas(40), infant.months_to_betas(12))
    assert first.dtype == np.float32 and first.shape == (infant.num_betas,)


def test_adult_has_the_size_of_an_adult():
    adult = load_body("adult")
    vertices, keypoints = at_rest(adult, adult.months_to_betas(0))
    assert 1.6 < height(vertices) < 1.8
    assert 55 < mass(vertices, adult.faces) < 90
    assert 0.50 < head_of(adult, vertices, keypoints) < 0.62
    heights = [
        height(at_rest(adult, adult.months_to_betas(0, np.random.default_rng(seed)))[0]) for seed in range(30)
    ]
    assert 0.04 < np.std(heights) < 0.16


@pytest.mark.parametrize("name", ["infant", "adult"])
def test_left_is_plus_x_and_the_face_looks_to_minus_y(name):
    body = load_body(name)
    for joint, sideways in zip(body.joint_names, body.rest_joints[:, 0].tolist(), strict=True):
        side = np.sign(sideways) * (abs(sideways) > 1e-4)
        assert side == joint.startswith("left_") - joint.startswith("right_"), joint
    points = (body.keypoint_regressor @ body.template).numpy()
    extent = np.ptp(body.template[:, 2].numpy())
    for left, right in COCO17.flip_pairs:
        assert points[left, 0] > 0 > points[right, 0]
        np.testing.assert_allclose(points[left] * [-1, 1, 1], points[right], atol=2e-4 * extent)
    nose, ear, hip, ankle = (
        points[COCO17.names.index(n)] for n in ("nose", "left_ear", "left_hip", "left_ankle")
    )
    assert nose[1] < ear[1] - 0.02
    assert nose[2] > hip[2] > ankle[2]


@pytest.mark.parametrize("name", ["infant", "adult"])
def test_weights_and_regressor_are_partitions(name):
    body = load_body(name)
    for rows in (body.skinning_weights, body.keypoint_regressor):
        torch.testing.assert_close(rows.sum(dim=1), torch.ones(len(rows)), rtol=0, atol=1e-5)
        assert rows.min() >= 0
    assert all(-1 <= parent < joint for joint, parent in enumerate(body.parents))
    assert body.faces.min() == 0 and body.faces.max() == len(body.template) - 1


def test_keypoints_lie_where_annotators_click(infant):
    vertices, points = at_rest(infant, infant.months_to_betas(6))
    length = height(vertices)
    place = dict(zip(COCO17.names, points, strict=True))
    for name in ("nose", "left_eye", "right_eye", "left_ear", "right_ear"):
        assert np.linalg.norm(vertices - place[name], axis=1).min() < 0.012 * length, name
    ears = vertices[infant.regions["ears"] > 0.5]
    assert np.linalg.norm(ears - place["left_ear"], axis=1).min() < 0.01 * length
    joint = at_joint(infant, "left_hip")
    assert 0.008 * length < place["left_hip"][0] - joint[0] < 0.025 * length  # outside the femoral head
    for name in ("shoulder", "elbow", "wrist", "knee", "ankle"):
        assert np.linalg.norm(place[f"left_{name}"] - at_joint(infant, f"left_{name}")) < 0.05 * length, name


def at_joint(body, name):
    betas = torch.as_tensor(body.months_to_betas(6))
    return (body.rest_joints + body.joint_shapes @ betas)[body.joint(name)].numpy()


def test_regions_and_expressions(infant):
    assert {"lips", "ears", "eyelids", "nails", "toenails", "eyes", "mouth", "tongue"} <= set(infant.regions)
    for name, mask in infant.regions.items():
        assert mask.shape == (len(infant.template),) and 0 <= mask.min() < mask.max() <= 1, name
        inside = infant.parts[mask > 0.5]
        assert np.isin(inside, [0] if "nails" not in name else np.arange(2, 14)).all(), name
    assert infant.expression_names == ("eyes_closed", "mouth_open", "smile")
    still = torch.zeros(1, infant.num_betas), torch.zeros(1, 50, 3), torch.zeros(1, 3)
    plain = infant(*still).vertices
    for index in range(3):
        moved = (infant(*still, torch.eye(3)[index : index + 1]).vertices - plain).norm(dim=-1)[0]
        assert 0.002 < moved.max() < 0.03
        assert moved[torch.as_tensor(infant.parts != 0)].max() < 1e-3


def test_atlas_covers_every_face(infant):
    uv = infant.uv
    np.testing.assert_array_equal(uv.vertex[uv.faces], infant.faces)
    assert uv.coords.min() >= 0 and uv.coords.max() <= 1


def test_girth_of_a_ring_and_mass_of_a_box():
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    ring = np.stack([0.3 * np.cos(angle), 0.3 * np.sin(angle)], axis=1)
    tube = np.concatenate([np.c_[ring, np.zeros(400)], np.c_[ring, np.ones(400)]])
    edges = np.c_[np.arange(400), np.arange(400) + 400]
    assert girth(tube, edges, np.array([0, 0, 0.5]), np.array([0, 0, 1.0])) == pytest.approx(
        0.6 * np.pi, rel=1e-4
    )
    assert girth(tube, edges, np.array([0, 0, 2.0]), np.array([0, 0, 1.0])) == 0
    corner = np.array([[x, y, z] for x in (0, 0.1) for y in (0, 0.2) for z in (0, 0.3)])
    box = [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1]]
    box += [[2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]]
    assert mass(corner, np.array(box)) == pytest.approx(6.0)


def test_files_are_small_and_hold_no_pickle():
    assert sum(file.stat().st_size for file in DATA.glob("*.npz")) < 2.5e6
    for file in DATA.glob("*.npz"):
        with np.load(file, allow_pickle=False) as content:
            assert all(content[name].dtype.kind != "O" for name in content)
