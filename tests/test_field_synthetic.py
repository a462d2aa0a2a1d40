"""Inputs of the synthetic wing as users have them: cut archives, OpenEXR lights, keypoints of predictions."""

import json
import pickle

import numpy as np
import pytest
import scipy.sparse
from PIL import Image

from fidip.cli import exit_on_error
from fidip.cli import main as console
from fidip.errors import ConfigError, DataError
from fidip.files import read_arrays
from infantsynth.body import load_body
from infantsynth.body.smpl import load_pickle, numbers
from infantsynth.fit.keypoints import read_subjects
from infantsynth.fit.settings import read_settings
from infantsynth.priors import read_prior
from infantsynth.scene.surroundings import read_environment
from infantsynth.shards import ShardFolder

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


def test_pickles_of_newer_protocols_and_sparse_triples_are_read(tmp_path):
    path, triples = (
        tmp_path / "x.pkl",
        scipy.sparse.coo_matrix(([1.0, 2.0, 3.0], ([0, 1, 1], [2, 0, 0])), (2, 3)),
    )
    dense = np.arange(12.0).reshape(3, 4)
    for protocol in range(2, 6):
        path.write_bytes(pickle.dumps({"a": dense, "b": triples, "c": np.asfortranarray(dense)}, protocol))
        found = load_pickle(path)
        for name, wanted in (("a", dense), ("b", triples.toarray()), ("c", dense)):
            np.testing.assert_array_equal(numbers(found[name]), wanted)


def test_tuples_of_published_configs_are_lists_and_other_tags_are_refused(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("batch_size: 1\nbody_tri_idxs:\n- !!python/tuple\n  - 5\n  - 12\n")
    assert read_settings(path, {})["batch_size"] == 1
    path.write_text("batch_size: !!python/object/apply:os.getpid []\n")
    with pytest.raises(ConfigError, match="not valid YAML"):
        read_settings(path, {})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seed", "-1"], "--seed"),
        (["--lights", "sky.exr"], "--lights sky.exr is no folder; give the folder"),
    ],
)
def test_impossible_orders_are_refused_at_once(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sky.exr").write_bytes(b"x")
    with pytest.raises(SystemExit) as stop:
        exit_on_error(lambda: console(["generate", "--out", "set", "--count", "1", *words]))
    assert stop.value.code == 2 and message in capsys.readouterr().err and not (tmp_path / "set").exists()


def test_a_set_is_begun_anew_where_nothing_was_made_and_never_made_smaller(tmp_path):
    store = ShardFolder(tmp_path / "s", 2)
    store.claim({"size": 1})
    store.claim({"size": 2})  # the first try made nothing
    for shard in store.shards(4):
        with store.writing(shard) as writer:
            store.finish(shard, writer, [], [])
    with pytest.raises(ConfigError, match="size 2, now 3"):
        store.claim({"size": 3})
    store.require_at_least(4)
    with pytest.raises(ConfigError, match="holds 4 images already, --count 3 wants fewer"):
        store.require_at_least(3)
