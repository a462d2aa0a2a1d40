"""The scripts of syn_generation from their command lines, with flat infants in place of bodies."""

import json
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from synth_scene import FlatLook, plate
from synth_scene import scene as flat_scene
from synth_work import contents

from fidip.cli import run
from fidip.errors import ConfigError, DataError
from infantsynth.image_set import ImageLook, Labels
from infantsynth.poses.fits import FitPool
from infantsynth.render.zbuffer import rasterise
from infantsynth.turntable import TurntableRecipe, into_world, published_camera

ROOT = Path(__file__).parents[1]


@pytest.fixture
def flat(monkeypatch):
    """Looks draw flat infants; a maker that a worker kept from another test is forgotten."""
    from infantsynth import shards

    shards._maker.cache_clear()
    monkeypatch.setattr(ImageLook, "artist", lambda look: FlatLook(*look.size).artist())


def test_generate_makes_a_set_and_goes_on_to_a_larger_one(tmp_path, flat, capsys):
    main = partial(run, "infantsynth.commands.generate")
    words = [
        "--out",
        str(tmp_path),
        "--size",
        "64",
        "48",
        "--workers",
        "1",
        "--shard-size",
        "2",
        "--seed",
        "4",
    ]
    assert main(["--count", "3", *words]) == 0
    file = tmp_path / "annotations/person_keypoints_train_infant.json"
    assert capsys.readouterr().out == f"3 images: {file}\n"
    before = contents(tmp_path)
    assert main(["--count", "5", *words]) == 0
    data = json.loads(file.read_text())
    assert [image["file_name"] for image in data["images"]] == [f"train{i}.jpg" for i in range(10001, 10006)]
    after = contents(tmp_path)
    assert all(after[name] == content for name, content in before.items() if name.startswith("images"))
    picture = cv2.imread(str(tmp_path / "images/train_infant/train10005.jpg"))
    assert picture.shape == (48, 64, 3)
    with pytest.raises(ConfigError, match=r"blanket 0\.25, now 0\.5"):
        main(["--count", "5", *words, "--blanket", "0.5"])


def test_parts_end_with_the_whole_set(tmp_path, flat, capsys):
    main = partial(run, "infantsynth.commands.generate")
    words = ["--count", "4", "--size", "64", "48", "--workers", "1", "--shard-size", "1"]
    assert main([*words, "--out", str(tmp_path / "a")]) == 0
    for part in ("1/3", "3/3", "2/3"):
        capsys.readouterr()
        assert main([*words, "--out", str(tmp_path / "b"), "--part", part]) == 0
    assert capsys.readouterr().out.startswith("4 images: ")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_errors_are_one_line_and_status_2(tmp_path):
    command = [
        sys.executable,
        str(ROOT / "syn_generation/generate.py"),
        "--count",
        "1",
        "--out",
        str(tmp_path),
    ]
    done = subprocess.run([*command, "--textures", str(tmp_path / "none")], capture_output=True, text=True)
    assert done.returncode == 2
    assert re.fullmatch(r"error: \S+none does not exist; check the path\n", done.stderr), done.stderr


def test_failed_pictures_are_told(tmp_path, monkeypatch, flat, capsys):
    def broken(look):
        draw = FlatLook(*look.size).artist()
        wanted = iter([True] * 2 + [False] * 16)  # two draws that work, then one index in all of its draws

        def sometimes(seed):
            if not next(wanted, True):
                raise DataError("no infant")
            return draw(seed)

        return sometimes

    monkeypatch.setattr(ImageLook, "artist", broken)
    words = ["--count", "3", "--out", str(tmp_path), "--size", "64", "48", "--workers", "1"]
    assert run("infantsynth.commands.generate", words) == 1
    assert "1 could not be made, e.g. index 2: no infant; --retry-failed" in capsys.readouterr().out


def test_render_shows_each_fit_in_each_turn(tmp_path, flat, monkeypatch, capsys):
    pool = FitPool(np.zeros((2, 24, 3)), np.zeros((2, 10)), ("supine", "prone"))
    shown = []

    def scene(recipe, body, fits, index, seed):
        shown.append(divmod(index, recipe.turns))
        return flat_scene(size=(64, 48))

    monkeypatch.setattr("infantsynth.turntable._pool", lambda fits, body: pool)
    monkeypatch.setattr("infantsynth.turntable._body", lambda name: None)
    monkeypatch.setattr(TurntableRecipe, "scene", scene)
    (tmp_path / "fits").mkdir()
    words = ["--fits", str(tmp_path / "fits"), "--out", str(tmp_path), "--size", "64", "48", "--workers", "1"]
    assert run("infantsynth.commands.render", [*words, "--turns", "3", "--no-effects"]) == 0
    assert capsys.readouterr().out.startswith("6 images: ")
    assert shown == [(fit, turn) for fit in (0, 1) for turn in range(3)]
    data = json.loads((tmp_path / "annotations/person_keypoints_train_rendered.json").read_text())
    assert len(data["images"]) == 6 and data["info"]["options"]["fits"].startswith("0 files")


def test_turntables_that_cannot_be_are_refused():
    for turns, rotation in ((0, "legacy"), (2, "none"), (1, "sideways")):
        with pytest.raises(ConfigError):
            TurntableRecipe(ImageLook(), 0, "x", Labels(), turns, rotation)


def test_the_published_camera_sees_half_a_picture_width_at_its_distance():
    camera = published_camera((640, 480))
    wide = plate(np.array([0, 0.5, 0]), 0.999, 2.0, "toy")
    seen = (rasterise(camera, [wide]).mesh >= 0).any(axis=0)
    assert seen.all()  # 1 m wide at half a metre: focal length w / 2
    xy, depth = camera.project(np.array([[0.1, 0.5, 0.2], [0.0, -1.0, 0.0]]))
    assert np.allclose(xy[0], [319.5 + 64, 239.5 - 128]) and depth.tolist() == [0.5, -1.0]


def test_orientations_keep_their_view():
    from scipy.spatial.transform import Rotation

    root = np.array([0.3, -1.2, 0.7])
    points = np.random.default_rng(0).normal(size=(5, 3))
    in_camera = Rotation.from_rotvec(root).apply(points)
    in_world = Rotation.from_rotvec(into_world(root)).apply(points)
    assert np.allclose(published_camera((64, 48)).to_camera(in_world), in_camera)
