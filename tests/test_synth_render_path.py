"""The path tracer at tiny sizes: the same places, colours and light as the fast mode and the labels."""

from dataclasses import replace

import numpy as np
import pytest
from synth_render import GREY, facing, iou, lamp, mannequin, matt, outline, quarters, spot, square

from fidip.errors import ConfigError, DataError
from infantsynth.annotate import label_keypoints
from infantsynth.render import develop, path, raster
from infantsynth.render.path import PathRenderer
from infantsynth.render.zbuffer import rasterise
from infantsynth.spec import Camera, Environment, Material

pytest.importorskip("mitsuba")

DIM = Environment(np.full(3, 0.05))


@pytest.fixture(scope="module")
def noisy():
    return PathRenderer("scalar", samples=16, denoise=False)


def srgb(linear):
    return np.rint(develop.to_srgb(np.asarray(linear)) * 255).astype(int)


@pytest.mark.parametrize("view", [(-90, 10, 0.0), (-130, 60, 2.0)])
def test_the_drawn_body_covers_its_projected_faces(noisy, view):
    azimuth, elevation, roll = view
    spec = mannequin(azimuth, elevation, (160, 120), [0.02, 0.02, 0.02], roll=roll)
    drawn = noisy.draw(spec, 1).max(axis=2) < 169  # dark before a bright sky; half of its light
    expected = outline(spec)
    assert iou(drawn, expected) > 0.97
    assert iou(drawn, expected[:, ::-1]) < 0.9, "a mirrored camera must fail"


def test_labelled_wrists_have_the_colour_of_their_side(noisy):
    checked = 0
    for azimuth, elevation, roll in [(-90, 10, 0.0), (90, 10, 1.0)]:
        spec = mannequin(azimuth, elevation, (120, 90), None, roll=roll)
        picture = noisy.draw(spec, 0).astype(int)
        labels = label_keypoints(spec, rasterise(spec.camera, spec.meshes))
        for wrist, own, other in ((9, 0, 2), (10, 2, 0)):
            x, y, visibility = labels[wrist]
            if visibility == 2:
                pixel = picture[round(y), round(x)]
                assert pixel[own] > 1.5 * pixel[other], (azimuth, wrist, pixel)
                checked += 1
    assert checked >= 3


def test_white_under_an_even_sky_is_as_bright_as_in_the_fast_mode(noisy):
    spec = facing([square(matt([0.9, 0.6, 0.3]), 5.0)], size=(32, 24))
    got = noisy.draw(spec, 2).reshape(-1, 3).astype(float).mean(axis=0)
    assert np.abs(got - srgb(0.8 * develop.to_linear([0.9, 0.6, 0.3]))).max() < 4


def test_a_lamp_is_as_bright_as_its_formula(noisy):
    """Light from a lamp at 45 degrees, metered: white would be 0.8."""
    centre = 1.5 * np.array([np.sqrt(0.5), -np.sqrt(0.5), 0])
    black = Environment(np.full(3, 1e-5))
    spec = facing([square(matt([0.5] * 3), 1.0)], [lamp(centre, [30.0] * 3, 0.1)], black)
    assert noisy.draw(spec, 3)[20:28, 28:36].mean() == pytest.approx(
        srgb(0.8 * develop.to_linear(0.5)), abs=6
    )


def test_pictures_on_surfaces_stand_upright(noisy):
    picture = noisy.draw(facing([square(matt(quarters()), 1.0)], size=(96, 72)), 0).astype(int)
    above_left, above_right, below_left = picture[25, 37], picture[25, 58], picture[46, 37]
    assert above_left.argmax() == 0 and above_right.argmax() == 1 and below_left.argmax() == 2
    assert np.ptp(picture[46, 58]) < 12 and picture[46, 58].min() > 100


@pytest.mark.parametrize(("side", "brighter"), [(-1, True), (1, False)])
def test_a_slope_that_faces_the_lamp_is_brighter(noisy, side, brighter):
    rise = np.tile(np.linspace(0, 0.3, 64, dtype=np.float32), (64, 1))
    light = [lamp([side * 1.2, -1.2, 0], [500.0] * 3)]
    flat, steep = (
        noisy.draw(facing([square(Material(GREY, 0.5, 0.0, relief=relief))], light, DIM), 0)[
            18:30, 26:38
        ].mean()
        for relief in (None, rise)
    )
    assert steep > flat + 5 if brighter else steep < flat - 5


