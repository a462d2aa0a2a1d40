"""fidip compare: files and run folders in, tables and JSON out."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from coco_data import annotation, dataset, random_dataset, random_results, scored
from running import command

from fidip.errors import DataError
from fidip.statistics.comparison import find_runs

main = command("compare")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Ground truth, two results files, and two run folders of the first method."""
    monkeypatch.chdir(tmp_path)
    data = random_dataset(0, n_images=30, people=1)
    for image in data["images"]:
        image["image_source"] = f"clip{image['id'] // 2}" if image["id"] < 20 else ""
    write("gt.json", data)
    write("good.json", random_results(data, 1, noise=3))
    write("bad.json", random_results(data, 2, noise=14))
    for seed in (3, 4):
        write(f"run{seed}/keypoints_x_results_0.json", random_results(data, seed, noise=5))
        write(f"run{seed}/metrics.json", {"area": "bbox"})
    return data


def write(name, content):
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text(json.dumps(content))


def compare(*arguments):
    command = ["--annotations", "gt.json", *arguments, "--resamples", "300", "--output", "out.json"]
    assert main(command) == 0
    return json.loads(Path("out.json").read_text())


def test_numbers_intervals_and_p_values(place, capsys):
    found = compare("bad.json", "best=good.json")
    assert [m["name"] for m in found["methods"]] == ["bad", "best"]
    assert (found["area"], found["n_images"], found["unit"], found["units"]) == (
        "annotation",
        30,
        "source",
        20,
    )
    for method, file in zip(found["methods"], ("bad.json", "good.json"), strict=True):
        truth = scored(place, json.loads(Path(file).read_text())).summarize()
        for name, value in truth.items():
            entry = method["numbers"][name]
            assert entry["value"] == value
            assert entry["ci95"] is None or entry["ci95"][0] <= value <= entry["ci95"][1]
    (pair,) = found["comparisons"]
    bad, best = (m["numbers"]["AP"]["value"] for m in found["methods"])
    ap = pair["numbers"]["AP"]
    assert ap["difference"] == pytest.approx(best - bad, abs=1e-12) and best - bad > 0.2
    assert ap["ci95"][0] > 0 and ap["p_bootstrap"] < 0.01 and ap["p_permutation"] < 0.01
    assert ap["p_seeds"] is None and ap["p_bootstrap_holm"] == ap["p_bootstrap"]
    printed = capsys.readouterr().out
    assert "30 pictures, 95 % intervals from 300 resamples of 20 sources" in printed
    assert "best minus bad" in printed and f"{100 * (best - bad):+.1f} [" in printed


def test_a_method_does_not_differ_from_itself(place):
    ap = compare("a=good.json", "b=good.json")["comparisons"][0]["numbers"]["AP"]
    assert ap["difference"] == 0 and ap["ci95"] == [0, 0]
    assert ap["p_bootstrap"] == 1 and ap["p_permutation"] == 1


def test_runs_of_several_seeds(place, capsys):
    found = compare("bad.json", "ours=run3,run4", "--area", "annotation", "--unit", "picture")
    ours = found["methods"][1]["numbers"]["AP"]
    files = [json.loads(Path(f"run{s}/keypoints_x_results_0.json").read_text()) for s in (3, 4)]
    values = [scored(place, results).summarize()["AP"] for results in files]
    assert ours["seeds"]["values"] == values and ours["value"] == pytest.approx(np.mean(values), abs=1e-15)
    assert ours["seeds"]["deviation"] == pytest.approx(np.std(values, ddof=1), abs=1e-15)
    pair = found["comparisons"][0]["numbers"]["AP"]
    assert pair["p_permutation"] is None and pair["p_seeds"] is None and pair["p_bootstrap"] < 0.05
    assert found["unit"] == "picture" and "+-" in capsys.readouterr().out


def test_holm_counts_the_methods(place):
    found = compare("bad.json", "good.json", "run3", "--area", "bbox")
    p = [pair["numbers"]["AR"]["p_bootstrap"] for pair in found["comparisons"]]
    raised = [pair["numbers"]["AR"]["p_bootstrap_holm"] for pair in found["comparisons"]]
    assert min(raised) == pytest.approx(2 * min(p), rel=1e-12) and max(raised) == max(2 * min(p), max(p))


def test_same_seed_same_numbers_and_area_of_the_runs(place):
    first = compare("run3", "run4")
    assert first == compare("run3", "run4") and first["area"] == "bbox"
    other = compare("run3", "run4", "--seed", "1")
    assert other["methods"][0]["numbers"]["AP"]["value"] == first["methods"][0]["numbers"]["AP"]["value"]
    assert other["methods"][0]["numbers"]["AP"]["ci95"] != first["methods"][0]["numbers"]["AP"]["ci95"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("empty", "run folder empty has no keypoints_"),
        ("two", "run folder two has 2 results files: name one of them"),
        ("a=", "names no results"),
        ("run3,odd", "areas bbox, keypoints"),
    ],
)
def test_wrong_paths_are_named(place, text, message):
    Path("empty").mkdir()
    for name in (
        "two/keypoints_a_results_0.json",
        "two/keypoints_b_results_0.json",
        "odd/keypoints_x_results_0.json",
    ):
        write(name, [])
    write("odd/metrics.json", {"area": "keypoints"})
    with pytest.raises(DataError, match=message):
        find_runs(text)


def test_errors_are_one_line_and_status_2(place):
    given = [sys.executable, "-m", "fidip", "compare", "--annotations", "gt.json", "good.json"]
    done = subprocess.run([*given, "x=nowhere.json"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: results file nowhere.json does not exist")
    done = subprocess.run([*given, "x/good.json", "--metrics", "XP"], capture_output=True, text=True)
    assert done.returncode == 2 and "--metrics XP is unknown" in done.stderr


def test_no_medium_person_is_a_dash(place, capsys):
    rng = np.random.default_rng(0)
    data = dataset([annotation(i + 1, i, rng.uniform(0, 200, (17, 2)), area=2e4) for i in range(8)])
    write("gt.json", data)
    for name in ("p.json", "q.json"):
        write(name, random_results(data, len(name), noise=8))
    found = compare("p.json", "q.json", "--metrics", "AP_M,AP")
    assert found["methods"][0]["numbers"]["AP_M"] == {"value": None, "ci95": None}
    assert found["comparisons"][0]["numbers"]["AP_M"]["p_bootstrap"] is None
    assert "AP_M" in capsys.readouterr().out
