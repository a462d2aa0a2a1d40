import copy
import os
import pickle
import types

import numpy as np
import pytest
import torch
from synth_fit import infant

from fidip.errors import DataError, FidipError
from infantsynth.body.smpl import UPRIGHT
from infantsynth.priors import anatomy_of, read_prior, write_prior
from infantsynth.priors import stored as published_module
from infantsynth.priors.learn import Lesson, held_out, learn, learn_shape, mixture
from infantsynth.priors.stored import SMPL_JOINTS, load_published_prior

KNEES = ("left_knee", "right_knee")


def bent_knees(count, seed, groups=((1.0, 0.1),)):
    """Poses (N, J, 3) in which only the knees flex, by normal angles rad of each (mean, deviation) group."""
    rng, body = np.random.default_rng(seed), infant()
    anatomy = anatomy_of(body)
    pose = np.zeros((count, len(body.joint_names), 3))
    for i in range(count):
        mean, sd = groups[i % len(groups)]
        for name in KNEES:
            joint = body.joint(name)
            pose[i, joint] = rng.normal(mean, sd) * anatomy.axes[joint, 0]
    return pose


def test_learned_gaussian_is_that_of_the_poses():
    poses = bent_knees(4000, 0, ((0.9, 0.2),))
    prior = learn(infant(), poses, None, Lesson(hold=1e-3, mirror=False), "test")
    assert prior.names == KNEES
    anatomy = anatomy_of(infant())
    flexion = prior.means[0].reshape(2, 3)[:, 0] - anatomy.offset[[infant().joint(n) for n in KNEES], 0]
    np.testing.assert_allclose(flexion, 0.9, atol=0.02)
    deviations = np.sqrt(np.diagonal(prior.covariances[0]).reshape(2, 3))
    np.testing.assert_allclose(deviations[:, 0], 0.2, atol=0.01)
    assert deviations[:, 1:].max() < 0.001


def test_few_poses_are_held_by_the_hand_set_deviations():
    poses = bent_knees(4, 0)
    anatomy = anatomy_of(infant())
    prior = learn(infant(), poses, None, Lesson(hold=1e6), "test")
    own = [infant().joint(name) for name in KNEES]
    np.testing.assert_allclose(np.diagonal(prior.covariances[0]), anatomy.sd[own].ravel() ** 2, rtol=1e-3)


def test_mirror_makes_both_sides_alike():
    poses = bent_knees(50, 0)
    poses[:, infant().joint("left_knee")] *= 0.3
    means = learn(infant(), poses, None, Lesson(), "test").means[0].reshape(2, 3)
    np.testing.assert_allclose(means[0], means[1], atol=2e-3)
    means = learn(infant(), poses, None, Lesson(mirror=False), "test").means[0].reshape(2, 3)
    assert means[1, 0] - means[0, 0] > 0.4


def test_mixture_finds_two_groups_and_its_density_is_higher():
    poses = bent_knees(400, 0, ((0.3, 0.05), (1.6, 0.05)))
    lesson = Lesson(components=2, hold=1.0, mirror=False, seed=3)
    prior = learn(infant(), poses, None, lesson, "test")
    np.testing.assert_allclose(prior.weights, 0.5, atol=1e-6)
    flexion = prior.means[:, 0] - anatomy_of(infant()).offset[infant().joint("left_knee"), 0]
    np.testing.assert_allclose(np.sort(flexion), (0.3, 1.6), atol=0.02)
    assert held_out(infant(), poses, lesson) > held_out(infant(), poses, Lesson(1, 1.0, False, 3)) + 0.3


def test_empty_components_are_left_out():
    angles = np.repeat(np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]), 20, axis=0)
    weights, means, _ = mixture(angles, np.full(3, 0.2), Lesson(components=4, hold=0.1))
    assert weights.sum() == pytest.approx(1) and len(weights) == len(means) <= 4
    assert (weights * len(angles) >= 1).all()