@pytest.mark.parametrize(("column", "turn"), [(32, np.pi / 2), (35, np.pi / 2), (16, 0.0), (13, 0.0)])
def test_the_surroundings_stand_where_the_fast_mode_has_them(noisy, column, turn):
    """The camera looks along +y; the patch stands in the middle or to the right."""
    spec = facing([square(matt(GREY), 0.1, depth=-1.5)], environment=spot(column, turn), size=(80, 40))
    traced, fast = noisy.draw(spec, 0).astype(float), raster.draw(spec).astype(float)
    background = np.ones((40, 80), bool)
    background[10:30, 30:50] = False  # the square
    assert np.abs(traced - fast)[background].mean() < 5  # mitsuba's rows are half a pixel off at the poles
    mirrored = np.abs(traced[:, ::-1] - fast)[background].mean()
    assert mirrored > 10 or column in (16, 32)


def test_the_background_stays_to_the_byte_where_nothing_is_drawn(noisy):
    background = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    spec = replace(mannequin(size=(80, 60)), background=background)
    picture = noisy.draw(spec, 0)
    body = rasterise(spec.camera, spec.meshes, 3).mesh.reshape(60, 3, 80, 3) >= 0
    empty = ~body.any(axis=(1, 3))
    assert (picture[empty] == background[empty]).all()
    inside = picture[body.all(axis=(1, 3))].astype(int)
    assert np.abs(inside.mean() - noisy.draw(mannequin(size=(80, 60)), 0)[body.all(axis=(1, 3))].mean()) < 3


def test_the_same_seed_gives_the_same_bytes_and_others_do_not(noisy):
    spec = mannequin(size=(48, 36), color=None)
    again = PathRenderer("scalar", samples=16, denoise=False)
    np.testing.assert_array_equal(noisy.draw(spec, 7), again.draw(spec, 7))
    assert (noisy.draw(spec, 7) != noisy.draw(spec, 8)).any()
    noisy.draw(spec, 2**40 + 7)  # any whole number will do


def test_the_denoiser_comes_nearer_to_the_truth():
    pytest.importorskip("mitsuba_oidn")
    light = lamp([1.0, -1.5, 1.2], [4.0] * 3, 1.0)
    spec = replace(
        mannequin(size=(80, 60), color=None, extra=(square(matt(GREY), 3.0, 0.4),)), lights=(light,)
    )
    truth = PathRenderer("scalar", samples=256, denoise=False).draw(spec, 1).astype(float)
    raw, clean = (PathRenderer("scalar", 2, denoise).draw(spec, 2).astype(float) for denoise in (False, True))
    assert np.abs(clean - truth).mean() < 0.5 * np.abs(raw - truth).mean()


def test_the_lens_blurs_what_is_out_of_focus(noisy):
    """The circle of confusion: 2 x 0.05 m x (2 - 0.8) / 0.8 = 0.15 m at the square, 10 px."""
    near = facing([square(matt(quarters()), 1.0)], size=(96, 72))
    rises = []
    for focus in (2.0, 0.8):
        row = (
            noisy.draw(replace(near, aperture=0.05, focus=focus), 0)
            .astype(float)[22:30, 30:66, 1]
            .mean(axis=0)
        )
        rises.append(np.count_nonzero((row > 15) & (row < 175)))
    assert rises[0] <= 2 and 6 <= rises[1] <= 10


def test_cameras_that_the_lens_cannot_have_are_refused(noisy):
    spec = mannequin(size=(48, 36))
    skew = spec.camera.intrinsics.copy()
    skew[0, 2] += 5
    camera = Camera(skew, spec.camera.rotation, spec.camera.translation, 48, 36)
    with pytest.raises(DataError, match="image's middle"):
        noisy.draw(replace(spec, camera=camera), 0)


def test_llvm_draws_what_scalar_draws(noisy):
    if not path.works("llvm"):
        pytest.skip("no usable LLVM here")
    spec = mannequin(size=(48, 36), color=None)
    other = PathRenderer("llvm", samples=64, denoise=False)
    assert np.abs(other.draw(spec, 1).astype(float) - noisy.draw(spec, 1)).mean() < 3
    np.testing.assert_array_equal(other.draw(spec, 1), other.draw(spec, 1))


@pytest.mark.parametrize("wrong", [{"samples": 0}, {"threads": 0}, {"variant": "opengl"}])
def test_impossible_options_are_refused(wrong):
    with pytest.raises(ConfigError):
        PathRenderer(**{"variant": "scalar", **wrong})
