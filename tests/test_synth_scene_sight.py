"""How much of a person a picture shows, and that scenes that hide it are drawn again."""

from dataclasses import replace

import numpy as np
import pytest
from synth_look import body_named
from synth_scene import plate, scene

from infantsynth.annotate import label_keypoints, person_mask
from infantsynth.render.zbuffer import rasterise
from infantsynth.scene.places import SceneOptions
from infantsynth.scene.sample import _best_seen, sample_scene, texture_side
from infantsynth.scene.viewpoint import LEAST_JOINTS, measure_sight, shrunk


def test_a_small_picture_of_the_same_view_has_the_same_edges():
    camera = scene(size=(640, 480)).camera
    small = shrunk(camera, 240)
    assert (small.width, small.height) == (240, 180) and shrunk(small, 240) is small
    points = np.random.default_rng(0).uniform(-0.7, 0.7, (40, 3))
    fine, coarse = camera.project(points)[0], small.project(points)[0]
    np.testing.assert_allclose((coarse + 0.5) / [240, 180], (fine + 0.5) / [640, 480], atol=1e-12)


def test_sight_counts_joints_and_areas():
    free = measure_sight(scene())
    assert free.joints == 17 and free.open == 1 and free.lack == 0
    # 60 degrees over 160 x 120 px at 2 m: 2.309 m x 1.732 m, of which the infant's square takes 1 m^2
    assert free.area == pytest.approx(1 / (2.309 * 1.732), rel=0.03)
    half = measure_sight(scene(extra=(plate(np.array([0.5, -0.3, 0.0]), 1.0, 3.0, "toy"),)))
    assert half.open == pytest.approx(0.5, abs=0.02) and half.area == pytest.approx(free.area / 2, rel=0.05)
    assert 5 <= half.joints <= 12
    hidden = measure_sight(scene(extra=(plate(np.array([0.0, -0.3, 0.0]), 3.0, 3.0, "toy"),)))
    assert (hidden.joints, hidden.open, hidden.lack) == (0, 0, 3)


def test_views_are_drawn_until_one_shows_enough():
    wall = plate(np.array([0.0, -0.3, 0.0]), 3.0, 3.0, "toy")
    drawn = []

    def view(number):
        drawn.append(number)
        return replace(scene(extra=(wall,) if number < 2 else ()), info={"number": number})

    assert _best_seen(view).info["number"] == 2 and drawn == [0, 1, 2]
    part = plate(np.array([0.0, -0.3, -0.2]), 3.0, 1.0, "toy")
    poor = _best_seen(
        lambda number: replace(scene(extra=(part if number == 3 else wall,)), info={"n": number})
    )
    assert poor.info["n"] == 3  # the best of those there were


@pytest.mark.parametrize("mode", ["scene", "photo"])
def test_scenes_show_the_person(mode):
    options, seen = SceneOptions(mode=mode, size=(160, 120), blanket=1.0), []
    for seed in range(6):
        spec = sample_scene(body_named("infant"), seed, options)
        buffers = rasterise(spec.camera, spec.meshes)
        assert person_mask(spec.meshes, buffers).mean() > 0.025
        seen.append(int((label_keypoints(spec, buffers)[:, 2] == 2).sum()))
    assert sorted(seen)[1] >= LEAST_JOINTS and min(seen) >= LEAST_JOINTS - 2  # a few are as good as it gets


def test_textures_follow_the_picture():
    assert texture_side((320, 240)) == texture_side((96, 72)) == 512
    assert texture_side((640, 480)) == texture_side((240, 321)) == 1024
