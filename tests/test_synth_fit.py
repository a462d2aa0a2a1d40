import numpy as np
import pytest
import torch
from synth_fit import FOCAL, SIZE, blended_body, boxes, infant, known_persons, project

from fidip.errors import ConfigError, DataError
from infantsynth.fit.fitting import fit_bodies, usable
from infantsynth.fit.outcome import posed_vertices
from infantsynth.fit.point_rig import rig_of
from infantsynth.fit.settings import FitConfig, Stage
from infantsynth.priors import JointLimits, ShapePrior, default_prior

SIZES = np.array([SIZE], dtype=float)


@pytest.fixture(scope="module")
def persons():
    return known_persons(8)


@pytest.fixture(scope="module")
def fits(persons):
    return fit_bodies(infant(), persons[3], SIZES.repeat(8, axis=0))


def test_fit_gives_projected_keypoints_back(persons, fits):
    error = fits.error_px.mean(axis=1) / boxes(persons[3])
    assert error.max() < 0.01, error
    assert np.median(error) < 0.004


def test_projection_of_the_fit_is_the_bodys_own(fits):
    again = project(fits.betas, fits.pose, fits.transl)[..., :2]
    np.testing.assert_allclose(fits.projected, again, atol=0.02)  # px; the body computes in float32
    np.testing.assert_allclose(fits.focal, FOCAL)


def test_fit_faces_as_the_known_body_does(persons, fits):
    """Front and back are told apart: the trunk's forward axis agrees within 60 degrees in most fits."""
    from scipy.spatial.transform import Rotation

    forward = [Rotation.from_rotvec(pose[:, 0]).apply([0, -1, 0]) for pose in (persons[1], fits.pose)]
    assert (np.einsum("ni,ni->n", *forward) > 0.5).sum() >= 7


def test_limits_hold_and_betas_stay_small(fits):
    assert JointLimits.for_body(infant()).violation(fits.pose)[:, 1:].max() < 0.05  # rad
    assert np.abs(fits.betas).max() < 4


def test_alone_and_together_are_the_same(persons, fits):
    alone = fit_bodies(infant(), persons[3][3:4], SIZES)
    np.testing.assert_allclose(alone.pose[0], fits.pose[3], atol=1e-6)
    np.testing.assert_allclose(alone.betas[0], fits.betas[3], atol=1e-6)
    assert alone.start[0] == fits.start[3]


def test_same_input_same_result(persons):
    first, second = (fit_bodies(infant(), persons[3][:2], SIZES.repeat(2, axis=0)) for _ in range(2))
    np.testing.assert_array_equal(first.pose, second.pose)
    np.testing.assert_array_equal(first.projected, second.projected)


def test_persons_without_enough_joints_are_nan(persons, fits):
    keypoints = persons[3][[0, 0, 0, 0, 0]].copy()
    keypoints[1, 5:, 2] = 0  # a face only
    keypoints[2, :, :2] = 7.0  # all in one place
    keypoints[3, :, :2] = 1e-300  # too small for a diagonal
    keypoints[3, 0, :2] = 0
    keypoints[4, 0, :2] = 1e300
    assert usable(keypoints, FitConfig()).tolist() == [True, False, False, False, False]
    found = fit_bodies(infant(), keypoints, SIZES.repeat(5, axis=0))
    assert np.isnan(found.pose[1:]).all() and np.isinf(found.cost[1:]).all()
    np.testing.assert_allclose(found.pose[0], fits.pose[0], atol=1e-6)
    none = fit_bodies(infant(), keypoints[1:], SIZES.repeat(4, axis=0))
    assert np.isnan(none.projected).all() and none.pose.shape == (4, *fits.pose.shape[1:])


def test_hidden_joints_do_not_pull(persons, fits):
    keypoints = persons[3][:1].copy()
    keypoints[0, 9] = (2000.0, -900.0, 0.0)
    found = fit_bodies(infant(), keypoints, SIZES)
    assert np.isnan(found.error_px[0, 9])
    assert np.nanmean(found.error_px[0]) < 0.01 * boxes(persons[3])[0]


def test_outlier_is_left_behind(persons):
    keypoints = persons[3][:1].copy()
    keypoints[0, 9, :2] += 2.0 * boxes(persons[3])[0]
    found = fit_bodies(infant(), keypoints, SIZES)
    others = np.delete(found.error_px[0], 9)
    assert others.mean() < 0.02 * boxes(persons[3])[0]


def test_doubtful_joint_counts_less(persons):
    keypoints = persons[3][:1].copy()
    keypoints[0, 13, :2] += 15.0  # px, a knee
    sure = fit_bodies(infant(), keypoints, SIZES)
    keypoints[0, 13, 2] = 0.1
    doubtful = fit_bodies(infant(), keypoints, SIZES)
    blind = fit_bodies(infant(), keypoints, SIZES, FitConfig(confidences=False))
    assert doubtful.error_px[0, 13] > 2 * sure.error_px[0, 13]
    np.testing.assert_allclose(blind.pose, sure.pose, atol=1e-9)


def test_single_precision_does_as_well(persons):
    found = fit_bodies(infant(), persons[3][:4], SIZES.repeat(4, axis=0), FitConfig(double=False))
    assert (found.error_px.mean(axis=1) / boxes(persons[3][:4])).max() < 0.01


