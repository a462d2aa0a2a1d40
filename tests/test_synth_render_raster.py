"""The fast mode: right places, right colours, right light, the same bytes each time."""

from dataclasses import replace

import numpy as np
import pytest
from synth_render import GREY, facing, iou, lamp, mannequin, matt, outline, quarters, spot, square

from infantsynth.annotate import label_keypoints
from infantsynth.render import develop, raster
from infantsynth.render.lighting import Dome, environment_directions, incident
from infantsynth.render.zbuffer import rasterise
from infantsynth.spec import Environment, Material

VIEWS = [(-90, 10, 0.0), (-50, 30, 0.4), (-130, 60, 2.0), (90, 10, 0.0), (0, 20, -1.0), (180, -20, 3.0)]

DIM = Environment(np.full(3, 0.05))


def srgb(linear):
    return np.rint(develop.to_srgb(np.asarray(linear)) * 255).astype(int)


@pytest.mark.parametrize("view", VIEWS[:3])
def test_the_drawn_body_covers_its_projected_faces(view):
    azimuth, elevation, roll = view
    spec = mannequin(azimuth, elevation, (240, 180), [0.02, 0.02, 0.02], roll=roll)
    drawn = raster.draw(spec, supersample=4).max(axis=2) < 169  # dark before a bright sky; half of its light
    expected = outline(spec)
    assert expected.mean() > 0.05 and iou(drawn, expected) > 0.97
    assert iou(drawn, expected[:, ::-1]) < 0.9, "a mirrored camera must fail"


def test_labelled_wrists_have_the_colour_of_their_side():
    checked = 0
    for azimuth, elevation, roll in VIEWS:
        spec = mannequin(azimuth, elevation, (200, 150), None, roll=roll)
        picture = raster.draw(spec).astype(int)
        labels = label_keypoints(spec, rasterise(spec.camera, spec.meshes))
        for wrist, own, other in ((9, 0, 2), (10, 2, 0)):
            x, y, visibility = labels[wrist]
            if visibility == 2:
                pixel = picture[round(y), round(x)]
                assert pixel[own] > 2 * pixel[other], (azimuth, wrist, pixel)
                checked += 1
    assert checked >= 9


def test_white_under_an_even_sky_has_the_value_that_the_meter_says():
    """Everywhere the same: all light comes back but the surface's share; the meter makes white 0.8."""
    for level in (0.1, 3.0):
        spec = facing([square(matt([0.9, 0.6, 0.3]), 5.0)], environment=Environment(np.full(3, level)))
        picture = raster.draw(spec).astype(int)
        assert np.abs(picture - srgb(0.8 * develop.to_linear([0.9, 0.6, 0.3]))).max() <= 1


def test_a_lamp_lights_by_the_inverse_square_and_the_cosine():
    """One lamp to the side, 1.5 m away at 45 degrees; the image's middle against the formula."""
    centre = 1.5 * np.array([np.sqrt(0.5), -np.sqrt(0.5), 0])
    spec = facing([square(matt([0.5] * 3), 3.0)], [lamp(centre, [30.0] * 3, 0.02)], Environment(np.zeros(3)))
    light = incident(spec.lights, spec.environment, np.zeros(3), np.array([0.0, -1, 0]))
    np.testing.assert_allclose(light, 30 * 0.02**2 * np.sqrt(0.5) / 1.5**2, rtol=1e-6)
    shaded = raster.draw(spec)[23:25, 31:33].mean()
    once = srgb(0.8 * develop.to_linear(0.5))
    assert once <= shaded <= srgb(0.8 * develop.to_linear(0.5) * 1.3)  # a little more comes back from around
    assert raster.draw(spec)[24, 50].mean() > shaded > raster.draw(spec)[24, 10].mean()


