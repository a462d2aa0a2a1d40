"""What scenes are made of: height fields, cloth, toys, cameras, rooms, light, shapes."""

import numpy as np
import pytest
from synth_look import body_named

from infantsynth.appearance.textures import TextureSource
from infantsynth.body import PART_NAMES
from infantsynth.scene.bedding import FAR, GAP, Blanket, Grid, drape, over_body, press, relax, thicken_up
from infantsynth.scene.places import draw_place, put_under
from infantsynth.scene.room import build_room, handhold, plan_room
from infantsynth.scene.settle import pose_body
from infantsynth.scene.shapes import box, cushion, ring, sphere, tube
from infantsynth.scene.surroundings import draw_lighting, procedural_background, random_window, temperature
from infantsynth.scene.toys import MAKERS, make_toy, scatter
from infantsynth.scene.viewpoint import Frame, sample_camera

TEXTURES = TextureSource()


def volume(shape):
    a, b, c = shape.vertices[shape.faces].transpose(1, 0, 2)
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def test_shapes_are_closed_and_look_outward():
    assert volume(box(np.array([1.0, 2, 3]))) == pytest.approx(6)
    assert volume(sphere(1.0, 64)) == pytest.approx(4 / 3 * np.pi, rel=0.01)
    assert volume(ring(1.0, 0.2, 72)) == pytest.approx(2 * np.pi**2 * 0.04, rel=0.02)
    assert volume(cushion(np.array([2.0, 2, 2]), 1.0, 48)) == pytest.approx(4 / 3 * np.pi, rel=0.01)
    length = volume(tube(np.array([[0, 0, 0], [0, 0, 0.5], [0, 0, 1.0]]), 0.1, 48))
    assert length == pytest.approx(np.pi * 0.01 * (1 + 4 / 3 * 0.1), rel=0.05)  # with round caps


def test_grid_reads_fields_and_outlines():
    grid = Grid.around(np.array([[0.0, 0], [1, 0.5]]), 0.1, 0.05)
    plane = grid.points @ np.array([2.0, -1.0])
    spots = np.random.default_rng(0).uniform(0, 0.5, (20, 2))
    np.testing.assert_allclose(grid.sample(plane, spots), spots @ [2.0, -1.0], atol=1e-9)
    assert grid.sample(plane, np.array([9.0, 9]), outside=-7.0) == -7
    ball = sphere(0.2, 96).moved([0.5, 0.25, 0.4])
    low, high = grid.envelope(ball.vertices, ball.faces)
    assert high.max() == pytest.approx(0.6, abs=1e-3) and low.min() == pytest.approx(0.2, abs=1e-3)
    far = np.linalg.norm(grid.points - [0.5, 0.25], axis=-1) > 0.25
    assert (high[far] == -FAR).all() and (low[far] == FAR).all()


def test_a_cloth_hangs_in_a_parabola_between_its_supports():
    low, high, pull = 0.0, 0.1, 1e-4
    obstacle = np.full((41, 3), -9.0)
    obstacle[10], obstacle[30] = low, high
    cloth = relax(obstacle, obstacle, pull, 20000)[10:31, 1]
    place = np.arange(
        21
    )  # points are a quarter of their four neighbours less the pull: second differences of 4 pull
    hanging = low + (high - low) * place / 20 + 2 * pull * place * (place - 20)
    np.testing.assert_allclose(cloth, hanging, atol=1e-6)


def test_a_cloth_without_weight_is_level_as_its_border_is_free():
    obstacle = np.full((21, 3), -1.0)
    obstacle[0], obstacle[10] = 0.0, 0.4
    np.testing.assert_allclose(relax(obstacle, obstacle, 0.0, 6000), 0.4, atol=1e-3)


def ball_on_the_ground(radius=0.1):
    ball = sphere(radius, 48).moved([0, 0, radius])
    grid = Grid.around(ball.vertices, 0.4, 0.01)
    return grid, grid.envelope(ball.vertices, ball.faces)


