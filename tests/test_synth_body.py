"""The body as a function: skinning against its closed form, keypoints, mirror images, parts; how a bake is stored."""

import time

import numpy as np
import pytest
import torch
from synth_body import BEND, rod

from fidip.errors import DataError
from fidip.skeleton import COCO17
from infantsynth.body import PART_NAMES, BodyModel, load_body
from infantsynth.body.bake.bake import STEP, steps, write
from infantsynth.body.model import part_of_joint, rodrigues

F64 = torch.float64
NONE = torch.zeros(1, 3, dtype=F64)


@pytest.fixture(scope="module")
def infant():
    return load_body("infant").double()


def posed(body, seed=0, count=2, size=0.5):
    rng = torch.Generator().manual_seed(seed)
    betas = torch.randn(count, body.num_betas, generator=rng, dtype=F64)
    pose = size * torch.randn(count, len(body.joint_names), 3, generator=rng, dtype=F64)
    return betas, pose, torch.randn(count, 3, generator=rng, dtype=F64)


def test_rodrigues_gives_rotations_and_is_smooth_at_zero():
    turns = torch.tensor(
        [[0.0, 0.0, 0.0], [1e-6, 0.0, 0.0], [0.0, 0.0, np.pi / 2], [0.3, -2.0, 1.0]], dtype=F64
    )
    matrices = rodrigues(turns)
    torch.testing.assert_close(matrices @ matrices.mT, torch.eye(3, dtype=F64).expand(4, 3, 3))
    torch.testing.assert_close(
        matrices[2] @ torch.tensor([1.0, 0, 0], dtype=F64), torch.tensor([0.0, 1, 0], dtype=F64)
    )
    turns = torch.zeros(1, 3, dtype=F64, requires_grad=True)
    rodrigues(turns)[0, 2, 1].backward()
    torch.testing.assert_close(turns.grad, torch.tensor([[1.0, 0, 0]], dtype=F64))


def test_skinning_equals_its_closed_form():
    data = rod()
    body = BodyModel(data, dtype=F64)
    pose = torch.zeros(1, 2, 3, dtype=F64)
    pose[0, 1, 0] = np.pi / 2  # a quarter turn about x carries z to -y
    out = body(torch.zeros(1, 2, dtype=F64), pose, NONE)
    above = data.template - [0, 0, BEND]
    turned = np.stack([above[:, 0], -above[:, 2], above[:, 1]], axis=1) + [0, 0, BEND]
    expected = data.weights[:, :1] * data.template + data.weights[:, 1:] * turned
    np.testing.assert_allclose(out.vertices[0], expected, atol=1e-12)
    np.testing.assert_allclose(out.joints[0], data.joints, atol=1e-12)
    np.testing.assert_allclose(out.keypoints[0], data.regressor @ expected, atol=1e-12)


def test_root_turns_about_the_pelvis_and_transl_is_where_it_goes():
    body = BodyModel(rod(), dtype=F64)
    betas = torch.tensor([[0.7, -1.3]], dtype=F64)
    still = body(betas, torch.zeros(1, 2, 3, dtype=F64), NONE)
    assert still.joints[0, 0].abs().max() < 1e-12
    pose = torch.zeros(1, 2, 3, dtype=F64)
    pose[0, 0] = torch.tensor([0.4, -0.2, 1.1])
    transl = torch.tensor([[1.0, 2.0, 3.0]], dtype=F64)
    moved = body(betas, pose, transl)
    turn = rodrigues(pose[:, 0])[0]
    torch.testing.assert_close(moved.vertices[0], still.vertices[0] @ turn.T + transl)
    torch.testing.assert_close(moved.joints[0, 0], transl[0])


@pytest.mark.parametrize("shaped", [False, True])
def test_keypoints_alone_equal_those_of_the_whole_body(shaped):
    shapes = 0.1 * np.random.default_rng(2).standard_normal((9, 3, 9)) if shaped else None
    body = BodyModel(rod(shapes), dtype=F64)
    arguments = posed(body)
    torch.testing.assert_close(body.keypoints(*arguments), body(*arguments).keypoints, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["infant", "adult"])
