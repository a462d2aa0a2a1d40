"""Bodies at rest: on the ground, in balance, in their posture, limbs apart."""

from dataclasses import replace

import numpy as np
import pytest
from synth_look import body_named
from synth_scene import deepest

from infantsynth.poses.authored import sample_pose
from infantsynth.poses.library import POSTURES
from infantsynth.scene.flesh import State
from infantsynth.scene.places import ADULT_POSTURES, SceneOptions
from infantsynth.scene.sample import hold_up, lay_down
from infantsynth.scene.settle import DEEPEST, Settled, badness, margin, pose_body
from infantsynth.scene.statics import Chain, Equilibrium, Forces, measure_flesh, to_segments

CASES = [(body, posture) for body in ("infant", "smpl") for posture in POSTURES]
CASES += [("adult", posture) for posture in ADULT_POSTURES]


def laid(name, posture, seed):
    return lay_down(body_named(name), SceneOptions(postures=(posture,)), np.random.default_rng(seed))


def check_contact(result):
    """Nothing floats or sinks; lengths are those of a 0.7 m body."""
    settled: Settled = result.settled
    lowest = settled.vertices[:, 2].min() / settled.scale
    assert (
        -result.place.ground.sink - 1e-6 <= lowest <= -0.24 * result.place.ground.sink
    )  # pressed in, a little
    assert settled.sunk == pytest.approx(-lowest * settled.scale, abs=1e-9)
    assert settled.margin >= 0  # the weight is over the support
    assert settled.depth <= DEEPEST * settled.scale
    assert len(settled.supports) >= 3


@pytest.mark.parametrize(("name", "posture"), CASES)
def test_bodies_rest_on_the_ground_in_their_posture(name, posture):
    body = body_named(name)
    for seed in range(2):
        result = laid(name, posture, seed)
        assert badness(result.settled, body.parts) == 0
        check_contact(result)
        settled = result.settled
        again = pose_body(body, settled.betas, settled.pose, settled.transl)
        np.testing.assert_array_equal(again.vertices, settled.vertices)  # the parameters give the body back


@pytest.mark.slow
@pytest.mark.parametrize(("name", "posture"), CASES)
def test_many_bodies_rest_and_are_apart(name, posture):
    body = body_named(name)
    for seed in range(100, 125):
        result = laid(name, posture, seed)
        check_contact(result)
        assert deepest(body, result.settled.vertices) < 0.022 * result.settled.scale  # m: chubby limbs press


def test_bodies_in_photographs_are_centred_and_turned_as_asked():
    body = body_named("infant")
    for rotation in ("uniform", "legacy", "posture"):
        options = SceneOptions(mode="photo", rotation=rotation, postures=("supine",))
        held = hold_up(body, options, np.random.default_rng(0))
        middle = (held.posed.vertices.min(axis=0) + held.posed.vertices.max(axis=0)) / 2
        np.testing.assert_allclose(middle, 0, atol=1e-6)
        if rotation == "posture":
            np.testing.assert_array_equal(held.pose, held.sample.pose)
        elif rotation == "legacy":
            step = (held.pose[0] - held.sample.pose[0]) / (np.pi / 11)
            np.testing.assert_allclose(step * [1, -1, -1], np.full(3, np.rint(step[0])), atol=1e-9)


def test_sitters_and_standers_are_old_enough():
    for posture, youngest in (("sitting", 5), ("crawling", 6), ("standing", 9)):
        assert min(laid("infant", posture, seed).months for seed in range(3)) >= youngest
    young = lay_down(
        body_named("infant"), SceneOptions(postures=("supine",), months=(2, 3)), np.random.default_rng(0)
    )
    assert 2 <= young.months <= 3