def test_blankets_lie_on_what_they_cover():
    grid, (_, high) = ball_on_the_ground()
    blanket = Blanket(np.array([0.5, 0.4]), np.zeros(2), 0.3, 0.005, 1.0, 0.008)
    made = drape(blanket, grid, np.zeros_like(high), high, 1.0, np.random.default_rng(0))
    ball = grid.sample(thicken_up(high), made.vertices[:, :2])
    top = made.vertices[: len(made.vertices) // 2]  # the upper side comes first
    assert (top[:, 2] > ball[: len(top)] - 1e-3).all() and made.vertices[:, 2].min() > -1e-3
    far = np.linalg.norm(top[:, :2], axis=1) > 0.2
    assert np.median(top[far, 2]) < 0.06  # it comes down to the ground beside the ball
    turned = np.array([[np.cos(0.3), np.sin(0.3)]])
    assert blanket.over(0.24 * turned, 0.0).all() and not blanket.over(0.3 * turned, 0.0).any()
    assert blanket.over(0.26 * turned, 0.02).all()


def test_blankets_start_between_knees_and_chest():
    joints = {
        "left_hip": (0.05, 0, 0), "right_hip": (-0.05, 0, 0), "left_shoulder": (0.08, 0.2, 0),
        "right_shoulder": (-0.08, 0.2, 0), "left_ankle": (0.05, -0.25, 0), "right_ankle": (-0.05, -0.25, 0),
    }  # fmt: skip
    joints = {name: np.array(place, dtype=float) for name, place in joints.items()}
    for seed in range(20):
        lying = over_body(joints, 1.0, np.random.default_rng(seed))
        assert -0.15 < lying.middle[1] + lying.size[1] / 2 < 0.25 and lying.middle[1] < 0


@pytest.mark.parametrize("name", ["crib", "bed", "mat", "quilt"])
def test_beds_are_under_the_body_and_nothing_comes_through(name):
    rng = np.random.default_rng(3)
    place = draw_place("supine", 1.0, rng)
    while place.name != name:
        place = draw_place("supine", 1.0, rng)
    ball = sphere(0.12, 48).moved([0, 0, 0.10])  # pressed in by 2 cm
    place = put_under(place, ball.vertices, rng)
    assert (np.abs(place.local(ball.vertices[:, :2])) < place.size / 2).all()
    np.testing.assert_allclose(
        place.world(place.local(ball.vertices[:, :2])), ball.vertices[:, :2], atol=1e-9
    )
    bedding = press(place, [(ball.vertices, ball.faces)], 1.0, rng)
    below = bedding.height(ball.vertices[:, :2])
    assert (ball.vertices[:, 2] - below).min() > 0.5 * GAP
    assert below.min() > -0.02 - 3 * GAP  # dented by what presses it, no more


def test_every_toy_stands_on_the_ground():
    for name in MAKERS:
        for seed in range(3):
            parts = make_toy(name, np.random.default_rng(seed), TEXTURES)
            points = np.concatenate([shape.vertices for shape, _, _ in parts])
            assert abs(points[:, 2].min()) < 0.004, name  # m
            assert 0.02 < np.ptp(points, axis=0).max() < 0.6, name


def test_toys_keep_away_from_the_body_and_each_other():
    occupied = np.random.default_rng(0).uniform([-0.2, -0.3, 0], [0.2, 0.3, 0.2], (4000, 3))
    for seed in range(5):
        meshes, names = scatter(
            np.random.default_rng(seed), 5, lambda xy: np.zeros(xy.shape[:-1]), occupied, 0.7, TEXTURES
        )
        assert names
        points = np.concatenate([mesh.vertices for mesh in meshes])
        outside = np.maximum(np.abs(points[:, :2]) - [0.2, 0.3], 0)
        assert np.linalg.norm(outside, axis=1).min() > 0.003
        assert abs(points[:, 2].min()) < 0.006


def test_a_handhold_is_below_the_hands_and_before_the_child():
    hands = np.array([[0.1, -0.3, 0.4], [-0.1, -0.28, 0.38]])
    (table,) = handhold(hands, 0.0, np.array([0.0, -1.0]), np.random.default_rng(0), TEXTURES)
    assert table.vertices[:, 2].max() < 0.38 and table.vertices[:, 2].min() == pytest.approx(0, abs=1e-6)
    assert table.vertices[:, 1].max() < -0.2


def frame(posture):
    body = body_named("infant")
    posed = pose_body(
        body, np.zeros(body.num_betas), np.zeros((len(body.joint_names), 3)), np.array([0, 0, 0.4])
    )
    head = posed.vertices[np.asarray(body.parts) == PART_NAMES.index("head")]
    return Frame(posed.vertices, posed.keypoints, head, np.array([0, -1.0, 0]), 1.0, posture)


@pytest.mark.parametrize("posture", ["supine", "standing", "photo"])
def test_cameras_show_the_head_and_most_of_the_body(posture):
    scene = frame(posture)
    cut = 0
    for seed in range(60):
        camera, lens = sample_camera(scene, (64, 48), np.random.default_rng(seed))
        assert camera.inside(camera.project(scene.head)[0]).all()
        inside = camera.inside(camera.project(scene.keypoints)[0])
        assert inside.sum() >= 8 and camera.centre[2] >= 0.12
        cut += not camera.inside(camera.project(scene.vertices)[0]).all()
        assert lens.focus > 0.05 and 0 <= lens.aperture < 0.01
    assert cut <= 12  # of 60


def test_rooms_hold_everything_and_have_no_open_side():
    for seed in range(6):
        rng = np.random.default_rng(seed)
        place = put_under(draw_place("supine", 1.0, rng), rng.uniform(-0.2, 0.2, (50, 3)), rng)
        points = rng.uniform(-2, 2, (20, 3))
        room = plan_room(place, points, rng)
        inside = room.rotation.inv().apply(points)[:, :2]
        assert (inside > room.low).all() and (inside < room.high).all()
        meshes = build_room(room, place, rng, TEXTURES)
        shell = np.concatenate([mesh.vertices for mesh in meshes])
        flat = room.rotation.inv().apply(shell)
        assert (flat[:, :2].min(axis=0) <= room.low + 1e-6).all() and (
            flat[:, :2].max(axis=0) >= room.high - 1e-6
        ).all()
        assert flat[:, 2].max() > place.floor + 4


def test_light_is_as_warm_and_as_strong_as_asked():
    np.testing.assert_allclose(temperature(6500), 1, atol=1e-9)
    warm, cold = temperature(2700), temperature(10000)
    assert warm[0] > 1.3 > 1 > warm[2] and cold[2] > 1 > cold[0]
    for seed in range(10):
        lighting = draw_lighting(np.zeros(3), 1.0, False, np.random.default_rng(seed))
        key = lighting.lights[0]
        reach = np.linalg.norm(key.centre)
        received = (
            key.radiance * key.size[0] * key.size[1] / reach**2
        )  # irradiance of a small lamp, facing it
        dome = np.pi * lighting.environment.radiance.mean(axis=(0, 1))
        assert 0.2 < received.mean() / dome.mean() < 12 and key.centre[2] > 0


def test_no_lamp_stands_before_the_camera_and_none_loses_light():
    viewpoint = np.array([0.1, -0.3, 2.2])  # above the body, where ceiling lamps hang
    for seed in range(20):
        lighting = draw_lighting(np.zeros(3), 1.0, False, np.random.default_rng(seed))
        for before, after in zip(lighting.lights, lighting.seen_from(viewpoint).lights, strict=True):
            assert (viewpoint - after.centre) @ (after.target - after.centre) > 0  # its bright side
            reaches = np.linalg.norm(before.centre), np.linalg.norm(after.centre)
            solid = [
                np.prod(lamp.size) / reach**2 for lamp, reach in zip((before, after), reaches, strict=True)
            ]
            np.testing.assert_allclose(solid[1], solid[0], rtol=1e-9)
            np.testing.assert_array_equal(after.radiance, before.radiance)


def test_backgrounds_cover_the_picture():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (30, 90, 3), dtype=np.uint8)
    assert random_window(picture, (64, 48), rng).shape == (48, 64, 3)
    assert (
        random_window(np.full((600, 20, 3), 7, np.uint8), (64, 48), rng).tolist()
        == np.full((48, 64, 3), 7).tolist()
    )
    made, name = procedural_background((64, 48), rng)
    assert made.shape == (48, 64, 3) and made.dtype == np.uint8 and np.ptp(made) > 5 and name