def test_shadows_fall_away_from_the_lamp_and_are_soft_for_large_lamps():
    board = square(matt([0.9] * 3), 0.3, depth=-0.5, kind="toy")
    board.vertices[:, 0] += 0.5
    wall = square(matt([0.9] * 3), 3.0)
    lit = [lamp([1.3, -1.3, 0.0], [20.0 / size**2] * 3, size) for size in (0.02, 0.6)]
    pictures = [raster.draw(facing([wall, board], [light], DIM, (160, 120))).astype(float) for light in lit]
    bare = raster.draw(facing([wall], [lit[0]], DIM, (160, 120))).astype(float)
    row = 60
    hard, soft = (picture[row, :, 1] / bare[row, :, 1] for picture in pictures)
    in_shadow = hard < 0.6
    per_metre = 80 / (np.tan(np.deg2rad(20)) * 2)
    width = 0.3 * 1.3 / 0.8 * per_metre  # of the board as the lamp throws it, opposite the camera
    assert in_shadow.sum() == pytest.approx(width, abs=3)
    assert np.flatnonzero(in_shadow).mean() == pytest.approx(79.5, abs=3)
    assert np.abs(np.diff(hard)).max() > 2 * np.abs(np.diff(soft[: np.flatnonzero(in_shadow)[-1] + 5])).max()


def test_pictures_on_surfaces_stand_upright():
    picture = raster.draw(facing([square(matt(quarters()), 1.0)], size=(96, 72))).astype(int)
    above_left, above_right = picture[25, 37], picture[25, 58]
    below_left, below_right = picture[46, 37], picture[46, 58]
    assert above_left.argmax() == 0 and above_right.argmax() == 1 and below_left.argmax() == 2
    assert above_left[1:].max() < 30 and np.ptp(below_right) <= 1 < below_right.min() - 150


def test_small_pictures_on_surfaces_do_not_flicker():
    fine = np.zeros((256, 256, 3), np.float32)
    fine[::2, ::2] = fine[1::2, 1::2] = 1
    picture = raster.draw(facing([square(matt(fine), 1.0)])).astype(float)
    assert picture[15:33, 22:42].std() < 3


@pytest.mark.parametrize(("side", "brighter"), [(-1, True), (1, False)])
def test_a_slope_that_faces_the_lamp_is_brighter(side, brighter):
    """Relief that rises to the right looks to the left."""
    rise = np.tile(np.linspace(0, 0.3, 64, dtype=np.float32), (64, 1))
    light = [lamp([side * 1.2, -1.2, 0], [500.0] * 3)]
    flat, steep = (
        raster.draw(facing([square(Material(GREY[None, None], 0.5, 0.0, relief=relief))], light, DIM))[
            24, 32
        ].mean()
        for relief in (None, rise)
    )
    assert steep > flat + 5 if brighter else steep < flat - 5


def test_the_background_stays_to_the_byte_where_nothing_is_drawn():
    rng = np.random.default_rng(0)
    background = rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)
    spec = replace(mannequin(), background=background)
    picture = raster.draw(spec)
    body = rasterise(spec.camera, spec.meshes, 2).mesh.reshape(120, 2, 160, 2) >= 0
    assert (picture[~body.any(axis=(1, 3))] == background[~body.any(axis=(1, 3))]).all()
    inside = body.all(axis=(1, 3))
    np.testing.assert_array_equal(picture[inside], raster.draw(mannequin())[inside])
    empty = facing([square(matt([1, 1, 1]), depth=-9.0)], background=background, size=(160, 120))
    np.testing.assert_array_equal(raster.draw(empty), background)


def test_the_same_scene_gives_the_same_bytes_and_is_not_changed():
    spec = mannequin(color=None)
    before = [mesh.vertices.copy() for mesh in spec.meshes]
    np.testing.assert_array_equal(raster.draw(spec), raster.draw(mannequin(color=None)))
    for mesh, vertices in zip(spec.meshes, before, strict=True):
        np.testing.assert_array_equal(mesh.vertices, vertices)


def test_the_dome_lights_like_the_sum_over_its_picture():
    environment = spot(20, turn=0.8)
    directions, solid = environment_directions(32, 64, 0.8)
    assert (solid * np.ones((32, 64))).sum() == pytest.approx(4 * np.pi, rel=1e-3)
    normals = np.random.default_rng(0).normal(size=(20, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    cosine = np.maximum(directions @ normals.T, 0)
    exact = np.einsum(
        "hwn,hwc,hwk->nc", cosine, environment.radiance, solid[..., None][..., :1, 0:1] * np.ones((32, 64, 1))
    )
    got = Dome(environment).irradiance(normals)
    assert np.abs(got - exact).max() < 0.12 * exact.max()  # what degree 2 can do for a small patch
    np.testing.assert_allclose(Dome(Environment(np.full(3, 2.0))).irradiance(normals), 2 * np.pi, rtol=1e-5)
