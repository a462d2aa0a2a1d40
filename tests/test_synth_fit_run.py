import argparse
import csv
import json
import runpy
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from synth_fit import SIZE, boxes, coco_file, infant, known_persons

from fidip.cli import run
from fidip.errors import ConfigError, DataError
from infantsynth.commands.fit import register
from infantsynth.fit import run as run_module
from infantsynth.fit.outcome import CSV_NAME, SUMMARY_NAME, read_outcome
from infantsynth.fit.plan import body_source, fit_config, make_plan
from infantsynth.fit.run import benchmark, run_fit
from infantsynth.fit.settings import KEYS, FitConfig, coerce, read_settings
from infantsynth.poses.fits import from_fits
from infantsynth.priors import JointLimits, StoredPrior, hand_set_prior, read_prior, write_prior

SCRIPTS = Path(__file__).parents[1] / "syn_generation"


@pytest.fixture(scope="module")
def keypoints():
    return known_persons(3)[3]


@pytest.fixture
def settings(tmp_path, keypoints):
    """Three good persons, one broken record, one with too few joints."""
    few = keypoints[0].copy()
    few[3:] = 0
    people = np.concatenate([keypoints, keypoints[:1], few[None]])
    flat = np.concatenate([few[:, :2], np.where(few[:, 2:] > 0, 2.0, 0.0)], axis=1).ravel().tolist()
    coco_file(tmp_path / "data" / "labels.json", people, a3={"keypoints": "none"}, a4={"keypoints": flat})
    folder = tmp_path / "data" / "images"
    folder.mkdir()
    cv2.imwrite(str(folder / "baby0.jpg"), np.full((SIZE[1], SIZE[0], 3), 90, np.uint8))
    (folder / "baby1.jpg").write_text("no picture")
    changes = {"data_folder": str(tmp_path / "data"), "output_folder": str(tmp_path / "out"),
               "keyp_folder": "labels.json", "interactive": False}  # fmt: skip
    return read_settings(SCRIPTS / "cfg_files" / "fit_infant.yaml", changes)


def rows(settings):
    with (Path(settings["output_folder"]) / CSV_NAME).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_run_writes_everything_and_a_row_for_each(settings, keypoints):
    summary = run_fit(settings)
    out = Path(settings["output_folder"])
    assert [row["status"] for row in rows(settings)] == ["ok"] * 3 + ["failed"] * 2
    assert (summary["persons"], summary["ok"], summary["failed"], summary["fitted_now"]) == (5, 3, 2, 4)
    assert summary["mean_percent"]["max"] < 1.0 and summary["seconds_per_person"] > 0
    assert 0 < summary["cpu_seconds_per_person"] < 10
    assert "not a list" in rows(settings)[3]["reason"] and "too few joints" in rows(settings)[4]["reason"]
    outcome = read_outcome(out / "results" / "baby0" / "000.npz")
    assert outcome.row.mean_px < 0.01 * boxes(keypoints)[0] and outcome.posture == "supine"
    plain = json.loads((out / "results" / "baby0" / "000.json").read_text())
    np.testing.assert_array_equal(plain["pose"], outcome.pose)
    assert cv2.imread(str(out / "images" / "baby0" / "000" / "output.png")).shape == (480, 640, 3)
    assert not (out / "images" / "baby1").exists()  # its picture is broken: no overlay, but a fit
    assert json.loads((out / SUMMARY_NAME).read_text())["settings"]["starts"] == 4
    assert not list(out.rglob("*.tmp"))


def test_mesh_is_the_body_seen_from_the_camera(settings):
    run_fit(settings)
    lines = (Path(settings["output_folder"]) / "meshes" / "baby0" / "000.obj").read_text().splitlines()
    vertices = np.array([line.split()[1:] for line in lines if line.startswith("v ")], dtype=float)
    faces = np.array([line.split()[1:] for line in lines if line.startswith("f ")], dtype=int)
    assert (
        vertices.shape == tuple(infant().template.shape) and faces.min() == 1 and faces.max() == len(vertices)
    )
    assert (vertices[:, 2] < -0.5).all()  # before a camera that looks along -z


def test_overlay_shows_the_body_where_the_joints_are(settings, keypoints):
    run_fit(settings)
    shown = cv2.imread(str(Path(settings["output_folder"]) / "images" / "baby0" / "000" / "output.png"))
    painted = (shown != 90).any(axis=2)
    hips = keypoints[0, 11:13, :2].mean(axis=0).round().astype(int)
    assert painted[hips[1], hips[0]] and 0.02 < painted.mean() < 0.6


