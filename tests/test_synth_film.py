"""Films of a moving infant: smooth, inside its joints' limits, above the ground, and labelled frame by frame."""

import json
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch

from fidip.cli import run
from fidip.errors import ConfigError
from fidip.pixels import read_rgb
from fidip.predict.media import read_video, video_facts
from infantsynth.body import load_body
from infantsynth.image_set import ImageLook, Labels
from infantsynth.motion import LIMBS, PRESSED, SINK, Swinging, VideoRecipe, faults, make_moving_scene
from infantsynth.priors import JointLimits
from infantsynth.scene.settle import pose_body
from infantsynth.spec import WORN

LOOK = ImageLook(
    mode="raster", place="scene", size=(96, 72), samples=1, postures=("supine",), blanket=0.0, toys=0.0
)
main = partial(run, "infantsynth.commands.film")
MOMENTS = np.arange(0, 3, 0.1)  # s


@pytest.fixture(scope="module")
def film():
    torch.set_num_threads(1)
    return make_moving_scene(load_body("infant"), LOOK, 1.0, seed=5)


@pytest.fixture(scope="module")
def posed(film):
    lying = film.spec.body
    return [pose_body(film.body, lying.betas, film.pose(t), lying.transl) for t in MOMENTS]


def test_the_first_frame_is_the_scene_at_rest(film):
    first = film.frame(0, 0.0, LOOK)
    np.testing.assert_allclose(first.body.vertices, film.spec.body.vertices, atol=1e-6)
    worn, before = ([m for m in spec.meshes if m.kind in WORN] for spec in (first, film.spec))
    assert len(worn) == len(before) > 2
    for ours, theirs in zip(worn, before, strict=True):
        np.testing.assert_allclose(ours.vertices, theirs.vertices, atol=1e-6)
        np.testing.assert_array_equal(ours.material.color, theirs.material.color)


def test_hands_and_feet_move_smoothly_and_the_trunk_stays(film, posed):
    keypoints = np.stack([p.keypoints for p in posed])
    reach = np.linalg.norm(np.ptp(keypoints, axis=0), axis=1)
    assert reach[[9, 10, 15, 16]].min() > 0.05  # wrists and ankles, m
    assert (
        np.ptp(keypoints[:, [5, 6, 11, 12]], axis=0).max() < 0.02
    )  # shoulders and hips, whose skin the limbs pull at
    near = [film.pose(t) for t in np.arange(1, 1.1, 0.01)]
    assert max(np.abs(b - a).max() for a, b in pairwise(near)) < 0.1  # rad in 10 ms


def test_joints_keep_their_limits_and_limbs_stay_out_of_the_ground_and_each_other(film, posed):
    limits, lying = JointLimits.for_body(film.body), film.spec.body
    at_rest = limits.violation(lying.pose)[1:].max()
    assert max(limits.violation(film.pose(t))[1:].max() for t in MOMENTS) <= at_rest + 1e-6
    for parts in LIMBS.values():
        skin = np.isin(lying.parts, parts)
        lowest = min(lying.vertices[skin, 2].min(), 0.0)
        assert min(p.vertices[skin, 2].min() for p in posed) > lowest - SINK - 0.01
    deeper, sunk = faults(film)
    assert deeper <= PRESSED and sunk <= 2 * SINK


def test_swings_are_within_what_is_asked_and_vigour_scales_them():
    body = load_body("infant")
    pose = np.zeros((len(body.joint_names), 3))
    usual, half = (Swinging.draw(body, pose, v, np.random.default_rng(0)) for v in (1.0, 0.5))
    elbow = body.joint("left_elbow")
    assert usual.swing[elbow, 0] == pytest.approx(1.0) and half.swing[elbow, 0] == pytest.approx(0.5)
    assert usual.swing[body.joint("left_finger1_1")].max() == 0
    still = Swinging.draw(body, pose, 0.0, np.random.default_rng(0))
    np.testing.assert_allclose(still.at(2.0), still.at(0.0), atol=1e-12)
    np.testing.assert_allclose(usual.at(0.0), pose, atol=1e-9)


def test_a_film_is_a_labelled_set_and_a_video_of_it(tmp_path, capsys):
    words = ["--out", str(tmp_path), "--rate", "5", "--mode", "raster", "--size", "96", "72", "--samples", "1",
             "--workers", "1", "--shard-size", "2", "--seed", "2"]  # fmt: skip
    assert main(["--seconds", "0.4", *words]) == 0
    assert f"film: {tmp_path / 'film.mp4'}" in capsys.readouterr().out
    assert main(["--seconds", "0.8", *words]) == 0  # goes on
    data = json.loads((tmp_path / "annotations/person_keypoints_film.json").read_text())
    assert [image["id"] for image in data["images"]] == [1, 2, 3, 4]
    assert [image["scene"]["time_s"] for image in data["images"]] == pytest.approx([0, 0.2, 0.4, 0.6])
    assert len({image["seed"] for image in data["images"]}) == 1
    facts = video_facts(tmp_path / "film.mp4")
    assert facts.size == (96, 72) and facts.rate == pytest.approx(5)
    frames = list(read_video(tmp_path / "film.mp4"))
    assert [time for _, time, _ in frames] == pytest.approx([0, 0.2, 0.4, 0.6], abs=1e-3)
    for (_, _, frame), image in zip(frames, data["images"], strict=True):
        picture = read_rgb(tmp_path / "images/film" / image["file_name"])
        assert np.abs(frame.astype(float) - picture).mean() < 6
    first, last = (np.reshape(data["annotations"][i]["keypoints"], (17, 3)) for i in (0, 3))
    assert np.abs(first[:, :2] - last[:, :2]).max() > 1  # px


def test_what_no_film_can_show_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="posture supine, blanket 0"):
        VideoRecipe(replace(LOOK, postures=()), 0, "film", Labels())
    with pytest.raises(ConfigError, match="rate must be above 0"):
        VideoRecipe(LOOK, 0, "film", Labels(), rate=0.0)
    with pytest.raises(ConfigError, match="shows a room"):
        main(["--out", str(tmp_path), "--backgrounds", str(tmp_path)])
