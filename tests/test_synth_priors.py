import copy
import dataclasses

import numpy as np
import pytest
import torch
from synth_fit import infant

from fidip.errors import DataError
from infantsynth.poses.authored import sample_pose
from infantsynth.priors import (
    JointLimits,
    ShapePrior,
    StoredPrior,
    anatomy_of,
    capsules_of,
    default_prior,
    gaussian,
    hand_set_prior,
    packaged_prior,
    read_prior,
    self_penetration,
    write_prior,
)
from infantsynth.priors.capsules import nearest_shares


@pytest.fixture(scope="module")
def poses():
    rng = np.random.default_rng(1)
    return np.stack([sample_pose(infant(), ("supine", "sitting")[i % 2], rng).pose for i in range(8)])


def posed(pose):
    body = infant()
    with torch.no_grad():
        zero = torch.zeros(len(pose), 3)
        return body(
            torch.zeros(len(pose), body.num_betas), torch.as_tensor(pose).float(), zero
        ).vertices.numpy()


def one_joint(name, vector):
    pose = np.zeros((len(infant().joint_names), 3))
    pose[infant().joint(name)] = vector
    return pose


# limits


def test_limits_hold_after_clamping_and_leave_the_inside_alone(poses):
    limits = JointLimits.for_body(infant())
    wild = poses + np.random.default_rng(0).normal(0, 1.5, poses.shape)
    assert limits.violation(wild).max() > 0.5
    assert limits.violation(limits.clamp(wild)).max() < 1e-9
    np.testing.assert_allclose(limits.clamp(poses), poses, atol=1e-9)  # authored poses are inside


def test_root_is_free():
    limits = JointLimits.for_body(infant())
    assert np.isinf(limits.lo[0]).all() and np.isinf(limits.hi[0]).all()


def test_axes_are_orthonormal_and_mirror():
    anatomy, body = anatomy_of(infant()), infant()
    identity = np.einsum("jac,jbc->jab", anatomy.axes, anatomy.axes)
    np.testing.assert_allclose(identity, np.broadcast_to(np.eye(3), identity.shape), atol=1e-12)
    pose = np.random.default_rng(3).normal(0, 0.4, (len(body.joint_names), 3))
    mirrored = np.asarray(body.mirror_pose(torch.as_tensor(pose)))
    left, right = body.joint("left_shoulder"), body.joint("right_shoulder")
    np.testing.assert_allclose(anatomy.angles(pose)[left], anatomy.angles(mirrored)[right], atol=2e-3)


@pytest.mark.parametrize(
    ("joint", "end"), [("hip", "knee"), ("knee", "ankle"), ("elbow", "wrist"), ("shoulder", "elbow")]
)
def test_positive_flexion_brings_the_limb_to_its_side(joint, end):
    """Hips, shoulders and elbows flex to the front (-y), knees to the back, on both sides."""
    body, anatomy = infant(), anatomy_of(infant())
    for side in ("left", "right"):
        index = body.joint(f"{side}_{joint}")
        bent = one_joint(f"{side}_{joint}", 0.5 * anatomy.axes[index, 0])
        with torch.no_grad():
            zero = torch.zeros(2, 3)
            both = torch.as_tensor(np.stack([np.zeros_like(bent), bent])).float()
            joints = body(torch.zeros(2, body.num_betas), both, zero).joints.numpy()
        moved = (joints[1] - joints[0])[body.joint(f"{side}_{end}"), 1]
        assert (moved > 0.02) if joint == "knee" else (moved < -0.02)


def test_angles_and_pose_are_inverse(poses):
    anatomy = anatomy_of(infant())
    np.testing.assert_allclose(anatomy.pose(anatomy.angles(poses)), poses, atol=1e-12)


# pose priors


def test_log_density_is_scipys():
    from scipy.special import logsumexp
    from scipy.stats import multivariate_normal

    rng = np.random.default_rng(0)
    roots = rng.normal(size=(2, 6, 6))
    covariances = roots @ roots.transpose(0, 2, 1) + np.eye(6)
    means, weights = rng.normal(size=(2, 6)), np.array([0.3, 0.7])
    prior = dataclasses.replace(
        gaussian((1, 3), 5, means[0], covariances[0], ""),
        weights=weights,
        means=means,
        covariances=covariances,
    )
    pose = rng.normal(size=(4, 5, 3))
    values = pose[:, [1, 3]].reshape(4, 6)
    parts = [
        np.log(w) + multivariate_normal(m, c).logpdf(values)
        for w, m, c in zip(weights, means, covariances, strict=True)
    ]
    np.testing.assert_allclose(prior.log_prob(pose), logsumexp(parts, axis=0), rtol=1e-10)


def test_marginal_forgets_the_others(poses):
    prior = default_prior(infant())
    some = prior.marginal(prior.joints[2:5])
    changed = poses.copy()
    changed[:, prior.joints[0]] += 1.0
    np.testing.assert_array_equal(some.log_prob(poses), some.log_prob(changed))
    with pytest.raises(DataError, match="says nothing of joints"):
        prior.marginal([infant().joint("left_finger1_1")])


def test_packaged_prior_likes_postures_more_than_wild_poses(poses):
    prior = default_prior(infant())
    wild = poses + np.random.default_rng(0).normal(0, 0.8, poses.shape)
    assert prior.log_prob(poses).min() > prior.log_prob(wild).max()
    assert "authored" in prior.source
    assert set(packaged_prior().names) <= set(infant().joint_names)


