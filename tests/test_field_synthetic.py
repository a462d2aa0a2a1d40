"""Inputs of the synthetic wing as users have them: cut archives, OpenEXR lights, keypoints of predictions."""

import json

import numpy as np
import pytest
from PIL import Image

from fidip.errors import DataError
from fidip.files import read_arrays
from infantsynth.body import load_body
from infantsynth.fit.keypoints import read_subjects
from infantsynth.priors import read_prior
from infantsynth.scene.surroundings import read_environment

XY = np.random.default_rng(3).uniform(20, 100, (17, 2))


def flat(thirds):
    return np.c_[XY, thirds].ravel().tolist()


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("im1", "im2"):
        Image.fromarray(np.zeros((120, 160, 3), np.uint8)).save(folder / f"{name}.png")
    return folder


def test_an_archive_that_is_cut_short_is_named(tmp_path):
    whole, cut = tmp_path / "whole.npz", tmp_path / "cut.npz"
    np.savez(whole, pose=np.zeros((4, 3)), betas=np.ones(10))
    assert set(read_arrays(whole, "fits")) == {"pose", "betas"}
    cut.write_bytes(whole.read_bytes()[:300])
    for read in (lambda: read_arrays(cut, "fits"), lambda: load_body(str(cut)), lambda: read_prior(cut)):
        with pytest.raises(DataError, match=r"cut\.npz cannot be read .*again|cut\.npz") as error:
            read()
        assert "\n" not in str(error.value)


def test_lights_may_be_openexr(tmp_path):
    mitsuba = pytest.importorskip("mitsuba")
    if mitsuba.variant() is None:
        mitsuba.set_variant("scalar_rgb")
    sky = np.random.default_rng(0).uniform(0, 4, (16, 32, 3)).astype(np.float32)
    mitsuba.Bitmap(sky).write(str(tmp_path / "sky.exr"))
    found = read_environment(tmp_path / "sky.exr")
    assert found.mean() == pytest.approx(1, abs=1e-5)
    means = found.mean(axis=(0, 1)) / found.mean()
    assert means == pytest.approx(
        sky.mean(axis=(0, 1)) / sky.mean(), abs=1e-3
    )  # red, green, blue in their order
    (tmp_path / "none.exr").write_bytes(b"x" * 99)
    with pytest.raises(DataError, match=r"none\.exr is no image of radiance"):
        read_environment(tmp_path / "none.exr")


@pytest.mark.parametrize("name", [1, "im2", "im2.png"])
def test_keypoints_of_predictions_are_fitted(tmp_path, images, name):
    scores = np.linspace(0.1, 0.9, 17)
    results = [{"image_id": name, "category_id": 1, "keypoints": flat(scores), "score": 0.5}]
    (tmp_path / "results.json").write_text(json.dumps(results))
    (subject,) = read_subjects(tmp_path / "results.json", images)
    assert subject.name == "im2" and subject.size == (160, 120) and not subject.fault
    assert subject.keypoints[:, 2] == pytest.approx(scores)  # confidences, not flags
    merged = {
        "images": [{"id": 7, "file_name": "im1.png"}],
        "annotations": [{"image_id": 7, "keypoints": flat(scores)}],
    }
    (tmp_path / "merged.json").write_text(json.dumps(merged))
    (subject,) = read_subjects(tmp_path / "merged.json", images)
    assert subject.size == (160, 120) and subject.keypoints[:, 2] == pytest.approx(scores)


def test_flags_stay_flags(tmp_path, images):
    labels = {
        "images": [{"id": 1, "file_name": "im1.png"}],
        "annotations": [{"image_id": 1, "keypoints": flat([2, 1] * 8 + [0])}],
    }
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    (subject,) = read_subjects(tmp_path / "labels.json", images)
    assert subject.keypoints[:, 2].tolist() == [1, 0.5] * 8 + [0]


def test_openposes_first_name_of_keypoints_is_known(tmp_path, images):
    folder = tmp_path / "openpose"
    folder.mkdir()
    values = np.c_[np.random.default_rng(1).uniform(0, 99, (18, 2)), np.ones(18)].ravel().tolist()
    for key in ("pose_keypoints", "pose_keypoints_2d"):
        (folder / "im1_keypoints.json").write_text(json.dumps({"people": [{key: values}]}))
        (subject,) = read_subjects(folder, images)
        assert not subject.fault and subject.keypoints[:, 2].all()
