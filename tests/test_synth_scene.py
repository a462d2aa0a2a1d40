"""Whole scenes from a seed: the same each time, dressed, closed, with heads in the picture; and every option."""

from dataclasses import fields, is_dataclass, replace

import cv2
import numpy as np
import pytest
from synth_look import body_named

from fidip.errors import ConfigError, DataError
from infantsynth.appearance.anatomy import study
from infantsynth.appearance.garment import required
from infantsynth.appearance.swatch import color_distance
from infantsynth.body import PART_NAMES
from infantsynth.poses.library import POSTURES
from infantsynth.render.zbuffer import rasterise
from infantsynth.scene import sample
from infantsynth.scene.places import SceneOptions
from infantsynth.scene.sample import sample_scene

SIZE = (96, 72)
ROOM, PHOTO = SceneOptions(size=SIZE), SceneOptions(mode="photo", size=SIZE)


def draw(seed, options=ROOM, body="infant", **changes):
    return sample_scene(body_named(body), seed, replace(options, **changes))


def arrays(value):
    """All arrays and numbers in nested dataclasses, tuples and dicts, in order."""
    if is_dataclass(value):
        return [a for f in fields(value) for a in arrays(getattr(value, f.name))]
    if isinstance(value, (tuple, list)):
        return [a for item in value for a in arrays(item)]
    if isinstance(value, dict):
        return [a for key in sorted(value) for a in arrays(value[key])]
    return [np.asarray(value)] if value is not None else []


def same(first, second):
    one, other = arrays(first), arrays(second)
    return len(one) == len(other) and all(
        a.shape == b.shape and a.dtype == b.dtype and np.array_equal(a, b)
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("options", [ROOM, PHOTO], ids=["scene", "photo"])
def test_same_seed_same_scene_bit_for_bit(options):
    first, other = draw(5, options), draw(6, options)
    assert same(first, draw(5, options))
    assert not same(first.body, other.body) and not same(first.camera, other.camera)


def check_scene(spec, mode, posture=None):
    """What holds for each scene, whatever is drawn."""
    assert (spec.camera.width, spec.camera.height) == SIZE
    assert spec.info["mode"] == mode and spec.info["posture"] in POSTURES
    assert posture is None or spec.info["posture"] == posture
    for mesh in spec.meshes:
        assert np.isfinite(mesh.vertices).all() and mesh.faces.max() < len(mesh.vertices)
        assert mesh.vertices.dtype == np.float32 and mesh.faces.dtype == np.int32
        assert np.ndim(mesh.material.color) == 1 or mesh.uv is not None
    kinds = {mesh.kind for mesh in spec.meshes}
    assert {"body", "garment"} <= kinds
    head = spec.body.vertices[spec.body.parts == PART_NAMES.index("head")]
    assert spec.camera.inside(spec.camera.project(head)[0]).all()  # no head is cut off
    assert spec.camera.inside(spec.camera.project(spec.body.keypoints)[0]).sum() >= 8
    seen = rasterise(spec.camera, spec.meshes)
    if mode == "scene":
        assert "room" in kinds and np.isfinite(seen.depth).all()  # no gap in the room
        assert spec.background is None
    else:
        assert kinds <= {"body", "garment", "hair"} and spec.background.shape == (SIZE[1], SIZE[0], 3)
    worn = np.array([mesh.kind in ("body", "garment", "hair") for mesh in spec.meshes])
    assert worn[seen.mesh].any() or spec.info.get("blanket")


@pytest.mark.parametrize("posture", POSTURES)
def test_rooms_of_infants(posture):
    check_scene(draw(11, postures=(posture,), toys=1.0, blanket=0.5), "scene", posture)


@pytest.mark.parametrize("body", ["infant", "adult", "smpl"])
@pytest.mark.parametrize("options", [ROOM, PHOTO], ids=["scene", "photo"])
def test_every_body_in_both_modes(options, body):
    spec = draw(12, options, body)
    check_scene(spec, options.mode)
    if body == "adult":
        assert spec.info["posture"] != "crawling" and spec.info["months"] is None


@pytest.mark.slow
@pytest.mark.parametrize("body", ["infant", "adult", "smpl"])
def test_many_scenes(body):
    for seed in range(200, 230):
        check_scene(
            draw(seed, ROOM if seed % 3 else PHOTO, body, toys=1.0, blanket=0.5),
            "scene" if seed % 3 else "photo",
        )


def check_dressed(monkeypatch, body, seed, options):
    """Trunk, hips and thighs of the person in the scene are cloth, in colours far from the skin's."""
    kept = []
    original = sample.clothe
    monkeypatch.setattr(sample, "clothe", lambda *a: kept.append(original(*a)) or kept[-1])
    spec = draw(seed, options, body)
    (dressed,) = kept
    assert list(spec.meshes[: len(dressed.meshes)]) == dressed.meshes  # all of it is in the scene
    anatomy = study(body_named(body))
    must = required(anatomy, anatomy.at)
    parts = np.asarray(body_named(body).parts)
    assert must[parts == PART_NAMES.index("trunk")].mean() > 0.5
    assert dressed.cloth[must].min() == 1
    skin = np.array(dressed.info["skin"])
    for garment in dressed.info["garments"]:
        assert color_distance(np.array(garment["color"]), skin) >= 32 - 0.2
    texture, mesh = spec.meshes[0].material.color, spec.meshes[0]
    side = len(texture)
    at = mesh.uv[must[mesh.source]] * side
    column, row = (
        np.clip(at[:, 0].astype(int), 0, side - 1),
        np.clip(side - 1 - at[:, 1].astype(int), 0, side - 1),
    )
    painted = color_distance(texture[row, column], skin)
    assert np.median(painted) > 20  # Lab; single colours of a pattern may come nearer
    monkeypatch.undo()


@pytest.mark.parametrize("body", ["infant", "adult", "smpl"])
@pytest.mark.parametrize("options", [ROOM, PHOTO], ids=["scene", "photo"])
def test_everybody_is_dressed(monkeypatch, options, body):
    check_dressed(monkeypatch, body, 21, options)


@pytest.mark.slow
@pytest.mark.parametrize("body", ["infant", "adult", "smpl"])
@pytest.mark.parametrize("options", [ROOM, PHOTO], ids=["scene", "photo"])
def test_everybody_is_dressed_over_many_seeds(monkeypatch, options, body):
    for seed in range(300, 340):
        check_dressed(monkeypatch, body, seed, options)


def test_blankets_and_toys_come_as_often_as_asked():
    none = draw(31, postures=("supine",), blanket=0.0, toys=0.0)
    assert not none.info["blanket"] and none.info["toys"] == []
    assert {mesh.kind for mesh in none.meshes}.isdisjoint({"blanket", "toy"}) or none.info["hand"]
    full = [draw(seed, postures=("supine",), blanket=1.0, toys=1.0) for seed in (31, 32, 33)]
    assert sum(spec.info["blanket"] for spec in full) >= 2 and any(spec.info["toys"] for spec in full)
    for spec in full:
        assert spec.info["blanket"] == any(mesh.kind == "blanket" for mesh in spec.meshes)


def test_blankets_leave_the_head_free():
    for seed in (41, 42):
        for posture in ("supine", "sitting"):
            spec = draw(seed, postures=(posture,), blanket=1.0)
            for mesh in (m for m in spec.meshes if m.kind == "blanket"):
                head = spec.body.vertices[spec.body.parts == PART_NAMES.index("head"), :2]
                outline = cv2.convexHull(mesh.vertices[:, :2].astype(np.float32))
                inside = [
                    cv2.pointPolygonTest(outline, tuple(map(float, spot)), False) > 0 for spot in head[::40]
                ]
                assert not any(inside)


def test_own_backgrounds_textures_and_lights(tmp_path):
    for name in ("backgrounds", "textures/carpet", "lights"):
        (tmp_path / name).mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "backgrounds" / "small.png"), np.full((20, 40, 3), (30, 60, 90), np.uint8))
    cv2.imwrite(str(tmp_path / "lights" / "sky.hdr"), np.full((16, 32, 3), 0.4, np.float32))
    cv2.imwrite(str(tmp_path / "textures/carpet" / "red.png"), np.full((64, 64, 3), (0, 0, 250), np.uint8))
    photo = draw(51, PHOTO, backgrounds=tmp_path / "backgrounds", lights=tmp_path / "lights")
    assert (photo.background == [90, 60, 30]).all() and photo.info["background"] == "small.png"
    assert photo.info["light"].startswith("sky.hdr+") and photo.environment.radiance.shape == (128, 256, 3)
    reds = 0
    for seed in range(60, 66):
        spec = draw(seed, postures=("crawling",), textures=tmp_path / "textures")
        for mesh in spec.meshes:
            color = np.asarray(mesh.material.color).reshape(-1, 3)
            reds += bool(np.abs(color - [250 / 255, 0, 0]).max() < 0.02)
    assert reds > 0


