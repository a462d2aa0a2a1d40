"""Colours, procedural tiles, and a user's folder of textures."""

import cv2
import numpy as np
import pytest
from synth_look import SMALL, body_named, posed

from fidip.errors import ConfigError, DataError
from infantsynth.appearance.dress import dress
from infantsynth.appearance.swatch import (
    SKIN_DISTANCE,
    away_from,
    cloth_color,
    color_distance,
    mean_color,
    noise_field,
    to_lab,
    to_rgb,
)
from infantsynth.appearance.textures import KINDS, TextureSource, meets, procedural_color, procedural_swatch

# sRGB to CIE Lab under D65, from the definition of both (IEC 61966-2-1, CIE 15)
KNOWN = [
    ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
    ((1.0, 1.0, 1.0), (100.0, 0.0, 0.0)),
    ((1.0, 0.0, 0.0), (53.24, 80.09, 67.20)),
    ((0.0, 1.0, 0.0), (87.73, -86.18, 83.18)),
    ((0.0, 0.0, 1.0), (32.30, 79.19, -107.86)),
    ((0.5, 0.5, 0.5), (53.39, 0.0, 0.0)),
]


@pytest.mark.parametrize(("rgb", "lab"), KNOWN)
def test_lab_of_known_colors(rgb, lab):
    np.testing.assert_allclose(to_lab(np.array(rgb)), lab, atol=0.15)


def test_lab_there_and_back_keeps_shape_and_value():
    colors = np.random.default_rng(0).random((4, 5, 3)).astype(np.float32)
    assert to_lab(colors).shape == (4, 5, 3)
    np.testing.assert_allclose(to_rgb(to_lab(colors)), colors, atol=2e-3)
    assert color_distance(np.zeros(3), np.ones(3)) == pytest.approx(100, abs=0.1)


def test_cloth_colors_keep_their_distance_from_every_skin():
    rng = np.random.default_rng(1)
    for lab in ([77, 11, 15], [60, 15, 22], [42, 14, 18], [27, 9, 10]):
        skin = to_rgb(np.array(lab, float))
        for _ in range(50):
            assert color_distance(cloth_color(rng, skin), skin) >= SKIN_DISTANCE


def test_a_picture_like_skin_is_shifted_away_from_it_and_others_are_left_alone():
    rng = np.random.default_rng(2)
    for lab in ([77, 11, 15], [52, 15, 21], [27, 9, 10]):
        skin = to_rgb(np.array(lab, float))
        picture = np.clip(skin + rng.normal(0, 0.05, (30, 30, 3)), 0, 1).astype(np.float32)
        moved = away_from(picture, skin)
        assert color_distance(mean_color(moved), skin) >= SKIN_DISTANCE
        assert np.ptp(moved) > 0.1  # still a picture
    blue = np.tile(np.float32([0.1, 0.2, 0.6]), (4, 4, 1))
    assert away_from(blue, to_rgb(np.array([70.0, 14, 18]))) is blue


@pytest.mark.parametrize("kind", KINDS)
def test_tiles_repeat_without_a_seam(kind):
    for seed in range(3):
        made = procedural_swatch(kind, np.random.default_rng(seed), 96)
        assert made.color.shape == (96, 96, 3) and made.color.dtype == np.float32
        assert made.color.min() >= 0 and made.color.max() <= 1 and np.isfinite(made.relief).all()
        assert made.relief.shape == (96, 96) and 0.05 < made.metres < 2
        for axis in (0, 1):  # the step over the border is one of the steps that there are inside
            steps = np.abs(np.diff(made.color, axis=axis, append=np.take(made.color, [0], axis=axis))).mean(
                axis=2
            )
            per_line = steps.mean(axis=1 - axis)
            assert per_line[-1] <= 1.3 * per_line[:-1].max() + 1e-3, (seed, axis)


def test_tiles_depend_on_the_seed_alone():
    first, again, other = (procedural_color("floral", np.random.default_rng(seed), 64) for seed in (5, 5, 6))
    assert first.tobytes() == again.tobytes() and first.tobytes() != other.tobytes()
    with pytest.raises(ConfigError, match="velvet"):
        procedural_color("velvet", np.random.default_rng(0), 64)


def test_noise_has_unit_deviation_and_is_periodic():
    noise = noise_field(np.random.default_rng(3), 128, 16.0)
    assert abs(float(noise.mean())) < 0.05 and float(noise.std()) == pytest.approx(1, abs=0.05)
    step = np.abs(np.diff(noise, axis=1))
    assert np.abs(noise[:, 0] - noise[:, -1]).mean() < 1.3 * step.mean()


def picture_folder(tmp_path, color=(20, 60, 200)):
    folder = tmp_path / "textures"
    (folder / "fabric").mkdir(parents=True)
    picture = np.random.default_rng(0).integers(0, 40, (80, 96, 3)) + np.array(color[::-1])
    cv2.imwrite(str(folder / "fabric" / "weave.png"), np.clip(picture, 0, 255).astype(np.uint8))
    return folder


def test_a_folder_is_sorted_by_the_names_of_its_sub_folders(tmp_path):
    folder = picture_folder(tmp_path)
    cv2.imwrite(str(folder / "Grass_004.png"), np.full((64, 64, 3), 90, np.uint8))
    (folder / "notes.txt").write_text("not a picture")
    source = TextureSource(folder, share=1.0)
    assert source.swatch("grass", np.random.default_rng(0), 64)[0] == "Grass_004.png"
    name, made = source.swatch("cloth", np.random.default_rng(0), 64)
    assert name == "weave.png" and made.color.shape == (64, 64, 3)
    assert meets(made.color)  # mirrored, as its edges did not meet
    assert source.swatch("sheet", np.random.default_rng(0), 64)[0] == "weave.png"
    assert source.swatch("wood", np.random.default_rng(0), 64)[0] == "wood"


def test_clothes_from_a_folder_keep_away_from_the_skin_too(tmp_path):
    folder = picture_folder(tmp_path, (200, 150, 125))  # like skin
    body = body_named("infant")
    for seed in range(6):
        rng = np.random.default_rng(seed)
        result = dress(body, *posed(body, seed, "rest"), rng, TextureSource(folder, share=1.0), SMALL)
        for garment in result.info["garments"]:
            assert color_distance(np.array(garment["color"]), np.array(result.info["skin"])) >= 32 - 0.2


def test_a_missing_or_empty_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="nowhere"):
        TextureSource(tmp_path / "nowhere")
    (tmp_path / "bare").mkdir()
    with pytest.raises(DataError, match=r"bare.*0 images"):
        TextureSource(tmp_path / "bare")
    (tmp_path / "bare" / "holiday.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"bare.*1 images.*sub-folder"):
        TextureSource(tmp_path / "bare")


def test_an_unreadable_or_tiny_picture_is_named(tmp_path):
    folder = picture_folder(tmp_path)
    (folder / "fabric" / "weave.png").write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"weave\.png"):
        TextureSource(folder, share=1.0).swatch("cloth", np.random.default_rng(0), 64)
    cv2.imwrite(str(folder / "fabric" / "weave.png"), np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(DataError, match=r"weave\.png is 4 x 4"):
        TextureSource(folder, share=1.0).swatch("cloth", np.random.default_rng(0), 64)
