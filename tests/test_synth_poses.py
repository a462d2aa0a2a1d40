"""Poses: within limits, named rightly, mirrored exactly, oriented as stated."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from synth_look import body_named

from fidip.errors import ConfigError, DataError
from fidip.skeleton import COCO17
from infantsynth.body import load_body
from infantsynth.poses.authored import (
    DEEPEST,
    checks_for,
    compose,
    legacy_rotation,
    sample_pose,
    uniform_rotation,
)
from infantsynth.poses.fits import facing_posture, from_fits, jitter, mirror
from infantsynth.poses.library import POSTURES


def draw(posture, seed, body="infant"):
    return sample_pose(body_named(body), posture, np.random.default_rng(seed))


def outward(pose):
    """Heights of the body's left, back and head directions in the world."""
    return Rotation.from_rotvec(pose[0]).as_matrix()[2]


@pytest.mark.parametrize("body", ["infant", "adult", "smpl"])
@pytest.mark.parametrize("posture", POSTURES)
def test_every_pose_is_within_the_limits_and_apart(body, posture):
    checks = checks_for(body_named(body))
    depths = []
    for seed in range(6):
        pose = draw(posture, seed, body).pose
        assert pose.shape == (len(checks.body.joint_names), 3)
        assert checks.beyond(pose) < 1e-9
        depths.append(checks.depth(pose))
    assert np.median(depths) < DEEPEST and max(depths) < 2 * DEEPEST  # m, of a 70 cm body


@pytest.mark.parametrize("posture", POSTURES)
def test_postures_are_what_they_are_called(posture):
    for seed in range(8):
        sample = draw(posture, seed)
        left, back, up = outward(sample.pose)
        assert sample.posture == posture and sample.source.startswith("authored:")
        right = {
            "supine": back < -0.9,
            "prone": back > 0.85,
            "side": abs(left) > 0.7,
            "sitting": up > 0.85,
            "crawling": back > 0.75,
            "standing": up > 0.85,
        }
        assert right[posture], (left, back, up)


def test_same_seed_same_pose_and_seeds_differ():
    first, again, other = draw("prone", 3), draw("prone", 3), draw("prone", 4)
    np.testing.assert_array_equal(first.pose, again.pose)
    assert (first.source, first.held, first.planted) == (again.source, again.held, again.planted)
    assert np.abs(first.pose - other.pose).max() > 0.1


def test_as_often_on_the_left_as_on_the_right():
    lefts = np.mean([outward(draw("side", seed).pose)[0] < 0 for seed in range(60)])
    assert 0.3 < lefts < 0.7  # 0.2 is 3 deviations of a fair coin


def test_unknown_posture_is_refused():
    with pytest.raises(ConfigError, match="supine"):
        draw("flying", 0)


def test_mirrored_pose_is_the_mirror_image():
    body = load_body("infant")
    pose = draw("sitting", 5).pose
    np.testing.assert_allclose(mirror(body, mirror(body, pose)), pose, atol=1e-12)
    both = torch.as_tensor(np.stack([pose, mirror(body, pose)]), dtype=torch.float32)
    with torch.no_grad():
        points = body.keypoints(torch.zeros(2, body.num_betas), both, torch.zeros(2, 3)).numpy()
    swapped = np.arange(17)
    for left, right in COCO17.flip_pairs:
        swapped[[left, right]] = right, left
    np.testing.assert_allclose(points[1][swapped] * [-1, 1, 1], points[0], atol=1e-4)  # m


def test_uniform_rotation_has_the_moments_of_the_uniform_one():
    rng = np.random.default_rng(0)
    turns = Rotation.from_rotvec([uniform_rotation(rng) for _ in range(4000)])
    matrices, angles = turns.as_matrix(), turns.magnitude()
    assert np.abs(matrices.mean(axis=0)).max() < 5 * np.sqrt(1 / 3 / 4000)
    second = np.einsum("nij,nkl->ijkl", matrices, matrices) / 4000  # E[R_ij R_kl] = d_ik d_jl / 3
    expected = np.einsum("ik,jl->ijkl", np.eye(3), np.eye(3)) / 3
    assert np.abs(second - expected).max() < 0.025
    # angles have the density (1 - cos a) / pi: mean pi / 2 + 2 / pi, variance 0.417
    assert abs(angles.mean() - (np.pi / 2 + 2 / np.pi)) < 4 * np.sqrt(0.417 / 4000)