def test_same_seed_same_prior(tmp_path):
    poses = bent_knees(60, 1, ((0.3, 0.2), (1.2, 0.2)))
    for name in "ab":
        write_prior(tmp_path / name, learn(infant(), poses, poses[:, 0], Lesson(2, seed=5), "test"))
    a, b = (read_prior(tmp_path / name) for name in "ab")
    np.testing.assert_array_equal(a.covariances, b.covariances)
    np.testing.assert_array_equal(a.shape.mean, b.shape.mean)


def test_shape_prior_is_drawn_to_the_standard_one():
    rng = np.random.default_rng(0)
    betas = rng.normal((2.0, 0.0), (0.5, 1.0), (5000, 2))
    prior = learn_shape(betas, "test")
    np.testing.assert_allclose(prior.mean, (2, 0), atol=0.05)
    np.testing.assert_allclose(np.sqrt(np.diagonal(prior.covariance)), (0.5, 1.0), atol=0.05)
    few = learn_shape(betas[:2], "test")
    assert few.mean[0] < 0.6 and few.covariance[1, 1] > 0.7


def test_nothing_to_learn_from_is_refused():
    with pytest.raises(DataError, match="too few"):
        learn(infant(), bent_knees(3, 0), None, Lesson(components=2), "test")
    with pytest.raises(DataError, match="no joint moves"):
        learn(infant(), np.zeros((9, len(infant().joint_names), 3)), None, Lesson(), "test")


# the published files


def smpl_body():
    """A body with SMPL's joint names: the infant with four fingers' joints renamed."""
    body = copy.deepcopy(infant())
    names = list(body.joint_names)
    spare = iter(i for i, name in enumerate(names) if "finger" in name)
    for wanted in SMPL_JOINTS:
        if wanted not in names:
            names[next(spare)] = wanted
    body.joint_names = tuple(names)
    return body


def published(monkeypatch, content):
    """Make the reader return ``content`` for any path."""
    monkeypatch.setattr(published_module, "load_pickle", lambda path: content)


def mixture_file(seed=0):
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(2, 69, 69)) * 0.1
    return {"means": rng.normal(size=(2, 69)), "covars": roots @ roots.transpose(0, 2, 1) + np.eye(69) * 0.1,
            "weights": np.array([0.25, 0.75])}  # fmt: skip


def test_published_mixture_keeps_its_density_in_our_axes(monkeypatch, tmp_path):
    content = mixture_file()
    published(monkeypatch, content)
    body = smpl_body()
    prior = load_published_prior(tmp_path / "gmm_08.pkl", body)
    theirs = np.random.default_rng(1).normal(size=(23, 3))  # rotation vectors of a body along y, facing z
    pose = np.zeros((len(body.joint_names), 3))
    pose[list(prior.joints)] = theirs @ UPRIGHT.T
    apart = theirs.ravel() - content["means"]
    distances = np.einsum("mi,mij,mj->m", apart, np.linalg.inv(content["covars"]), apart)
    ours = np.einsum("mji,mj->mi", prior.factors, pose[list(prior.joints)].ravel() - prior.means)
    np.testing.assert_allclose((ours**2).sum(axis=1), distances, rtol=1e-8)
    np.testing.assert_allclose(prior.weights, (0.25, 0.75))


def test_upright_turns_their_axes_into_ours():
    np.testing.assert_array_equal(UPRIGHT @ (0, 1, 0), (0, 0, 1))  # up
    np.testing.assert_array_equal(UPRIGHT @ (0, 0, 1), (0, -1, 0))  # front
    np.testing.assert_array_equal(UPRIGHT @ (1, 0, 0), (1, 0, 0))  # its left
    assert np.linalg.det(UPRIGHT) == 1


