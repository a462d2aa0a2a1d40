"""The script, its tables, and the page."""

import base64
import json
import sys
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from audit_data import annotation_path, audit, clean_split, picture, save
from running import command

from fidip.audit import KINDS, audit_page, audit_text
from fidip.audit.table import columns
from fidip.cli import exit_on_error
from fidip.data.coco_json import image_folder

main = command("audit")

VOID = {"meta", "img", "br"}


@pytest.fixture(scope="module")
def run():
    def status(*arguments):
        with pytest.raises(SystemExit) as stop:
            exit_on_error(lambda: main([str(argument) for argument in arguments]))
        return stop.value.code

    return status


@pytest.fixture
def faulty(tmp_path):
    """Two splits: an id 0, a joint and a box outside, a copy in the other split, a name that needs escaping."""
    train = clean_split(tmp_path, "train")
    val = clean_split(tmp_path, "val", seed=1)
    train["annotations"][0]["id"] = 0
    train["annotations"][1]["keypoints"][27:29] = [200, 60]
    train["annotations"][2].update(bbox=[-10, -10, 300, 200], area=12_000.0)
    picture(tmp_path, val, 0, "val").write_bytes(picture(tmp_path, train, 3).read_bytes())
    odd = "<b>&.png"
    picture(tmp_path, val, 1, "val").rename(image_folder(tmp_path, "val") / odd)
    val["images"][1].update(file_name=odd, image_source=train["images"][1]["image_source"])
    picture(tmp_path, val, 2, "val").unlink()
    save(tmp_path, "train", train)
    save(tmp_path, "val", val)
    return tmp_path


def test_status_is_0_when_clean_and_1_when_not(tmp_path, run, capsys):
    content = clean_split(tmp_path)
    assert run("train", "--root", tmp_path) == 0
    assert "nothing found" in capsys.readouterr().out
    content["annotations"][0]["id"] = 0
    save(tmp_path, "train", content)
    assert run("train", "--root", tmp_path) == 1
    assert "annotation_id_zero" in capsys.readouterr().out
    assert run("train", "--root", tmp_path, "--ignore", "annotation_id_zero") == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["nothing"], "nothing"),
        (["train", "train"], "given twice"),
        (["--labels", "{root}/annotations/person_keypoints_train.json", "{root}/none"], "does not exist"),
        (["train", "val", "--fix", "{root}/out.json"], "--fix-split"),
        (["train", "--fix", "{root}/out.json", "--disjoint-from", "val"], "not among those audited"),
        (["train", "--fix", "{root}/annotations/person_keypoints_train.json"], "another name"),
    ],
)
def test_status_is_2_on_errors(tmp_path, run, capsys, arguments, text):
    clean_split(tmp_path)
    clean_split(tmp_path, "val", seed=1)
    before = annotation_path(tmp_path, "train").read_bytes()
    assert run(*(a.format(root=tmp_path) for a in arguments), "--root", tmp_path) == 2
    error = capsys.readouterr().err
    assert text in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out.json").exists()
    assert annotation_path(tmp_path, "train").read_bytes() == before


def test_no_split_and_unknown_kinds_are_refused(tmp_path, run, capsys):
    assert run() == 2
    assert run("train", "--ignore", "everything") == 2
    assert run("train", "--drop", "area_constant") == 2
    assert "usage:" in capsys.readouterr().err


def test_json_page_and_corrected_split_are_written(faulty, run, capsys):
    good = annotation_path(faulty, "good")
    labels = annotation_path(faulty, "train")
    code = run("--labels", labels, faulty / "images" / "train", "--labels", annotation_path(faulty, "val"),
               faulty / "images" / "val", "--output", faulty / "a.json", "--page", faulty / "a.html",
               "--fix", good, "--fix-split", "val", "--disjoint-from", "train", "--place", "copy")  # fmt: skip
    assert code == 1
    assert "an audit of it finds nothing" in capsys.readouterr().out
    report = json.loads((faulty / "a.json").read_text())
    assert {finding["kind"] for finding in report["findings"]} == {
        "annotation_id_zero", "picture_missing", "box_outside", "joint_outside_picture", "duplicate_between",
        "shared_source",
    }  # fmt: skip
    assert report["fix"]["counts"]["picture_left_out"] == 3
    assert len(report["fix"]["changes"]) == sum(report["fix"]["counts"].values())
    assert report["fix"]["left"] == []
    assert report["provenance"]["command"] == sys.argv and report["provenance"]["versions"]["numpy"]
    assert [path.name for path in image_folder(faulty, "good").iterdir()] == ["val00003.png"]
    assert run("good", "--root", faulty) == 0


