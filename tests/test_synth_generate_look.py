"""From options to a look: what is refused, and what decides on the pictures."""

import argparse
from pathlib import Path

import numpy as np
import pytest
from synth_scene import scene

from fidip.errors import ConfigError, DataError
from infantsynth.commands.options import (
    add_labels,
    add_look,
    add_scene,
    add_work,
    labels_of,
    look_of,
    order_of,
)
from infantsynth.image_set import ImageLook, Labels, content_of


def parsed(*words):
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_labels(parser, "train_infant")
    add_look(parser, "path")
    add_scene(parser)
    add_work(parser)
    return parser.parse_args(["--out", "x", *words])


def test_the_plain_command_makes_what_the_defaults_say():
    args = parsed()
    assert look_of(args) == ImageLook()
    assert labels_of(args) == Labels()
    order = order_of(args, 7)
    assert (order.root, order.split, order.count, order.part) == (Path("x"), "train_infant", 7, (1, 1))
    assert order.crew.backend == "local" and order.crew.workers >= 1


def test_every_option_reaches_the_look(tmp_path):
    for name in ("t", "l", "b"):
        (tmp_path / name).mkdir()
    words = "--mode raster --body adult --size 320 240 --samples 3 --variant scalar --no-denoise --no-effects"
    words += " --postures supine side --months 2 5 --rotation legacy --blanket 0.1 --toys 0.2 --fit-share 0.3"
    words += f" --fit-noise 0.4 --fits f.npz --textures {tmp_path}/t --lights {tmp_path}/l --backgrounds {tmp_path}/b"
    assert look_of(parsed(*words.split())) == ImageLook(
        "raster", "photo", "adult", (320, 240), 3, False, "scalar", False, ("supine", "side"), (2.0, 5.0), "legacy",
        0.1, 0.2, "f.npz", 0.3, 0.4, f"{tmp_path}/t", f"{tmp_path}/l", f"{tmp_path}/b",
    )  # fmt: skip
    words = "--quality 40 50 --first-id 5 --prefix p --depth --parts --space --part 2/3 --workers 4"
    args = parsed(*words.split())
    assert labels_of(args) == Labels(5, "p", (40, 50), True, True, True)
    assert order_of(args, 1).part == (2, 3) and order_of(args, 1).crew.workers == 4


def test_each_mode_has_its_usual_place():
    assert ImageLook().scene_mode == "scene" and ImageLook("raster").scene_mode == "photo"
    assert ImageLook("path", "photo").scene_mode == "photo"
    assert look_of(parsed("--backgrounds", "b")).scene_mode == "photo"
    options = ImageLook("raster", fits="f.npz", months=(1.0, 2.0)).scene_options()
    assert (options.mode, options.fits, options.textures, options.months) == (
        "photo",
        Path("f.npz"),
        None,
        (1.0, 2.0),
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--place scene --backgrounds b", "--place photo"),
        ("--months 5 2", "youngest and an oldest"),
        ("--samples -1", "samples must be"),
        ("--blanket 2", "share between 0 and 1"),
        ("--size 8 8", "too small"),
    ],
)
def test_contradictions_are_refused(words, message):
    with pytest.raises(ConfigError, match=message):
        look_of(parsed(*words.split()))


def test_impossible_numbers_are_refused(capsys):
    for words in ("--workers 0", "--shard-size 0"):
        with pytest.raises(ConfigError, match="1 or more"):
            order_of(parsed(*words.split()), 5)
    for quality in ((0, 50), (90, 80), (50, 101)):
        with pytest.raises(ConfigError, match="JPEG quality"):
            Labels(quality=quality)
    with pytest.raises(ConfigError, match="ids start at 1"):
        Labels(first_id=0)
    for part in ("3", "3/2", "0/2", "a/b"):
        with pytest.raises(SystemExit):
            parsed("--part", part)
    assert "is not K/N" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="mode 'crayon'"):
        ImageLook("crayon")


def test_folders_count_by_what_they_hold_not_by_where_they_are(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "1.png").write_bytes(b"one")
        (tmp_path / name / ".hidden").write_bytes(name.encode())
    first, second = content_of(tmp_path / "a"), content_of(tmp_path / "b")
    assert first == second and first.startswith("1 files, ")
    look = ImageLook(textures=str(tmp_path / "a"), body=str(tmp_path / "a/sub/1.png"))
    assert look.inputs() == {"textures": first, "body": content_of(tmp_path / "a/sub/1.png")}
    (tmp_path / "b/sub/1.png").write_bytes(b"two")
    changed = content_of(tmp_path / "b")
    (tmp_path / "b/sub/1.png").rename(tmp_path / "b/sub/2.png")
    assert len({first, changed, content_of(tmp_path / "b")}) == 3
    with pytest.raises(DataError, match="does not exist"):
        content_of(tmp_path / "c")


def test_the_artist_draws_what_the_seed_says(monkeypatch):
    look = ImageLook("raster", size=(160, 120), effects=False)
    monkeypatch.setattr("infantsynth.body.load_body", lambda name: name)
    monkeypatch.setattr(
        "infantsynth.scene.sample.sample_scene",
        lambda body, seed, options: scene(info={"body": body, "s": seed}),
    )
    spec, picture = look.artist()(5)
    assert spec.info == {"body": "infant", "s": 5, "renderer": "raster"}
    assert picture.shape == (120, 160, 3) and picture.dtype == np.uint8
    assert picture.std() < 255