def test_published_mahalanobis_factor_is_no_precision(monkeypatch, tmp_path):
    rng = np.random.default_rng(0)
    factor = np.tril(rng.normal(size=(69, 69)) * 0.1) + np.eye(69)
    content = types.SimpleNamespace(mean=rng.normal(size=69), prec=factor, prefix=3)
    published(monkeypatch, content)
    body = smpl_body()
    prior = load_published_prior(tmp_path / "smil_pose_prior.pkl", body)
    theirs = rng.normal(size=69)
    pose = np.zeros((len(body.joint_names), 3))
    pose[list(prior.joints)] = theirs.reshape(23, 3) @ UPRIGHT.T
    direct = (((theirs - content.mean) @ factor) ** 2).sum()
    usual = np.zeros_like(pose)
    usual[list(prior.joints)] = prior.means[0].reshape(23, 3)
    apart = prior.log_prob(usual) - prior.log_prob(pose)
    assert 2 * apart == pytest.approx(direct, rel=1e-6)


@pytest.mark.parametrize(
    "content", [[1, 2], {"means": 1}, {**mixture_file(), "means": np.zeros((2, 60))}, {"mean": np.zeros(69), "prec": np.zeros((69, 69))}]
)  # fmt: skip
def test_other_content_is_refused(monkeypatch, tmp_path, content):
    published(monkeypatch, content)
    with pytest.raises(DataError, match=r"prior .*x\.pkl"):
        load_published_prior(tmp_path / "x.pkl", smpl_body())


def test_published_priors_are_for_their_own_bodies(tmp_path):
    with pytest.raises(DataError, match="SMIL and SMPL"):
        load_published_prior(tmp_path / "x.pkl", infant())


@pytest.mark.parametrize("protocol", [0, 2])
def test_real_pickles_are_read(tmp_path, protocol):
    path = tmp_path / "gmm_08.pkl"
    content = mixture_file()
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    prior = load_published_prior(path, smpl_body())
    np.testing.assert_allclose(prior.weights, content["weights"])


def test_old_object_pickle_is_read_and_runs_nothing(tmp_path):
    """The shape of SMIL's own file: an object of a class of the main program, arrays in wrappers, Python 2's names."""
    rng = np.random.default_rng(0)
    factor = np.tril(rng.normal(size=(69, 69)) * 0.1) + np.eye(69)
    array = pickle.dumps(factor, protocol=0).rsplit(b".", 1)[0]
    mean = pickle.dumps(np.zeros(69), protocol=0).rsplit(b".", 1)[0]
    new = b"ccopy_reg\n_reconstructor\n(c%s\nc__builtin__\nobject\nNtR"
    wrap = (new % b"chumpy.ch\nCh") + b"(dS'x'\n%ssS'_dirty_vars'\nc__builtin__\nset\n((lS'x'\natRsb"
    state = b"(dS'prefix'\nI3\nsS'prec'\n" + (wrap % array) + b"sS'mean'\n" + (wrap % mean) + b"sb."
    (tmp_path / "smil_pose_prior.pkl").write_bytes((new % b"__main__\nMahalanobis") + state)
    prior = load_published_prior(tmp_path / "smil_pose_prior.pkl", smpl_body())
    np.testing.assert_allclose(prior.factors[0].shape, (69, 69))
    assert prior._log_det_factors[0] == pytest.approx(np.log(np.abs(np.diagonal(factor))).sum(), rel=1e-6)


class Bad:
    def __reduce__(self):
        return os.system, ("exit 1",)


def test_pickle_that_would_run_something_is_refused(tmp_path):
    (tmp_path / "bad.pkl").write_bytes(pickle.dumps({"means": Bad()}, protocol=0))
    with pytest.raises(FidipError):
        load_published_prior(tmp_path / "bad.pkl", smpl_body())


def test_bodies_are_not_changed_by_learning():
    before = torch.clone(infant().template)
    learn(infant(), bent_knees(10, 0), None, Lesson(), "test")
    assert torch.equal(before, infant().template)