def test_second_run_fits_nothing_and_gives_the_same_report(settings):
    run_fit(settings)
    first = rows(settings)
    (Path(settings["output_folder"]) / "meshes" / "baby2" / "000.obj").unlink()
    (Path(settings["output_folder"]) / "results" / "baby1" / "000.npz").write_bytes(b"cut short")
    assert run_fit(settings)["fitted_now"] == 2  # the broken one, and the one that has too few joints
    assert rows(settings) == first
    assert (Path(settings["output_folder"]) / "meshes" / "baby2" / "000.obj").is_file()


def test_other_weights_fit_again(settings):
    run_fit(settings)
    assert run_fit({**settings, "rho": 120.0})["fitted_now"] == 4
    assert run_fit({**settings, "rho": 120.0, "batch_size": 1})["fitted_now"] == 1


def test_one_that_breaks_the_batch_is_a_row(settings, monkeypatch):
    """Whatever a batch throws, its persons are tried once more alone; who throws again is a row."""
    real, calls = run_module.fit_bodies, []

    def sometimes(body, keypoints, *rest):
        calls.append(len(keypoints))
        if len(keypoints) > 1 or len(calls) == 3:
            raise RuntimeError("singular\nmatrix")
        return real(body, keypoints, *rest)

    monkeypatch.setattr(run_module, "fit_bodies", sometimes)
    run_fit(settings)
    assert calls == [4, 1, 1, 1, 1]
    assert [row["status"] for row in rows(settings)] == ["ok", "failed", "ok", "failed", "failed"]
    assert rows(settings)[1]["reason"] == "RuntimeError: singular matrix"


def test_bad_fit_is_poor_with_its_reason(settings):
    run_fit(
        {**settings, "max_error": 1e-4, "max_penetration": 1e-6, "visualize": False, "save_meshes": False}
    )
    first = rows(settings)[0]
    assert first["status"] == "poor" and "more than 0.0001" in first["reason"]
    assert not (Path(settings["output_folder"]) / "meshes").exists()


def test_fits_feed_the_pose_sampler_and_the_prior(settings, tmp_path, capsys):
    run_fit(settings)
    results = Path(settings["output_folder"]) / "results"
    pool = from_fits(results, infant())
    assert len(pool) == 3 and set(pool.postures) == {"supine"}
    script = partial(run, "infantsynth.commands.learn_prior")
    assert script(["--fits", str(results), "--output", str(tmp_path / "own.npz")]) == 0
    assert "1 components over" in capsys.readouterr().out
    prior = read_prior(tmp_path / "own.npz")
    assert prior.shape_for(infant()).source == "3 fits of body infant"
    summary = run_fit({**settings, "body_prior_type": str(tmp_path / "own.npz")})
    assert summary["ok"] == 3 and summary["fitted_now"] == 4
    with pytest.raises(DataError, match="no fit with a mean error"):
        script(["--fits", str(results), "--max-error", "1e-9", "--output", str(tmp_path / "none.npz")])


def test_script_takes_the_published_options(settings, capsys, monkeypatch):
    monkeypatch.chdir(SCRIPTS.parent)
    main = partial(run, "infantsynth.commands.fit")
    data, out = settings["data_folder"], settings["output_folder"]
    options = [
        "--config",
        "cfg_files/fit_smil.yaml",
        "--data_folder",
        data,
        "--output_folder",
        out,
        "--visualize=True",
    ]
    assert (
        main([*options, "--model_type", "infant", "--keyp_folder", "labels.json", "--interactive", "False"])
        == 0
    )
    assert "3 ok, 0 poor, 2 failed" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main([*options, "--visualise", "True"])
    assert "--visualise" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "--joints_to_ign" in capsys.readouterr().out