class Page(HTMLParser):
    """Collects tags and texts, and insists on balanced tags."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.texts = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def pictures(self):
        for tag, attributes in self.tags:
            if tag == "img":
                kind, data = attributes["src"].split(",", 1)
                assert kind == "data:image/jpeg;base64"
                yield (
                    attributes["alt"],
                    cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR),
                )


def test_page_shows_every_finding_and_fetches_nothing(faulty):
    result = audit(faulty, "train", "val")
    text = audit_page(result)
    page = Page(text)
    assert "do not publish it" in text
    sections = [attributes["id"] for tag, attributes in page.tags if tag == "h2" and "id" in attributes]
    assert sections == list(dict.fromkeys(finding.kind for finding in result.findings))
    assert not [tag for tag, _ in page.tags if tag in ("script", "link", "iframe", "object", "b")]
    assert [
        a for _, a in page.tags if any(value and "//" in value for key, value in a.items() if key != "src")
    ] == []
    assert all(finding.message in page.texts for finding in result.findings)
    assert any("val/<b>&.png" in data for data in page.texts)
    # a missing picture has none
    expected = [place.name for f in result.findings for place in f.places if f.kind != "picture_missing"]
    pictures = list(page.pictures())
    assert [name for name, _ in pictures] == expected
    assert all(max(image.shape[:2]) == 200 for _, image in pictures)


def test_page_marks_what_is_wrong(faulty):
    """The wrist is ringed red; outside the picture it is grey, and the box green."""
    shown = dict(Page(audit_page(audit(faulty, "train"))).pictures())
    wrist = shown["train00001.png (annotation 2)"].astype(int)
    assert ((wrist[..., 2] > 200) & (wrist[..., 1] < 110) & (wrist[..., 0] < 120)).sum() > 20
    box = shown["train00002.png (annotation 3)"].astype(int)
    assert (np.abs(box - 90) <= 6).all(axis=2).mean() > 0.3
    assert ((box[..., 1] > 170) & (box[..., 2] < 140) & (box[..., 0] < 170)).sum() > 100


def test_page_keeps_to_its_limit(tmp_path):
    content = clean_split(tmp_path, count=6)
    for annotation in content["annotations"]:
        annotation["num_keypoints"] = 1
    save(tmp_path, "train", content)
    result = audit(tmp_path)
    page = Page(audit_page(result, limit=2))
    assert len(list(page.pictures())) == 2
    assert any("And 4 more" in text for text in page.texts)
    assert len(list(Page(audit_page(result, limit=0)).pictures())) == 6


def test_clean_page_and_text(tmp_path):
    clean_split(tmp_path)
    result = audit(tmp_path)
    assert list(Page(audit_page(result)).pictures()) == []
    text = audit_text(result)
    for part in ("nothing found", "Supine   2 (50%)", "left_wrist", "whole body"):
        assert part in text


def test_text_shows_some_examples_and_counts_the_rest(tmp_path):
    content = clean_split(tmp_path)
    for annotation in content["annotations"]:
        annotation["num_keypoints"] = 1
    save(tmp_path, "train", content)
    text = audit_text(audit(tmp_path), examples=1)
    assert text.count("num_keypoints 1, but 17") == 1
    assert "    and 3 more" in text
    assert KINDS["num_keypoints_wrong"].title in text


def test_columns():
    assert columns([["a", "n"], ["bb", "1"], ["c", "-"]]) == "a   n\nbb  1\nc   -"
