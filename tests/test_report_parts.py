"""Parts of the report against numbers made by hand: calibration, curves, series, figures."""

import struct

import numpy as np
import pytest
from coco_data import annotation, dataset
from tensorboardX import SummaryWriter

from fidip.evaluation import CocoEvaluator
from fidip.evaluation.matching import Match
from fidip.report import Run, reliability
from fidip.report.calibration import joint_scores, person_scores
from fidip.report.curves import MOST, event_scalars, read_curves
from fidip.report.figures import bar_figure, curve_figure, interval_figure, reliability_figure
from fidip.report.runs import group, number, pair, read_runs
from fidip.report.svg import colour_number, dashes, glyph, width_of
from fidip.report.tiles import fair_share

LOG = """2026-01-01 00:00:00,000 INFO classifier epoch 1/1: 4/4, domain 0.5, domain_accuracy 0.75, lr 0.1, images_per_s 9, 0 s left
2026-01-01 00:00:01,000 INFO pose epoch 1/2: 3/6, pose 2, pck 0.25, lr 0.1, images_per_s 9, 1 s left
2026-01-01 00:00:02,000 INFO pose epoch 1/2: 6/6, pose 1, pck 0.5, lr 0.1, images_per_s 9, 0 s left
2026-01-01 00:00:02,500 INFO epoch 1: validation AP 0.1250 (best 0.1250)
2026-01-01 00:00:03,000 INFO pose epoch 2/2: 6/6, pose nan, pck 0.75, lr 0.1, images_per_s 9, 0 s left
2026-01-01 00:00:03,500 INFO epoch 2: validation AP 0.2500 (best 0.2500)
"""


def test_reliability_against_numbers_made_by_hand():
    scores = [0.9, 0.9, 0.9, 0.9, 0.9, 0.3, 0.3, 0.3, 0.3, 0.3]
    achieved = [1.0, 0.8, 0.6, 0.8, 0.8, 0.6, 0.4, 0.5, 0.5, 0.5]
    found = reliability(scores, achieved)
    assert found.bin_count.tolist() == [5, 5]  # five predictions are the least of a bin
    np.testing.assert_allclose(found.bin_score, [0.3, 0.9], atol=1e-12)
    np.testing.assert_allclose(found.bin_achieved, [0.5, 0.8], atol=1e-12)
    assert found.error == pytest.approx((0.2 + 0.1) / 2, abs=1e-12)
    assert 0.8 < found.order < 1


def test_reliability_of_perfect_constant_and_no_scores():
    values = np.linspace(0.05, 0.95, 100)
    perfect = reliability(values, values)
    assert perfect.error == pytest.approx(0, abs=1e-12) and perfect.order == pytest.approx(1)
    assert perfect.bin_count.tolist() == [10] * 10
    shifted = reliability(values, values - 0.05)
    assert shifted.error == pytest.approx(0.05, abs=1e-12)
    assert reliability([0.5] * 7, values[:7]).order is None
    assert reliability([], []) is None


def person(shift=0.0):
    """Seventeen joints over 100 x 100 px."""
    grid = np.linspace(10, 110, 17)
    return np.column_stack([grid + shift, grid[::-1] + 10])


def result(image_id, shift, score, joints=0.5):
    keypoints = np.column_stack([person(shift), np.full(17, joints)]).ravel().tolist()
    return {"image_id": image_id, "category_id": 1, "keypoints": keypoints, "score": score}


def test_scores_of_right_false_and_doubtful_predictions():
    truth = [annotation(1, 0, person()), annotation(2, 1, person()), annotation(3, 2, person()),
             annotation(4, 2, person(200), iscrowd=1)]  # fmt: skip
    evaluator = CocoEvaluator(dataset(truth, 4))
    evaluator.load_results(
        [
            result(0, 0, 0.75, 0.25),  # exact
            result(0, 500, 0.75),  # false, with the same score
            result(2, 0, 0.5),  # exact
            result(2, 200, 0.25),  # on the crowd: neither right nor wrong
            result(3, 0, 0.125),  # in a picture without persons: false
        ]  # the person of picture 1 is missed
    )
    matches = evaluator.matches()
    scores, achieved = person_scores(evaluator, matches)
    assert sorted(zip(scores.tolist(), achieved.tolist(), strict=True)) == [
        (0.125, 0.0), (0.5, 1.0), (0.75, 0.0), (0.75, 1.0)
    ]  # fmt: skip
    scores, terms = joint_scores(matches)
    assert scores.tolist() == [0.25] * 17 + [0.5] * 17 and terms.tolist() == [1.0] * 34
    assert [len(column) for column in joint_scores([])] == [0, 0]


def test_joints_without_label_do_not_count():
    truth = np.array([[0.0, 0, 2], [5, 5, 0], [9, 9, 1]])
    prediction = np.array([[0, 0, 0.5], [5, 5, 0.6], [9, 9, 0.7]])
    match = Match(
        1, None, np.array([0.0, 0, 9, 9]), truth, prediction, 81.0, np.array([1.0, 0, 0.5]), 0.75, 0.6
    )
    scores, terms = joint_scores([match])
    assert scores.tolist() == [0.5, 0.7] and terms.tolist() == [1.0, 0.5]


def run_in(folder, **config):
    return Run("r", folder, config=config)