def test_script_times_batches_and_writes_nothing(settings, capsys):
    main = partial(run, "infantsynth.commands.fit")
    options = ["--data_folder", settings["data_folder"], "--out", settings["output_folder"]]
    assert main([*options, "--keyp_folder", "labels.json", "--benchmark", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["batch of 1", "batch of 3"]
    assert not Path(settings["output_folder"]).exists()
    with pytest.raises(ConfigError, match="number of persons"):
        main([*options, "--benchmark", "0"])


def test_batches_give_what_persons_alone_give(settings):
    times = benchmark(settings, 3, sizes=(1, 2, 3))
    assert [each.size for each in times] == [1, 2, 3]
    assert max(each.moved[1] for each in times) < 1e-6  # px
    assert all(each.wall > 0 and each.cpu > 0 for each in times)
    with pytest.raises(DataError, match="no person that can be fitted"):
        benchmark({**settings, "joints_to_ign": [0, 2, 3, 4, 5, 6, 7, 9, 10, 12, 13, 15, 16]}, 3)


def test_script_ends_with_status_2(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["fit.py", "--config", "nowhere.yaml"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(SCRIPTS / "fit.py"), run_name="__main__")
    assert stop.value.code == 2 and "nowhere.yaml" in capsys.readouterr().err


# settings


def test_shipped_config_states_the_defaults():
    given = read_settings(SCRIPTS / "cfg_files" / "fit_infant.yaml")
    assert given == {name: key.default for name, key in KEYS.items()}
    chosen = fit_config(given)
    assert sorted(chosen.torso) == sorted(FitConfig().torso)
    assert replace(chosen, torso=()) == replace(FitConfig(), torso=())


def test_published_weights_are_in_the_smil_config():
    config = fit_config(read_settings(SCRIPTS / "cfg_files" / "fit_smil.yaml"))
    assert [s.pose for s in config.stages] == [404.0, 404.0, 57.4, 4.78]
    assert [s.shape for s in config.stages] == [200.0, 30.0, 50.0, 35.0]
    assert [s.collision for s in config.stages] == [0.0] * 4
    assert (config.unit, config.rho, config.focal, config.torso) == ("height", 100.0, 1800.0, (12, 11, 6, 5))
    assert [i for i, weight in enumerate(config.joint_weights) if not weight] == [11, 12]


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [("rho", "80", 80.0), ("save_meshes", "False", False), ("joints_to_ign", ["1", "9"], [1, 9]), ("maxiters", 7.0, 7),
     ("data_weights", "2", [2.0]), ("expr_weights", None, [])],
)  # fmt: skip
def test_values_take_their_type(name, value, wanted):
    assert coerce(name, value, "test") == wanted


@pytest.mark.parametrize(
    ("name", "value"), [("rho", "far"), ("save_meshes", "maybe"), ("maxiters", 1.5), ("starts", True)]
)
def test_values_of_another_type_are_refused(name, value):
    with pytest.raises(ConfigError, match=name):
        coerce(name, value, "test")


def test_options_of_the_command_line():
    parser = argparse.ArgumentParser()
    register(parser)
    given = vars(parser.parse_args(["--rho=3", "--data_weights", "1", "2", "--joints_to_ign", "-1"]))
    assert {name: given[name] for name in given if name in KEYS} == {
        "rho": "3",
        "data_weights": ["1", "2"],
        "joints_to_ign": ["-1"],
    }
    for wrong in (["rho"], ["--rho"]):
        with pytest.raises(SystemExit):
            parser.parse_args(wrong)


@pytest.mark.parametrize("text", ["- 1", "rho: [", "rho: 1\nunknown_key: 2"])
def test_bad_config_files_are_refused(tmp_path, text):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(ConfigError, match="config"):
        read_settings(tmp_path / "bad.yaml")


@pytest.mark.parametrize(
    "wrong",
    [{"data_weights": [1.0]}, {"limit_weights": []}, {"float_dtype": "float16"}, {"model_type": "cat"},
     {"init_joints_idxs": [1]}, {"body_prior_type": "magic"}, {"body_prior_type": "nowhere.npz"}, {"residual_unit": "m"}],
)  # fmt: skip
def test_contradictions_are_refused(settings, wrong):
    with pytest.raises(ConfigError):
        make_plan({**settings, **wrong})


def test_bodies_and_priors_by_name(settings, tmp_path, monkeypatch):
    assert body_source({**settings, "model_type": "smil", "model_folder": "m"}) == Path("m/smil_web.pkl")
    smpl = {**settings, "model_type": "smpl", "model_folder": str(tmp_path), "gender": "female"}
    (tmp_path / "basicModel_f_lbs_10_207_0_v1.0.0.pkl").touch()
    assert body_source(smpl) == tmp_path / "basicModel_f_lbs_10_207_0_v1.0.0.pkl"
    with pytest.raises(ConfigError, match="gender"):
        body_source({**smpl, "gender": "any"})
    write_prior(tmp_path / "own.npz", StoredPrior.of(hand_set_prior(infant()), infant()))
    keys = [
        make_plan({**settings, "body_prior_type": kind}).key
        for kind in ("packaged", "l2", "none", str(tmp_path / "own.npz"))
    ]
    assert len(set(keys)) == 4
    rigid = replace(JointLimits.for_body(infant()), hi=np.zeros((len(infant().joint_names), 3)))
    monkeypatch.setattr(JointLimits, "for_body", lambda body: rigid)
    assert make_plan(settings).key not in keys  # other limits, other fits
    assert make_plan({**settings, "body_prior_type": "hand_set"}).prior.source == "hand-set"