def test_published_weights_in_picture_heights(persons):
    weights = zip((404.0, 404.0, 57.4, 4.78), (200.0, 30.0, 50.0, 35.0), strict=True)
    stages = tuple(Stage(1.0, pose, shape, 0.0, 400.0, 30) for pose, shape in weights)
    found = fit_bodies(
        infant(), persons[3][:4], SIZES.repeat(4, axis=0), FitConfig(stages, unit="height", rho=100.0)
    )
    assert (found.error_px.mean(axis=1) / boxes(persons[3][:4])).max() < 0.015


def test_shape_prior_and_fixed_shape(persons):
    body = infant()
    mean = np.full(body.num_betas, 0.3)
    tight = ShapePrior(mean, np.eye(body.num_betas) * 1e-6, "test")
    found = fit_bodies(body, persons[3][:1], SIZES, shape_prior=tight)
    np.testing.assert_allclose(found.betas[0], mean, atol=0.01)
    fixed = fit_bodies(body, persons[3][:1], SIZES, FitConfig(shape=False))
    assert (fixed.betas == 0).all()


def test_ignored_joints_get_no_say(persons):
    keypoints = persons[3][:1].copy()
    keypoints[0, (11, 12), :2] += 60.0
    weights = tuple(0.0 if joint in (11, 12) else 1.0 for joint in range(17))
    found = fit_bodies(infant(), keypoints, SIZES, FitConfig(joint_weights=weights))
    assert np.delete(found.error_px[0], (11, 12)).mean() < 0.01 * boxes(persons[3])[0]


def test_derivatives_are_those_of_the_cost(persons):
    """Half the gradient that the terms state equals the numerical one, for every term that is a sum of squares."""
    from infantsynth.fit.fitting import _Fit
    from infantsynth.fit.terms import Reprojection

    fit = _Fit(infant(), FitConfig(), default_prior(infant()), ShapePrior.standard(infant()))
    observed, theta = fit._first(persons[3][:2], SIZES.repeat(2, axis=0))
    theta = theta + 0.1 * torch.randn(
        theta.shape, generator=torch.Generator().manual_seed(0), dtype=theta.dtype
    )
    stage = Stage(1.0, 5.0, 10.0, 5.0, 100.0, 1)
    terms = [Reprojection(fit.unknowns, fit.rig.keypoints, observed, 150.0), *fit.shared]
    step = 1e-6
    for term in terms:
        gradient = torch.zeros_like(theta)
        term.add_normal(theta, stage, gradient, theta.new_zeros(*theta.shape, theta.shape[1]))
        numeric = torch.zeros_like(theta)
        for i in range(theta.shape[1]):
            shift = torch.zeros_like(theta)
            shift[:, i] = step
            numeric[:, i] = (term.cost(theta + shift, stage) - term.cost(theta - shift, stage)) / (4 * step)
        scale = gradient.abs().max().clamp_min(1.0)
        assert (gradient - numeric).abs().max() / scale < 1e-4, type(term).__name__


def test_wrong_input_is_refused(persons):
    with pytest.raises(DataError, match=r"keypoints \(N, 17, 3\)"):
        fit_bodies(infant(), persons[3][:, :5], SIZES.repeat(8, axis=0))
    broken = persons[3][:1].copy()
    broken[0, 0, 0] = np.nan
    with pytest.raises(DataError, match="finite"):
        fit_bodies(infant(), broken, SIZES)
    for wrong in ({"stages": ()}, {"unit": "mm"}, {"rho": 0.0}, {"focal": -1.0}, {"keep": 9}):
        with pytest.raises(ConfigError):
            FitConfig(**wrong)


def test_vertices_of_a_fit_are_before_the_camera(fits):
    vertices = posed_vertices(infant(), fits.betas[:1], fits.pose[:1], fits.transl[:1])
    assert vertices.shape == (1, len(infant().template), 3) and vertices[..., 2].min() > 0.5


def test_rig_is_the_body_with_its_pose_blend_shapes():
    """Points and derivatives of the folded rig, against posing the surface and against differences."""
    body = blended_body()
    rig = rig_of(body, torch.float64)
    rng = torch.Generator().manual_seed(0)
    betas, moved, transl = (
        torch.randn(shape, generator=rng, dtype=torch.float64) * 0.5
        for shape in ((2, body.num_betas), (2, len(rig.moving), 3), (2, 3))
    )
    pose = torch.zeros(2, len(body.joint_names), 3, dtype=torch.float64)
    pose[:, list(rig.moving)] = moved
    points, by_pose, by_betas = rig.keypoints.with_jacobian(betas, moved, transl)
    torch.testing.assert_close(points, body.keypoints(betas, pose, transl), atol=1e-9, rtol=0)
    torch.testing.assert_close(points, rig.keypoints.points(betas, moved, transl), atol=1e-12, rtol=0)
    numeric = torch.func.vmap(
        torch.func.jacrev(lambda b, p, t: rig.keypoints.points(b[None], p[None], t[None])[0], (0, 1))
    )
    expected_betas, expected_pose = numeric(betas, moved, transl)
    torch.testing.assert_close(by_betas, expected_betas, atol=1e-9, rtol=0)
    torch.testing.assert_close(by_pose, expected_pose, atol=1e-9, rtol=0)