def test_legacy_rotation_is_the_published_sweep():
    root = np.array([1.2, -0.4, 0.3])
    for step in range(10):
        by_hand = [1.2 + step * np.pi / 11, -0.4 - step * np.pi / 11, 0.3 - step * np.pi / 11]
        np.testing.assert_allclose(legacy_rotation(root, step), by_hand, atol=1e-15)


def test_compose_is_the_product_of_matrices():
    rng = np.random.default_rng(1)
    first, then = rng.normal(size=(2, 3))
    product = Rotation.from_rotvec(then).as_matrix() @ Rotation.from_rotvec(first).as_matrix()
    composed = Rotation.from_rotvec(compose(first, then)).as_matrix()
    np.testing.assert_allclose(composed, product, atol=1e-12)


def test_noise_stays_within_the_limits_and_leaves_the_root():
    body = load_body("infant")
    pose = draw("supine", 2).pose
    rng = np.random.default_rng(0)
    np.testing.assert_allclose(jitter(body, pose, rng, 0.0), pose, atol=1e-9)
    noisy = jitter(body, pose, rng, 0.5)
    np.testing.assert_array_equal(noisy[0], pose[0])
    assert checks_for(body).beyond(noisy) < 1e-9 and np.abs(noisy - pose).max() > 0.3


def write_fits(path, body, count=3, **more):
    rng = np.random.default_rng(0)
    pose = rng.normal(0, 0.1, (count, len(body.joint_names), 3))
    np.savez(path, pose=pose, betas=rng.normal(size=(count, body.num_betas)), **more)
    return pose


def test_fits_are_read_and_drawn(tmp_path):
    body = load_body("infant")
    pose = write_fits(tmp_path / "a.npz", body, 2, posture=np.array(["prone", "sitting"]))
    single = tmp_path / "deep" / "b.npz"
    single.parent.mkdir()
    np.savez(single, pose=pose[0], betas=np.zeros(body.num_betas), posture="supine")
    pool = from_fits(tmp_path, body)
    assert len(pool) == 3 and pool.postures == ("prone", "sitting", "supine")
    np.testing.assert_array_equal(pool.pose[:2], pose)
    drawn, betas = pool.draw(body, np.random.default_rng(0), 0.1, ("sitting",))
    assert (drawn.posture, drawn.source) == ("sitting", "fit:1")
    np.testing.assert_array_equal(betas, pool.betas[1])
    assert outward(drawn.pose)[2] > 0.85 and checks_for(body).beyond(drawn.pose) < 1e-9
    assert pool.draw(body, np.random.default_rng(0), 0.1, ("crawling",)) is None


def test_poor_fits_are_left_out(tmp_path):
    body = load_body("infant")
    pose = write_fits(tmp_path / "a.npz", body, 3, status=np.array(["ok", "poor", "ok"]))
    np.testing.assert_array_equal(from_fits(tmp_path, body).pose, pose[[0, 2]])
    write_fits(tmp_path / "a.npz", body, 2, status=np.array(["failed", "poor"]))
    with pytest.raises(DataError, match=r"no fit at .* is good"):
        from_fits(tmp_path, body)


def test_fits_without_posture_are_named_by_what_faces_the_camera(tmp_path):
    body = load_body("infant")
    write_fits(tmp_path / "a.npz", body, 1)
    pool = from_fits(tmp_path / "a.npz", body)
    # the camera looks along +z and sees down along +y: a body upright to it faces it
    assert pool.postures == (facing_posture(pool.pose[0, 0]),)
    front = {"supine": [0, 0, -1.0], "prone": [0, 0, 1.0], "side": [1.0, 0, 0]}
    for posture, towards in front.items():
        root, _ = Rotation.align_vectors([towards], [[0, -1.0, 0]])
        assert facing_posture(root.as_rotvec()) == posture


def test_fits_that_cannot_be_used_are_named(tmp_path):
    body = load_body("infant")
    with pytest.raises(DataError, match=r"fit\.py"):
        from_fits(tmp_path / "none", body)
    np.savez(tmp_path / "short.npz", pose=np.zeros((5, 3)), betas=np.zeros(3))
    with pytest.raises(DataError, match=r"short\.npz"):
        from_fits(tmp_path / "short.npz", body)
    (tmp_path / "no.npz").write_text("no archive")
    with pytest.raises(DataError, match=r"no\.npz"):
        from_fits(tmp_path / "no.npz", body)
    write_fits(tmp_path / "odd.npz", body, 1, posture=np.array(["flying"]))
    with pytest.raises(DataError, match="flying"):
        from_fits(tmp_path / "odd.npz", body)
