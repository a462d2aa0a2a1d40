"""Path tracing gives a finite number for every pixel, also on surfaces whose texture runs straight up."""

import numpy as np
import pytest
from synth_render import GREY, facing, matt, square

from infantsynth.body import load_body
from infantsynth.image_set import ImageLook, image_seed
from infantsynth.render.mitsuba_scene import relief_bitmap
from infantsynth.render.path import PathRenderer
from infantsynth.scene.sample import sample_scene
from infantsynth.spec import Material

pytest.importorskip("mitsuba")

CRIBS = (6, 12, 27)  # scenes of seed 0 of which Mitsuba gave NaN in 11, 7 and 8 of 256x192 pixels


@pytest.mark.parametrize(
    "relief", [None, np.zeros((64, 64), np.float32), np.full((700, 700), 0.002, np.float32)]
)
def test_a_relief_has_a_slope_everywhere_that_nobody_sees(relief):
    made = relief_bitmap(Material(GREY, relief=relief))
    assert made.shape == (512, 512, 1) and made.dtype == np.float32
    steps = np.diff(made[..., 0], axis=1, append=made[:, :1, 0])  # it repeats
    slope = 512 * np.abs(steps)  # m a tile
    assert slope.min() == pytest.approx(1e-4, rel=0.01) and slope.max() == pytest.approx(1e-4, rel=0.01)


def test_a_surface_whose_u_grows_straight_up_is_as_bright_as_any_other(capfd):
    """Textures of one colour look the same whichever way they are turned."""
    renderer = PathRenderer("scalar", samples=64, denoise=False)
    aside = facing([square(matt([0.6, 0.4, 0.2]), 5.0)], size=(16, 12))
    (mesh,) = aside.meshes
    turned = facing([type(mesh)(**{**vars(mesh), "uv": mesh.uv[:, ::-1].copy()})], size=(16, 12))
    flat, up = (renderer.draw(spec, 1).astype(float).mean(axis=(0, 1)) for spec in (aside, turned))
    np.testing.assert_allclose(up, flat, atol=1)
    assert "nan" not in "".join(capfd.readouterr())


@pytest.mark.slow
@pytest.mark.parametrize("index", CRIBS)
def test_cribs_are_drawn_without_a_number_that_is_none(index, capfd, caplog):
    look = ImageLook(mode="path", size=(256, 192), samples=4)
    seed = image_seed(0, index, 0)
    spec = sample_scene(load_body("infant"), seed, look.scene_options())
    assert spec.info["place"] == "crib"
    PathRenderer("scalar", samples=4).draw(spec, seed)
    assert "Invalid sample value" not in "".join(capfd.readouterr())
    assert "no finite value" not in caplog.text
