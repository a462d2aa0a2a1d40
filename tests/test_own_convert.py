"""fidip convert, and COCO files among the formats."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from own_data import TINY, assert_same_labels, collector, labelled_set, write_pictures
from PIL import Image
from running import command

from fidip.annotations import load_annotations
from fidip.cli import exit_on_error
from fidip.errors import DataError
from fidip.labels import FORMATS, write_label_studio
from fidip.skeleton import find_skeleton

main = command("convert")

SKELETON = """
joints: [nose, left_hand, right_hand, tail]
sigmas: {nose: 0.1, left_hand: 0.1, right_hand: 0.1, tail: 0.1}
flip_pairs: [[left_hand, right_hand]]
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """own.json with four pictures in images/, and the skeleton tiny.yaml."""
    monkeypatch.chdir(tmp_path)
    data = labelled_set()
    (tmp_path / "own.json").write_text(json.dumps(data))
    (tmp_path / "tiny.yaml").write_text(SKELETON)
    write_pictures(tmp_path / "images", data)
    return data


def fails(capsys, arguments, *messages):
    with pytest.raises(SystemExit) as stop:
        exit_on_error(lambda: main(arguments))
    assert stop.value.code == 2
    text = capsys.readouterr().err
    assert text.startswith("error: ") and len(text.splitlines()) == 1
    for message in messages:
        assert message in text


def test_there_and_back_through_every_tool(place, capsys):
    options = ["--skeleton", "tiny.yaml", "--images", "images"]
    steps = ["own.json", "ls.json", "cvat.xml", "back.json"]
    formats = ["coco", "label-studio", "cvat", "coco"]
    for i in range(3):
        assert main(["--from", formats[i], steps[i], "--to", formats[i + 1], steps[i + 1], *options]) == 0
    assert_same_labels(load_annotations("back.json", find_skeleton("tiny.yaml")), place)
    table = capsys.readouterr().out.split("written: back.json")[0].split("written: cvat.xml")[1].splitlines()
    counts = {line.rsplit(maxsplit=1)[0].strip(): line.split()[-1] for line in table if line}
    flags = [flag for a in place["annotations"] for flag in a["keypoints"][2::3]]
    expected = {"pictures": 4, "pictures without a person": 1, "persons": 6, "joints visible": flags.count(2),
                "joints hidden": flags.count(1), "joints not labelled": flags.count(0)}  # fmt: skip
    assert {name: counts[name] for name in expected} == {name: str(n) for name, n in expected.items()}


def test_files_are_not_replaced_by_accident(place, capsys):
    arguments = ["--from", "coco", "own.json", "--to", "coco", "own.json", "--skeleton", "tiny.yaml"]
    fails(capsys, arguments, "own.json exists already", "--overwrite")
    assert main([*arguments, "--overwrite"]) == 0
    assert_same_labels(json.loads(Path("own.json").read_text()), place)


def test_mistakes_are_one_line_and_status_2(place, capsys):
    fails(
        capsys,
        ["--from", "coco", "own.json", "--to", "cvat", "x.xml"],
        "has the joints nose, left_hand",
        "--skeleton",
    )
    fails(
        capsys,
        ["--from", "yolo", "own.json", "--to", "cvat", "x.xml"],
        "format 'yolo' is unknown",
        "label-studio",
    )
    fails(capsys, ["--from", "coco", "no.json", "--to", "cvat", "x.xml"], "no.json does not exist")
    fails(capsys, ["--setup", "coco", "x.xml"], "choose from label-studio, cvat")
    fails(
        capsys,
        ["--setup", "cvat", "x.xml", "--skeleton", "no.yaml"],
        "'no.yaml' is no built-in joint set",
    )
    fails(
        capsys,
        ["--setup", "cvat", "x.json", "--from", "coco", "own.json"],
        "--from and --to belong together",
    )
    Path("images/clip 0/p2.png").unlink()
    arguments = [
        "--from",
        "coco",
        "own.json",
        "--to",
        "cvat",
        "x.xml",
        "--skeleton",
        "tiny.yaml",
        "--images",
        "images",
    ]
    fails(capsys, arguments, "coco file own.json has 1 fault: image 114 names the picture clip 0/p2.png")
    assert not Path("x.xml").exists()
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 2


