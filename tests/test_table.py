"""Tables with the published layout and the terminal ones."""

from fidip.evaluation import ModelRow, joint_table, posture_table, results_table
from fidip.evaluation.table import published_gflops, published_params

METRICS = {"AP": 0.936, "AP50": 0.985, "AP75": 0.98549, "AR": 0.946, "AR50": 0.99, "AR75": 1.0, "AP_M": None}


def test_published_units():
    counts = {63_595_745: "60.65M", 33_999_697: "32.42M", 4_102_176: "3.91M"}
    assert {count: published_params(count) for count in counts} == counts
    assert published_gflops(int(32.88 * 2**30)) == "32.88"
    assert published_params(None) == published_gflops(None) == "\u2013"


def test_results_table():
    rows = [
        ModelRow("FiDIP", "HRNet-W48", (288, 384), 63_595_745, int(32.88 * 2**30), 35_300_000_000, METRICS),
        ModelRow("a|b", metrics={"AP": None, "AP50": 0.0}),
    ]
    assert results_table(rows).splitlines() == [
        "| Method | Backbone | Input size | # Params | GFLOPs | AP | AP50 | AP75 | AR | AR50 | AR75 "
        "| Params (10^6) | GMACs (10^9) |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| FiDIP | HRNet-W48 | 384x288 | 60.65M | 32.88 | 93.6 | 98.5 | 98.5 | 94.6 | 99.0 | 100.0 | 63.60 | 35.30 |",
        "| a\\|b | \u2013 | \u2013 | \u2013 | \u2013 | \u2013 | 0.0 | \u2013 | \u2013 | \u2013 | \u2013 | \u2013 | \u2013 |",
    ]


def test_joint_table():
    details = {
        "oks_per_joint": {"nose": 0.875, "left_eye": None},
        "pck": {
            "0.05": {"mean": 0.5, "joints": {"nose": 0.5, "left_eye": None}},
            "0.2": {"mean": 1.0, "joints": {"nose": 1.0, "left_eye": None}},
        },
    }
    assert joint_table(details).splitlines() == [
        "joint      OKS  PCK@0.05  PCK@0.2",
        "nose      87.5      50.0    100.0",
        "left_eye     \u2013         \u2013        \u2013",
        "all                 50.0    100.0",
    ]


def test_posture_table():
    details = {"posture": {"Prone": {"n": 12, **METRICS}, "Supine": {"n": 3, **dict.fromkeys(METRICS)}}}
    assert posture_table(details).splitlines() == [
        "posture   n    AP  AP50  AP75    AR  AR50   AR75",
        "Prone    12  93.6  98.5  98.5  94.6  99.0  100.0",
        "Supine    3     \u2013     \u2013     \u2013     \u2013     \u2013      \u2013",
    ]


def test_intervals_stand_behind_their_numbers():
    metrics = {**METRICS, "ci95": {"AP": [0.9123, 0.95], "AR": None}}
    row = results_table([ModelRow("x", metrics=metrics)]).splitlines()[-1]
    assert "| 93.6 [91.2, 95.0] | 98.5 | 98.5 | 94.6 |" in row
    assert "93.6 [91.2, 95.0]" in posture_table({"posture": {"Prone": {"n": 12, **metrics}}})