def equilibrium(posture="prone", seed=1):
    body = body_named("infant")
    sample = sample_pose(body, posture, np.random.default_rng(seed))
    chain = Chain(body, np.zeros(body.num_betas), sample.pose)
    flesh = measure_flesh(body, chain)
    limits = chain.moving
    angles = np.clip(chain.angles_of(sample.pose), limits.lo + 0.02, limits.hi - 0.02)
    tone = np.full(len(limits.moving), 0.3)
    forces = Forces(3000.0, tone, 0.2, 20.0, np.array([4, 10]))
    first = State(angles, np.eye(3), np.zeros(3))
    energy = Equilibrium(chain, flesh, forces, first)
    root = np.array([[1, 0, 0], [0, 0.995, -0.0998], [0, 0.0998, 0.995]])
    root, _ = np.linalg.qr(root)
    root = root * np.sign(np.diag(root))
    rng = np.random.default_rng(0)
    state = State(angles + rng.uniform(-0.01, 0.01, angles.shape), root, np.array([0, 0, 0.02]))
    energy.bearing = energy._bearing(energy.place(State(angles, root, np.array([0, 0, -0.2]))))
    return chain, energy, state


@pytest.mark.parametrize("height", [0.0, -0.15])
def test_slopes_are_those_of_the_energy(height):
    chain, energy, state = equilibrium()
    state = replace(state, position=np.array([0, 0, height]))
    gradient, hessian = energy.slopes(state, energy.place(state))
    assert np.linalg.eigvalsh(hessian).min() > -1e-9 * np.abs(hessian).max()
    step = 1e-6
    numeric = np.empty_like(gradient)
    for k in range(len(gradient)):
        ends = []
        for sign in (-1, 1):
            moved = chain.move(state, sign * step * np.eye(len(gradient))[k])
            ends.append(energy.energy(moved, energy.place(moved)))
        numeric[k] = (ends[1] - ends[0]) / (2 * step)
    # skin between two bones counts as if it turned with them at where it is, which blends all but do
    assert np.abs(gradient - numeric).max() < 1e-3 * np.abs(numeric).max()


def test_settling_loses_energy():
    _, energy, state = equilibrium()
    down = energy.solve(state, 10)
    assert energy.energy(down, energy.place(down)) < energy.energy(state, energy.place(state))


def test_margin_is_the_distance_to_the_outline():
    square = np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1], [0, 0.3]])
    assert margin(square, np.zeros(2)) == pytest.approx(1)
    assert margin(square, np.array([0.75, 0])) == pytest.approx(0.25)
    assert margin(square, np.array([0, 1.5])) == pytest.approx(-0.5)
    assert margin(square[:2], np.zeros(2)) == -np.inf


def test_distance_to_segments():
    points = np.array([[0.5, 2, 0], [-3, 4, 0], [2.0, 0, 1]])
    distance, share, offset = to_segments(points, np.zeros((1, 3)), np.array([[1.0, 0, 0]]))
    np.testing.assert_allclose(distance[:, 0], [2, 5, np.sqrt(2)])
    np.testing.assert_allclose(share[:, 0], [0.5, 0, 1])
    np.testing.assert_allclose(offset[:, 0], [[0, 2, 0], [-3, 4, 0], [1, 0, 1]])


def test_capsules_fill_the_body():
    body = body_named("infant")
    chain = Chain(body, np.zeros(body.num_betas), np.zeros((len(body.joint_names), 3)))
    flesh = measure_flesh(body, chain)
    distance, _, _ = to_segments(chain.rest_vertices, flesh.start, flesh.end)
    outside = (distance - flesh.radius).min(axis=1)
    assert np.quantile(outside, 0.9) < 0.03 and outside.max() < 0.05  # m: nothing deep is left open
    depth, *_ = flesh.depths(chain, chain.place(chain.angles_of(np.zeros_like(chain.pose)), np.eye(3), np.zeros(3)), flesh.room(chain))  # fmt: skip
    assert depth.max() < 1e-9  # a body at rest is not in itself


def test_sitters_do_not_fold_over_their_legs():
    body, options = body_named("infant"), SceneOptions(size=(160, 120), postures=("sitting",))
    leans = []
    for seed in range(8):
        joints = lay_down(body, options, np.random.default_rng(seed)).settled.keypoints
        trunk = joints[[5, 6]].mean(axis=0) - joints[[11, 12]].mean(axis=0)
        leans.append(np.degrees(np.arccos(trunk[2] / np.linalg.norm(trunk))))
    assert np.median(leans) < 25 and max(leans) < 60  # it was 46 when loose hips let the trunk fall