@pytest.mark.parametrize("option", ["backgrounds", "lights", "textures"])
def test_folders_without_pictures_are_named(tmp_path, option):
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(DataError, match=tmp_path.name):
            draw(1, PHOTO, **{option: folder})


def test_a_spoiled_environment_is_named(tmp_path):
    (tmp_path / "sky.hdr").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"sky\.hdr"):
        draw(1, PHOTO, lights=tmp_path)


def test_fits_give_the_poses(tmp_path):
    body = body_named("infant")
    pose = np.zeros((1, len(body.joint_names), 3))
    pose[0, body.joint("left_elbow")] = pose[0, body.joint("right_elbow")] = 0, 0.01, 0
    np.savez(
        tmp_path / "a.npz", pose=pose, betas=np.full((1, body.num_betas), 0.1), posture=np.array(["supine"])
    )
    spec = draw(71, PHOTO, fits=tmp_path, fit_share=1.0, fit_noise=0.0, postures=("supine",))
    assert spec.info["pose"] == "fit:0"
    np.testing.assert_allclose(spec.body.pose[1:], pose[0, 1:], atol=0.02)
    np.testing.assert_allclose(spec.body.betas, 0.1)
    assert draw(71, PHOTO, fits=tmp_path, fit_share=0.0, postures=("supine",)).info["pose"] != "fit:0"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"mode": "film"}, "film"),
        ({"rotation": "none"}, "none"),
        ({"postures": ("flying",)}, "flying"),
        ({"months": (5, 2)}, "months"),
        ({"size": (8, 8)}, "small"),
        ({"blanket": 1.5}, "blanket"),
        ({"toys": -0.1}, "toys"),
        ({"fit_share": 2}, "fit_share"),
    ],
)
def test_options_that_cannot_be_are_refused(change, named):
    with pytest.raises(ConfigError, match=named):
        SceneOptions(**change)
