"""fidip evaluate, and the contact sheets."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
from running import command

from fidip.errors import DataError
from fidip.evaluation import CocoEvaluator, prediction_pictures, write_prediction_pictures
from fidip.evaluation.pictures import PREDICTION_COLOURS, TRUTH_COLOURS
from fidip.skeleton import COCO17

main = command("evaluate")

# a standing figure in a unit square: x, y per joint, its left on the picture's right
FIGURE = np.array(
    [(50, 12), (54, 9), (46, 9), (59, 11), (41, 11), (64, 28), (36, 28), (74, 44), (26, 44), (80, 60), (20, 60),
     (59, 58), (41, 58), (62, 77), (38, 77), (64, 96), (36, 96)]
) / 100  # fmt: skip


def data(n=6):
    """n pictures of 200x300 px with one person each; half of them Prone, half Supine."""
    images, annotations = [], []
    for i in range(n):
        images.append({"id": i, "file_name": f"p{i}.png", "posture": ("Prone", "Supine")[i % 2]})
        keypoints = np.column_stack([FIGURE * (120, 200) + (40 + i, 50), np.full(17, 2)])
        annotations.append(
            {"id": i + 1, "image_id": i, "category_id": 1, "bbox": [40 + i, 50, 120, 200], "iscrowd": 0,
             "keypoints": keypoints.ravel().tolist(), "area": 12000 + i}
        )  # fmt: skip
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}


def results(truth, shift):
    """Person i is predicted i x shift px too far right; the last one is not predicted."""
    found = []
    for i, annotation in enumerate(truth["annotations"][:-1]):
        keypoints = np.reshape(annotation["keypoints"], (-1, 3)) + np.array([i * shift, 0, 0])
        found.append(
            {"image_id": annotation["image_id"], "category_id": 1, "keypoints": keypoints.ravel().tolist(),
             "score": 0.9}
        )  # fmt: skip
    return found


@pytest.fixture
def files(tmp_path):
    (tmp_path / "gt.json").write_text(json.dumps(data()))
    (tmp_path / "res.json").write_text(json.dumps(results(data(), 0)))
    return tmp_path


def arguments(folder, *more):
    return ["--annotations", str(folder / "gt.json"), "--results", str(folder / "res.json"), *more]


def test_table_and_metrics(files, capsys):
    assert (
        main(
            arguments(
                files, "--area", "bbox", "--bootstrap", "0", "--output", str(files / "out" / "metrics.json")
            )
        )
        == 0
    )
    metrics = json.loads((files / "out" / "metrics.json").read_text())
    # recall 5/6 at precision 1: 84 of COCO's 101 recall points (0, 0.01, ... 0.83) are reached
    assert metrics["AP"] == pytest.approx(84 / 101, abs=1e-12)
    assert metrics["AR"] == pytest.approx(5 / 6, abs=1e-12)
    assert metrics["AP_M"] is None
    assert (metrics["n_images"], metrics["area"], metrics["boxes"]) == (6, "bbox", "unknown")
    assert not {"details", "ci95", "bootstrap"} & metrics.keys()
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("| res |")
    assert "| 83.2 | 83.2 | 83.2 | 83.3 | 83.3 | 83.3 |" in last


def test_intervals(files, capsys):
    output = files / "metrics.json"
    assert main(arguments(files, "--details", "--output", str(output))) == 0
    metrics = json.loads(output.read_text())
    about = {"resamples": 1000, "seed": 0, "level": 0.95, "unit": "picture", "units": 6}
    assert metrics["bootstrap"] == about
    low, high = metrics["ci95"]["AR"]
    assert 0.3 < low < metrics["AR"] < high <= 1 and metrics["ci95"]["AP_M"] is None
    assert metrics["details"]["posture"]["Prone"]["ci95"]["AR"][0] < 1
    printed = capsys.readouterr().out
    assert f"| 83.3 [{100 * low:.1f}, {100 * high:.1f}] |" in printed and "100.0 [" in printed


def test_details(files, capsys):
    output = files / "metrics.json"
    assert main(arguments(files, "--details", "--boxes", "gt", "--output", str(output))) == 0
    metrics = json.loads(output.read_text())
    assert metrics["boxes"] == "gt"
    assert metrics["details"]["posture"]["Prone"]["AP"] == pytest.approx(1, abs=1e-12)
    assert metrics["details"]["posture"]["Supine"]["n"] == 3
    printed = capsys.readouterr().out
    assert "left_ankle      83.3      83.3     83.3     83.3" in printed
    assert "Prone    3  100.0" in printed


def test_nothing_is_written_unasked(files):
    before = sorted(files.iterdir())
    main(arguments(files))
    assert sorted(files.iterdir()) == before


def test_errors_are_one_line_and_status_2(files):
    (files / "res.json").write_text(json.dumps([{"image_id": 99, "keypoints": [0] * 51, "score": 1}]))
    given = arguments(files, "--output", str(files / "m.json"))
    done = subprocess.run([sys.executable, "-m", "fidip", "evaluate", *given], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"error: results file {files / 'res.json'} has 1 fault: result at index 0 (image_id 99) is of a picture "
        "that the annotations do not have: check that it belongs to these annotations, or write it again\n"
    )
    assert not (files / "m.json").exists()


def matches(shift=4):
    evaluator = CocoEvaluator(data(), area="bbox")
    evaluator.load_results(results(data(), shift))
    return evaluator.matches()


def grey(_name):
    return np.full((300, 200, 3), 128, np.uint8)


def count_colour(sheet, colour):
    return int((sheet == colour).all(axis=-1).sum())


def test_sheets_show_the_best_and_the_worst():
    seen = []
    sheets = prediction_pictures(
        matches(), lambda name: (seen.append(name), grey(name))[1], count=2, tile=200
    )
    assert seen == ["p0.png", "p1.png", "p5.png", "p4.png"]  # p5 was missed, then the furthest
    assert {name: sheet.shape for name, sheet in sheets.items()} == dict.fromkeys(
        ("best", "worst"), (34 + 200 + 24 + 6, 2 * 206 + 6, 3)
    )


def test_both_sides_of_both_figures_are_drawn():
    person = [m for m in matches(shift=20) if m.file_name == "p1.png"]
    sheet = prediction_pictures(person, grey, tile=320)["best"][34:]  # below the legend
    for colour in (*TRUTH_COLOURS, *PREDICTION_COLOURS):
        assert count_colour(sheet, colour) > 30
    exact = prediction_pictures(matches(shift=0)[:1], grey, tile=320)["best"][34:]
    assert count_colour(exact, TRUTH_COLOURS[0]) > 30  # a swap of sides must show under the prediction
    missed = prediction_pictures(matches()[-1:], grey, tile=320)["worst"][34:]
    assert count_colour(missed, TRUTH_COLOURS[0]) > 30
    assert count_colour(missed, PREDICTION_COLOURS[0]) == 0


def test_a_joint_is_drawn_where_it_is():
    (person,) = (m for m in matches() if m.file_name == "p0.png")
    sheet = prediction_pictures([person], grey, tile=320)["best"]
    scale, center = 320 / (200 * 1.25), np.array([100, 150])  # the box's longer side, its centre
    x, y = np.rint((person.truth[9, :2] - center) * scale + 160).astype(int) + np.array([6, 34])  # left wrist
    assert tuple(sheet[y, x]) == PREDICTION_COLOURS[0]  # exact, so it covers the label


def test_large_pictures_land_in_the_same_place():
    """Pictures are averaged down before they are cropped; a mark must not move by more than a pixel."""
    truth = data(1)
    annotation = truth["annotations"][0]
    annotation["keypoints"] = (np.reshape(annotation["keypoints"], (-1, 3)) * (10, 10, 0)).ravel().tolist()
    annotation["keypoints"][:3] = [1000, 700, 2]
    annotation["bbox"] = [400, 500, 1200, 2000]
    evaluator = CocoEvaluator(truth, area="bbox")
    picture = np.zeros((3000, 2000, 3), np.uint8)
    cv2.rectangle(picture, (1150, 1650), (1250, 1750), (255, 255, 255), -1)
    sheet = prediction_pictures(evaluator.matches(), lambda _: picture, tile=320)["best"]
    rows, columns = np.nonzero((sheet[34:354, 6:326] > 200).all(axis=-1))
    expected = (np.array([1200, 1700]) - (1000, 1500)) * 320 / 2500 + 160
    np.testing.assert_allclose([columns.mean(), rows.mean()], expected, atol=1)


def test_sheets_are_written(tmp_path):
    for i in range(6):
        cv2.imwrite(str(tmp_path / f"p{i}.png"), grey(""))
    paths = write_prediction_pictures(tmp_path / "out", matches(), tmp_path, count=3)
    assert [path.name for path in paths] == ["predictions_best.png", "predictions_worst.png"]
    assert sorted((tmp_path / "out").iterdir()) == paths
    expected = prediction_pictures(matches(), grey, count=3)["worst"]
    np.testing.assert_array_equal(cv2.imread(str(paths[1]))[..., ::-1], expected)


def test_picture_errors(tmp_path):
    with pytest.raises(DataError, match=r"picture .*p0\.png cannot be read"):
        prediction_pictures(matches(), tmp_path)
    truth = data(1)
    del truth["images"][0]["file_name"]
    with pytest.raises(DataError, match="image 0 has no file_name in the annotations"):
        prediction_pictures(CocoEvaluator(truth).matches(), tmp_path)


def test_nobody_gives_no_sheet():
    assert prediction_pictures([], grey) == {}


def test_figure_fits_the_skeleton():
    assert len(FIGURE) == COCO17.num_joints