def test_keypoints_alone_equal_those_of_the_packaged_body(name):
    body = load_body(name)
    betas, pose, transl = (values.float() for values in posed(body))
    difference = body.keypoints(betas, pose, transl) - body(betas, pose, transl).keypoints
    assert difference.abs().max() < 1e-5


def test_rest_pose_is_the_template(infant):
    zero = torch.zeros(1, infant.num_betas, dtype=F64), torch.zeros(1, 50, 3, dtype=F64)
    out = infant(*zero, NONE)
    torch.testing.assert_close(out.vertices[0], infant.template, rtol=0, atol=1e-7)  # stored as float32
    torch.testing.assert_close(out.joints[0], infant.rest_joints, rtol=0, atol=1e-7)


def test_mirrored_pose_gives_mirrored_keypoints(infant):
    betas, pose, transl = posed(infant)
    image = torch.tensor([-1.0, 1.0, 1.0], dtype=F64)
    swap = list(range(17))
    for left, right in COCO17.flip_pairs:
        swap[left], swap[right] = right, left
    there = infant.keypoints(betas, pose, transl)[:, swap] * image
    here = infant.keypoints(betas, infant.mirror_pose(pose), transl * image)
    assert (there - here).abs().max() < 2e-4  # the mesh itself is symmetric to 0.1 mm
    torch.testing.assert_close(infant.mirror_pose(infant.mirror_pose(pose)), pose)


def test_gradients_reach_shape_and_pose(infant):
    inputs = [values.requires_grad_() for values in posed(infant, count=1)]
    infant.keypoints(*inputs).square().sum().backward()
    assert all(values.grad is not None and values.grad.isfinite().all() for values in inputs)
    assert inputs[0].grad.abs().min() > 0


def test_parts_and_skin_near_keypoints(infant):
    rest = infant.template.numpy()
    middle = {name: rest[infant.parts == index].mean(axis=0) for index, name in enumerate(PART_NAMES)}
    assert middle["head"][2] > middle["trunk"][2] > middle["left_thigh"][2] > middle["left_foot"][2]
    for part in ("upper_arm", "forearm", "hand", "thigh", "shank", "foot"):
        assert middle[f"left_{part}"][0] > 0 > middle[f"right_{part}"][0]
    points = (infant.keypoint_regressor @ infant.template).numpy()
    for point, near in zip(points, infant.keypoint_vertices, strict=True):
        assert len(near) >= 3
        assert np.linalg.norm(rest[near] - point, axis=1).max() < 0.12
    assert part_of_joint("right_finger2_3") == "right_hand"


def test_unknown_body_is_refused():
    with pytest.raises(DataError, match="neither infant nor adult nor a file"):
        load_body("toddler")


# the bake


def test_bake_writes_bytes_that_the_arrays_alone_decide(tmp_path, monkeypatch):
    arrays = {"names": np.array(["a", "bc"]), "numbers": np.random.default_rng(0).normal(size=(40, 3))}
    write(tmp_path / "one" / "body.npz", arrays)
    monkeypatch.setattr(time, "time", lambda: 2e9)  # another day
    write(tmp_path / "two" / "body.npz", arrays)
    first, second = (sorted((tmp_path / name).iterdir()) for name in ("one", "two"))
    assert [path.name for path in first] == [path.name for path in second] == ["body.npz"]
    assert first[0].read_bytes() == second[0].read_bytes()
    with np.load(first[0], allow_pickle=False) as content:
        np.testing.assert_array_equal(content["numbers"], arrays["numbers"])


def test_steps_are_undone_by_a_sum_to_half_a_step():
    offsets = np.random.default_rng(1).normal(0, 0.01, (50, 3, 4))  # m
    stored = steps(offsets)
    again = np.cumsum(stored.astype(np.float64), axis=2).transpose(2, 1, 0) * STEP
    assert stored.dtype == np.int16 and stored.shape == (4, 3, 50)
    np.testing.assert_allclose(again, offsets, atol=STEP / 2 + 1e-12)
    with pytest.raises(ValueError, match="too large"):
        steps(np.array([0.0, 2.0]).reshape(2, 1, 1))