def test_curves_come_from_event_files(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    for start in (1, 6):  # the second start repeats steps 6 to 8
        writer = SummaryWriter(str(tmp_path / "log" / "run"), filename_suffix=f".{start}")
        for step in range(start, start + 8):
            writer.add_scalar("train/pose", step / 64 + (start == 6), step)
        writer.add_scalar("val/AP", float("nan"), start)
        writer.close()
    curves = read_curves(run_in(folder, LOG_DIR=str(tmp_path / "log")))
    expected = [(step, step / 64 + (step >= 6)) for step in range(1, 14)]
    assert curves == {"train/pose": expected}  # what is not finite is left out
    assert read_curves(run_in(folder, LOG_DIR="nowhere")) == {}


def test_an_event_file_cut_short_gives_what_it_has(tmp_path):
    writer = SummaryWriter(str(tmp_path))
    for step in range(5):
        writer.add_scalar("train/pose", step / 4, step)
    writer.close()
    (file,) = tmp_path.glob("events.*")
    whole = list(event_scalars(file))
    assert whole == [("train/pose", step, step / 4) for step in range(5)]
    data = file.read_bytes()
    file.write_bytes(data[:-9])
    assert list(event_scalars(file)) == whole[:4]
    file.write_bytes(data + struct.pack("<Q", 2**60))
    assert list(event_scalars(file)) == whole


def test_curves_come_from_the_log_where_there_are_no_event_files(tmp_path):
    (tmp_path / "train.log").write_text(LOG)
    curves = read_curves(run_in(tmp_path, LOG_DIR="nowhere"))
    assert curves == {
        "train/domain": [(4, 0.5)],
        "train/domain_accuracy": [(4, 0.75)],
        "train/pose": [(7, 2.0), (10, 1.0)],
        "train/pck": [(7, 0.25), (10, 0.5), (16, 0.75)],
        "val/AP": [(10, 0.125), (16, 0.25)],
    }


def test_long_curves_are_thinned(tmp_path):
    lines = [
        f"INFO pose epoch {e}/9999: 1/1, pose {e / 1024}, lr 0.1, images_per_s 9, 0 s left"
        for e in range(1, 4001)
    ]
    (tmp_path / "train.log").write_text("\n".join(lines))
    curve = read_curves(run_in(tmp_path, LOG_DIR="nowhere"))["train/pose"]
    assert len(curve) == MOST and curve[-1][0] == 4000
    assert np.mean([value for _, value in curve]) == pytest.approx(4001 / 2 / 1024, abs=1e-9)


def test_the_last_model_stands_for_a_training_without_selection(tmp_path):
    for name in ("run", "run/last"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text("SEED: 1\n")
    (tmp_path / "run/last/metrics.json").write_text('{"AP": 0.5}')
    (tmp_path / "run/train.log").write_text(LOG)
    for text, name in ((f"{tmp_path}/run", "run"), (f"{tmp_path}/run/last", "run/last")):
        (run,) = read_runs([text])
        assert (run.name, run.metrics, run.config) == (name, {"AP": 0.5}, {"SEED": 1})
        assert run.home.resolve() == (tmp_path / "run").resolve() and "val/AP" in read_curves(run)


def test_values_of_the_wrong_kind_are_none():
    assert [number(value) for value in (1, 0.5, True, "1", None, float("nan"), [1])] == [
        1.0,
        0.5,
        *[None] * 5,
    ]
    assert [pair(value) for value in ([1, 2], [1], [1, None], "ab", None)] == [(1.0, 2.0), *[None] * 4]
    assert group({"a": {"b": {"c": 1}}}, "a", "b") == {"c": 1} and group({"a": 3}, "a", "b") == {}


def test_series_can_be_told_apart_without_colour():
    looks = [(colour_number(i), glyph(i), dashes(i)) for i in range(12)]
    assert len(set(looks)) == 12 and len({glyph(i) for i in range(12)}) == 12


def test_figures_take_the_colours_of_the_page_and_escape_names():
    curve = curve_figure({0: [(1, 0.5), (9, 0.25)], 7: [(1, 0.5)]}, "loss <b> $x$")
    bars = bar_figure(["<i>", "b&c"], {0: [0.5, None], 1: [0.25, 1.0]}, "AP (%)", {0: [(0.4, 0.6), None]})
    points = interval_figure({0: (0.5, (0.4, 0.6)), 1: (0.25, None)}, ["a", "x" * 40], "AP (%)")
    flat = reliability([0.0] * 6, [0.5] * 6)
    calibration = reliability_figure(flat, None, 2)
    for svg in (curve, bars, points, calibration):
        assert svg.startswith("<svg ") and svg.rstrip().endswith("</svg>")
        assert "var(--ink)" in svg and "var(--s" in svg and "#0a0b0" not in svg and "#010203" not in svg
        assert 250 < width_of(svg) < 450
    assert "loss &lt;b&gt; $x$" in curve and "optimiser step" in curve and "var(--s1)" in curve
    assert "&lt;i&gt;" in bars and "b&amp;c" in bars and "x" * 40 not in points
    assert curve == curve_figure({0: [(1, 0.5), (9, 0.25)], 7: [(1, 0.5)]}, "loss <b> $x$")


def test_many_runs_share_the_pictures():
    assert fair_share(6, 1, 400) == 6 and fair_share(0, 3, 400) == 0
    assert 6 * 40 * fair_share(6, 40, 400) <= 400 and fair_share(6, 1000, 400) == 1