def test_packaged_prior_is_the_same_on_both_sides():
    prior = packaged_prior()
    order = [prior.names.index(_swap(name) if "_" in name else name) for name in prior.names]
    mean = prior.means[0].reshape(-1, 3)
    flip = np.array([[1, -1, -1] if "_" not in name else [1, 1, 1] for name in prior.names])
    np.testing.assert_allclose(mean[order] * flip, mean, atol=0.01)


def _swap(name):
    side, _, joint = name.partition("_")
    return f"{'right' if side == 'left' else 'left'}_{joint}"


def test_priors_survive_the_disk(tmp_path, poses):
    prior = hand_set_prior(infant()).marginal([3, 4, infant().joint("left_knee")])
    shape = ShapePrior(np.full(infant().num_betas, 0.5), np.eye(infant().num_betas) * 2, "own")
    stored = StoredPrior.of(prior, infant(), shape)
    write_prior(tmp_path / "prior.npz", stored)
    again = read_prior(tmp_path / "prior.npz")
    back = again.for_body(infant())
    assert back.joints == prior.joints and again.source == prior.source
    np.testing.assert_allclose(back.means, prior.means, atol=1e-12)
    np.testing.assert_allclose(back.covariances, prior.covariances, atol=1e-12)
    np.testing.assert_array_equal(again.shape_for(infant()).mean, shape.mean)
    with np.load(tmp_path / "prior.npz", allow_pickle=False) as content:
        assert all(content[name].dtype.kind in "fiU" for name in content.files)


def test_prior_of_one_body_serves_another(poses):
    """The same anatomical angles have the same density, whatever the rest pose."""
    other = copy.deepcopy(infant())
    other.name = "arms hang"
    for side, sign in (("left", 1.0), ("right", -1.0)):
        shoulder = other.rest_joints[other.joint(f"{side}_shoulder")].clone()
        for joint, down in (("elbow", 0.12), ("wrist", 0.23)):
            other.rest_joints[other.joint(f"{side}_{joint}")] = shoulder + torch.tensor(
                [0.01 * sign, 0.0, -down]
            )
    anatomy, others = anatomy_of(infant()), anatomy_of(other)
    assert np.abs(anatomy.offset - others.offset).max() > 0.3  # rad: another rest pose
    carried = others.pose(anatomy.angles(poses))
    own = packaged_prior().for_body(infant()).log_prob(poses)
    np.testing.assert_allclose(packaged_prior().for_body(other).log_prob(carried), own, rtol=1e-9)
    shape = ShapePrior.standard(infant())
    assert StoredPrior.of(hand_set_prior(infant()), infant(), shape).shape_for(other).source == "standard"


@pytest.mark.parametrize("spoil", ["missing", "text", "shapes", "nan", "object"])
def test_broken_prior_file_is_refused(tmp_path, spoil):
    path = tmp_path / "prior.npz"
    good = {"version": 1, "names": np.array(["neck"]), "weights": np.ones(1), "means": np.zeros((1, 3)),
            "covariances": np.eye(3)[None], "source": "x"}  # fmt: skip
    changes = {"shapes": {"means": np.zeros((1, 4))}, "nan": {"means": np.full((1, 3), np.nan)},
               "object": {"means": np.array([{}], dtype=object)}}.get(spoil, {})  # fmt: skip
    if spoil == "text":
        path.write_text("no npz")
    elif spoil != "missing":
        np.savez(path, **(good | changes))
    with pytest.raises(DataError, match="prior"):
        read_prior(path)


def test_degenerate_covariance_is_named():
    with pytest.raises(DataError, match="positive definite"):
        _ = gaussian((1,), 2, np.zeros(3), np.diag([1.0, 1.0, -1.0]), "bad").factors
    with pytest.raises(DataError, match="positive definite"):
        _ = ShapePrior(np.zeros(2), np.diag([1.0, -1.0]), "bad").precision


# contact


def test_nearest_points_of_segments():
    def tensor(*values):
        return torch.tensor([values], dtype=torch.float64)

    one, other = nearest_shares(tensor(0, 0, 0), tensor(2, 0, 0), tensor(1, -1, 1), tensor(1, 1, 1))
    assert (one.item(), other.item()) == pytest.approx((0.5, 0.5))
    one, other = nearest_shares(tensor(0, 0, 0), tensor(1, 0, 0), tensor(3, 0, 0), tensor(4, 1, 0))
    assert (one.item(), other.item()) == pytest.approx((1.0, 0.0))


def test_parts_that_cross_are_seen():
    apart = np.zeros((len(infant().joint_names), 3))
    crossed = apart.copy()
    anatomy = anatomy_of(infant())
    for side in ("left", "right"):
        index = infant().joint(f"{side}_hip")
        crossed[index] = -0.9 * anatomy.axes[index, 2]  # both thighs far across the middle
    depth = self_penetration(infant(), posed(np.stack([apart, crossed])))
    assert depth[0] < 0.02 < 0.03 < depth[1]


def test_capsules_are_as_thick_as_the_parts():
    capsules = capsules_of(infant())
    radii = dict(zip(capsules.names, capsules.radii.tolist(), strict=True))
    assert 0.055 < radii["head"] < 0.085 and 0.01 < radii["left_forearm"] < 0.04
    assert radii["left_thigh"] == pytest.approx(radii["right_thigh"], rel=0.02)
    np.testing.assert_allclose(capsules.ends.sum(dim=1), 1, atol=1e-5)
