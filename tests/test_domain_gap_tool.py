"""fidip domain-gap as a user runs it, on two domains of generated pictures."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from figures import write_split
from running import command
from training_setup import CONFIG

from fidip.build import build_estimator, build_model
from fidip.cli import exit_on_error
from fidip.config import load_config
from fidip.domain_gap import Panel, stream_features, write_embeddings
from fidip.errors import DataError
from fidip.loading import build_records, plain_loader
from fidip.models import export_weights

main = command("domain-gap")

pytest.importorskip("sklearn")
QUICK = ["--folds", "3", "--repeats", "1", "--permutations", "99"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two domains in one split, adults in another, and two checkpoints, the second with dead features."""
    root = tmp_path_factory.mktemp("gap")
    (root / "tiny.yaml").write_text(CONFIG.replace("ROOT: data", f"ROOT: {root / 'data'}"))
    content = write_split(root / "data", "mixed", 24, synthetic=lambda i: i >= 14)
    for number, image in enumerate(content["images"]):
        image["image_source"] = f"clip{number // 2}" if number < 14 else ""
    (root / "data/annotations/person_keypoints_mixed.json").write_text(json.dumps(content))
    write_split(root / "data", "grown", 9, seed=1)
    for seed in (0, 1):
        torch.manual_seed(seed)
        torch.save(export_weights(build_model(load_config(root / "tiny.yaml"))), root / f"net{seed}.pth")
    return root


@pytest.fixture
def run(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)

    def status(*arguments):
        with pytest.raises(SystemExit) as stop:
            exit_on_error(lambda: main(["--cfg", "tiny.yaml", *arguments]))
        return stop.value.code, capsys.readouterr()

    return status


def test_networks_are_compared_side_by_side(run):
    code, said = run(
        "--weights", "start=net0.pth", "net1.pth", "--adults", "grown", *QUICK, "--output", "out"
    )
    assert code == 0
    report = json.loads(Path("out/gap.json").read_text())
    assert report["weights"] == {"start": "net0.pth", "net1": "net1.pth"}
    assert report["persons"] == {"real": 14, "synthetic": 10, "adult": 9}
    assert list(report["gaps"]) == ["real - synthetic", "real - adult"]
    numbers = report["gaps"]["real - synthetic"]["start"]
    assert (numbers["pictures"], numbers["sources"]) == ([14, 10], [7, 10])
    # the synthetic pictures have another background
    assert numbers["probes"]["linear"]["accuracy"] == 1
    assert numbers["mmd"]["p_value"] <= 0.03
    table = Path("out/gap.md").read_text()
    assert table.strip() in said.out
    assert "| | start | net1 |" in table
    picture = cv2.imread("out/embedding.png")
    assert picture.shape[1] > 1.5 * picture.shape[0]
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 20


def test_equal_commands_give_equal_numbers(run):
    options = ["--weights", "net0.pth", "--splits", "mixed", "--names", "photo", "render", *QUICK]
    reports = []
    for output in ("a", "b"):
        assert run(*options, "--limit", "8", "--output", output)[0] == 0
        reports.append(json.loads(Path(output, "gap.json").read_text()))
    assert reports[0]["gaps"] == reports[1]["gaps"]
    assert reports[0]["persons"] == {"photo": 8, "render": 8}


def test_without_weights_the_tested_checkpoint_is_taken(run):
    assert run("TEST.MODEL_FILE", "net0.pth", *QUICK)[0] == 0
    assert list(json.loads(Path("output/domain_gap/tiny/gap.json").read_text())["weights"]) == ["net0"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--weights", "none.pth"], "none.pth does not exist"),
        (["--weights", "net0.pth", "a/net0.pth"], "named twice"),
        (["--weights", "net0.pth", "--splits", "grown"], "no synthetic persons in grown"),
        (["--weights", "net0.pth", "--splits", "nothing"], "nothing"),
        (["--weights", "net0.pth", "--names", "real", "real"], "three different names"),
        (["--weights", "net0.pth", "--folds", "1"], "1 folds"),
        (["--weights", "net0.pth", "--folds", "8"], "8 folds"),
        ([], "TEST.MODEL_FILE is empty"),
    ],
)
def test_errors_are_one_line_and_leave_nothing(run, arguments, text):
    code, said = run(*arguments, "--output", "wrong")
    assert code == 2
    assert text in said.err
    assert said.err.splitlines()[-1].startswith("error: ")
    assert not Path("wrong").exists()


@pytest.mark.parametrize(("pool", "factor"), [("mean", 1), ("moments", 2), ("grid", 9)])
def test_features_are_streamed_in_the_order_of_the_records(folder, pool, factor):
    cfg = load_config(folder / "tiny.yaml", ["TEST.BATCH_SIZE_PER_GPU", "5"])
    torch.manual_seed(0)
    model = build_model(cfg)
    estimator = build_estimator(cfg, model, torch.device("cpu"))
    records = build_records(cfg, ["mixed"])
    loader = plain_loader(cfg, records)
    vectors = stream_features(estimator, loader, len(records), pool)
    assert vectors.shape == (24, factor * model.feature_channels)
    maps = torch.cat([estimator.heatmaps(batch["image"])[0] for batch in loader]).double().numpy()
    channels = model.feature_channels
    if pool == "grid":
        cells = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(maps), 3).flatten(1).numpy()
        np.testing.assert_allclose(vectors, cells, atol=1e-5)
    else:
        np.testing.assert_allclose(vectors[:, :channels], maps.mean((2, 3)), atol=1e-5)
    if pool == "moments":
        np.testing.assert_allclose(vectors[:, channels:], maps.std((2, 3)), atol=1e-5)
    with pytest.raises(DataError, match="24 of 25"):
        stream_features(estimator, loader, 25, pool)


def test_groups_keep_their_colour(tmp_path):
    points = np.random.default_rng(0).normal(size=(30, 2))
    panels = [Panel("a", {"real": points, "adult": points + 9}), Panel("b", {"adult": points}, "note")]
    write_embeddings(tmp_path / "x.png", panels)
    picture = cv2.imread(str(tmp_path / "x.png")).astype(int)
    halves = picture[:, : picture.shape[1] // 2], picture[:, picture.shape[1] // 2 :]
    # adults are bluer than the real ones
    blue = [(half[..., 0] - half[..., 2] > 60).sum() for half in halves]
    red = [(half[: int(0.85 * len(half)), :, 2] - half[: int(0.85 * len(half)), :, 0] > 60).sum() for half in halves]  # fmt: skip
    assert min(blue) > 100 < red[0]
    assert red[1] == 0