def test_joints_by_name(place, capsys):
    Path("less.yaml").write_text("joints: [tail, foot, nose]\nsigmas: {tail: 0.1, foot: 0.1, nose: 0.1}\n")
    arguments = ["--from", "coco", "own.json", "--to", "coco", "less.json", "--skeleton", "less.yaml"]
    fails(capsys, arguments, "not those of less in their order", "--drop-unknown")
    assert main([*arguments, "--drop-unknown"]) == 0
    for ours, theirs in zip(
        load_annotations("less.json", find_skeleton("less.yaml"))["annotations"],
        place["annotations"],
        strict=True,
    ):
        flat = theirs["keypoints"]
        assert ours["keypoints"] == [*flat[9:], 0, 0, 0, *flat[:3]]
    hands = sum(flag > 0 for a in place["annotations"] for flag in a["keypoints"][5:9:3])
    assert re.search(rf"joints left out, not in the skeleton +{hands}\n", capsys.readouterr().out)


def test_setups_are_written(place, capsys):
    assert main(["--setup", "label-studio", "ls.xml", "--skeleton", "tiny.yaml"]) == 0
    assert main(["--setup", "cvat", "cvat.json", "--skeleton", "tiny.yaml"]) == 0
    assert 'value="tail"' in Path("ls.xml").read_text()
    assert json.loads(Path("cvat.json").read_text())[0]["sublabels"][3]["name"] == "tail"
    assert "4 keypoints of tiny: ls.xml" in capsys.readouterr().out


def test_pictures_that_exif_turns_are_said(place, capsys):
    picture = Image.fromarray(np.zeros((48, 64, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save("images/turned.jpg", exif=exif)
    cv2.imwrite("images/plain.jpg", np.zeros((64, 48, 3), np.uint8))
    boxes = '<box label="box" xtl="1" ytl="1" xbr="40" ybr="60"/>'
    images = "".join(
        f'<image id="{i}" name="{n}.jpg" width="48" height="64">{boxes}</image>'
        for i, n in enumerate(("turned", "plain"))
    )
    Path("a.xml").write_text(f"<annotations>{images}</annotations>")
    assert main(["--from", "cvat", "a.xml", "--to", "coco", "a.json", "--images", "images"]) == 0
    text = capsys.readouterr().out
    assert "EXIF turns 1 images, e.g. turned.jpg" in text and "DATASET.EXIF True" in text
    assert [(i["width"], i["height"]) for i in json.loads(Path("a.json").read_text())["images"]] == [
        (48, 64)
    ] * 2


WEIRD = (None, [], {}, "", "x", -1, 0, True, 1e308, [[]], {"a": []})


def _damaged(value, rng):
    """A copy of JSON with one value somewhere in it replaced."""
    copied = json.loads(json.dumps(value))
    node = copied
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = keys[rng.integers(len(keys))]
        if not isinstance(node[key], (dict, list)) or not node[key] or rng.random() < 0.15:
            node[key] = WEIRD[rng.integers(len(WEIRD))]
            return copied
        node = node[key]


def test_damaged_tasks_are_refused_in_words_or_read(place, tmp_path):
    rng = np.random.default_rng(0)
    write_label_studio(place, TINY, tmp_path / "ls.json")
    tasks, refused = json.loads((tmp_path / "ls.json").read_text()), 0
    for _ in range(400):
        (tmp_path / "bad.json").write_text(json.dumps(_damaged(tasks, rng)))
        try:
            FORMATS["label-studio"].read(tmp_path / "bad.json", collector())
        except DataError:
            refused += 1
    assert 100 < refused < 400


def test_damaged_xml_and_csv_are_refused_in_words_or_read(place, tmp_path):
    rng, refused = np.random.default_rng(0), 0
    FORMATS["cvat"].write(place, TINY, tmp_path / "a.xml")
    FORMATS["deeplabcut"].write(place, TINY, tmp_path / "CollectedData_me.csv")
    for name, path in (("cvat", "a.xml"), ("deeplabcut", "CollectedData_me.csv")):
        text = (tmp_path / path).read_text()
        for _ in range(200):
            words = re.split(r'([",\n])', text)
            words[2 * rng.integers(len(words) // 2)] = str(WEIRD[rng.integers(len(WEIRD))])
            (tmp_path / "bad").write_text("".join(words))
            try:
                FORMATS[name].read(tmp_path / "bad", collector(images=tmp_path / "images"))
            except DataError:
                refused += 1
    assert 100 < refused < 400
