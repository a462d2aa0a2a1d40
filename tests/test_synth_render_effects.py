"""A camera's faults: seeded, measured, and none where none is asked for."""

from dataclasses import replace

import numpy as np
import pytest

from infantsynth.render.develop import NO_FAULTS, CameraFaults, add_camera_faults, to_linear


def grey(value=118, shape=(240, 320, 3)):
    return np.full(shape, value, np.uint8)


def photo():
    y, x = np.mgrid[:120, :160]
    return np.stack([x, y, 255 - x], axis=-1).astype(np.uint8)


def test_no_faults_change_no_byte():
    np.testing.assert_array_equal(add_camera_faults(photo(), np.random.default_rng(0), NO_FAULTS), photo())


def test_the_same_seed_gives_the_same_bytes_and_others_do_not():
    first, again, other = (add_camera_faults(photo(), np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any() and first.dtype == np.uint8 and first.shape == (120, 160, 3)


def test_noise_is_as_strong_as_it_says_and_grows_with_light():
    faults = replace(NO_FAULTS, noise=0.03)
    spread = [
        add_camera_faults(grey(), np.random.default_rng(seed), faults).std() / 255 for seed in range(40)
    ]
    assert 0.02 < max(spread) < 0.05 and min(spread) < 0.006
    noisy = max(range(40), key=spread.__getitem__)
    dark, bright = (
        to_linear(add_camera_faults(grey(value), np.random.default_rng(noisy), faults) / 255).std()
        for value in (40, 180)
    )
    assert bright > 2 * dark


def test_blur_keeps_the_light_and_softens_edges():
    picture = grey(40)
    picture[:, 160:] = 200
    faults = replace(NO_FAULTS, blur=3.0)
    seeds = [np.random.default_rng(seed) for seed in range(20)]
    steps = [
        np.abs(np.diff(add_camera_faults(picture, rng, faults)[120, :, 1].astype(int))).max() for rng in seeds
    ]
    assert max(steps) == 160 and min(steps) < 110


def test_shaking_smears_a_point_along_a_line():
    picture = grey(0, (101, 101, 3))
    picture[50, 50] = 255
    faults = replace(NO_FAULTS, motion=1.0, shake=80.0)
    light = to_linear(add_camera_faults(picture, np.random.default_rng(3), faults) / 255)[..., 0]
    y, x = np.nonzero(light)
    assert light.sum() == pytest.approx(1, abs=0.05)
    lengths = np.sqrt(np.linalg.eigvalsh(np.cov(np.stack([x, y]))))
    assert lengths[1] > 3 * lengths[0]


def test_corners_are_darker_than_the_middle():
    picture = add_camera_faults(grey(), np.random.default_rng(5), replace(NO_FAULTS, vignette=0.9)).astype(
        int
    )
    assert picture[120, 160, 0] >= 117 and picture[0, 0, 0] < 100
    np.testing.assert_array_equal(picture[0, 0], picture[-1, -1])


def test_tint_and_exposure_have_the_spread_that_is_asked_for():
    faults = replace(NO_FAULTS, tint=0.1, exposure=0.3)
    light = [
        to_linear(add_camera_faults(grey(90), np.random.default_rng(seed), faults)[0, 0] / 255.0)
        for seed in range(300)
    ]
    stops, warmth = np.log2(np.stack(light)[:, 1]), np.log(np.stack(light)[:, 0] / np.stack(light)[:, 2])
    assert stops.std() == pytest.approx(0.3, rel=0.2) and warmth.std() == pytest.approx(0.2, rel=0.2)


def test_usual_faults_leave_pictures_readable():
    changes = [
        np.abs(add_camera_faults(photo(), np.random.default_rng(seed)).astype(int) - photo()).mean()
        for seed in range(30)
    ]
    assert np.median(changes) < 25 and max(changes) < 70 and CameraFaults() != NO_FAULTS
