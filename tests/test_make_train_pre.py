import json
import logging
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from running import command

from fidip.cli import exit_on_error
from fidip.data.coco_json import SplitBuilder
from fidip.data.pretrain_set import build_pretrain_set, persons_of_coco, persons_of_folder
from fidip.errors import DataError
from fidip.skeleton import COCO17

main = command("prepare pretraining")

LABELLED = [5.0, 6.0, 2.0] + [0] * 48
UNLABELLED = [0] * 51


def write_picture(path: Path, size: tuple[int, int] = (32, 24)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((size[1], size[0], 3), 90, np.uint8))
    return path


@pytest.fixture
def real(tmp_path: Path) -> tuple[Path, Path]:
    """Ten pictures of two persons each (one without joints), and one picture with only a crowd."""
    folder, split = tmp_path / "coco", SplitBuilder(COCO17, "real")
    for number in range(11):
        picture = write_picture(folder / f"{number:012d}.jpg")
        image_id = split.add_picture(
            picture, picture.name, (32, 24), is_synthetic=False, image_id=100 + number
        )
        if number == 10:
            split.add_person(image_id, [0, 0, 9, 9], UNLABELLED, iscrowd=1)
            continue
        split.add_person(image_id, [1, 2, 10, 12], LABELLED, area=70.5)
        split.add_person(image_id, [3, 4, 11, 13], UNLABELLED)
    split.images[0]["coco_url"] = "http://example.org/val2017/000000000000.jpg"
    del split.images[0]["image_source"]
    (tmp_path / "real.json").write_text(json.dumps(split.prepared().data))
    return tmp_path / "real.json", folder


@pytest.fixture
def renders(tmp_path: Path) -> Path:
    for clip in ("a", "b"):
        for frame in range(3):
            write_picture(tmp_path / "renders" / clip / f"{frame:04d}.png", (40, 30))
    (tmp_path / "renders" / "notes.txt").write_text("no picture")
    return tmp_path / "renders"


def test_split_with_a_folder_of_renders(real, renders, tmp_path, capsys):
    arguments = [
        "--real",
        *map(str, real),
        "--synthetic-folder",
        str(renders),
        "--root",
        str(tmp_path / "out"),
    ]
    assert main([*arguments, "--num-real", "20", "--num-synthetic", "4"]) == 0
    assert "14 images with 24 persons" in capsys.readouterr().out
    data = json.loads((tmp_path / "out/annotations/person_keypoints_train_pre_infant.json").read_text())
    images = {image["id"]: image for image in data["images"]}
    assert sorted(images) == list(range(1, 15))
    assert [annotation["id"] for annotation in data["annotations"]] == list(range(1, 25))
    labels = Counter(images[annotation["image_id"]]["is_synthetic"] for annotation in data["annotations"])
    assert labels == {False: 20, True: 4}
    for image in images.values():
        assert image["file_name"].startswith("syn_" if image["is_synthetic"] else "real_")
        written = cv2.imread(str(tmp_path / "out/images/train_pre_infant" / image["file_name"]))
        assert written.shape[1::-1] == (image["width"], image["height"])
    assert images[1]["image_source"] == "http://example.org/val2017/000000000000.jpg"
    first, second = data["annotations"][:2]
    assert first["image_id"] == second["image_id"] == 1
    assert (first["bbox"], first["area"], first["num_keypoints"]) == ([1, 2, 10, 12], 70.5, 1)
    render = data["annotations"][-1]
    assert (render["bbox"], render["area"], render["num_keypoints"]) == ([0, 0, 40, 30], 1200, 0)
    assert render["keypoints"] == UNLABELLED


def test_names_of_different_folders_are_made_unique(real, renders):
    prepared = build_pretrain_set(persons_of_coco(*real, synthetic=False), persons_of_folder(renders), 1, 6)
    names = sorted(name for name in prepared.pictures if name.startswith("syn_"))
    assert names == [f"syn_000{i}{end}.png" for i in range(3) for end in ("", "_2")]
    assert len(set(prepared.pictures.values())) == 7


def test_choice_depends_on_the_seed_only(real, renders):
    def chosen(seed: int, num_real: int = 8) -> tuple[list[int], list[str]]:
        people = persons_of_coco(*real, synthetic=False), persons_of_folder(renders)
        prepared = build_pretrain_set(*people, num_real, 3, seed)
        sources = [str(path) for path in prepared.pictures.values()]
        return [a["bbox"][0] for a in prepared.data["annotations"]], sources

    assert chosen(0) == chosen(0)
    assert chosen(0) != chosen(1)
    assert chosen(0)[1][-3:] == chosen(0, num_real=2)[1][-3:]  # renders do not depend on the real number


def test_choice_is_even_over_seeds(real, renders):
    people = persons_of_coco(*real, synthetic=False)
    counts = Counter(
        path.name
        for seed in range(400)
        for path in build_pretrain_set(people, persons_of_folder(renders), 1, 1, seed).pictures.values()
        if path.suffix == ".jpg"
    )
    assert len(counts) == 10 and min(counts.values()) > 18 and max(counts.values()) < 66  # 40 +- 4.3 sd


def test_fewer_than_asked_for_are_all_used_with_a_warning(real, renders, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("fidip"), "propagate", True)
    prepared = build_pretrain_set(persons_of_coco(*real, synthetic=False), persons_of_folder(renders))
    assert len(prepared.data["annotations"]) == 20 + 6
    assert "only 20 of 1904 real persons" in caplog.text
    assert "only 6 of 2000 synthetic persons" in caplog.text


def test_pictures_of_the_other_domain_are_left_out(real):
    content = json.loads(real[0].read_text())
    for image in content["images"][:4]:
        image["is_synthetic"] = True
    real[0].write_text(json.dumps(content))
    assert len(persons_of_coco(*real, synthetic=False)) == 12
    assert len(persons_of_coco(*real, synthetic=True)) == 8


def test_persons_without_keypoints_are_unlabelled(real, renders):
    content = json.loads(real[0].read_text())
    for annotation in content["annotations"]:
        del annotation["keypoints"]
    real[0].write_text(json.dumps(content))
    prepared = build_pretrain_set(persons_of_coco(*real, synthetic=False), persons_of_folder(renders), 20, 6)
    assert {annotation["num_keypoints"] for annotation in prepared.data["annotations"]} == {0}


def test_empty_set_is_refused(real, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit) as status:
        exit_on_error(
            lambda: main(
                [
                    "--real",
                    *map(str, real),
                    "--synthetic-folder",
                    str(tmp_path / "empty"),
                    "--root",
                    str(tmp_path / "out"),
                ]
            )
        )
    assert status.value.code == 2
    assert "error: no synthetic persons" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_faulty_records_are_named(real, renders, tmp_path):
    content = json.loads(real[0].read_text())
    content["annotations"][3]["keypoints"] = [1, 2, 3]
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"broken\.json.*annotation 4.*3 numbers"):
        persons_of_coco(broken, real[1], synthetic=False)
    content["annotations"][3]["keypoints"] = UNLABELLED
    del content["images"][2]["width"]
    broken.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"broken\.json.*image 102.*lacks width"):
        persons_of_coco(broken, real[1], synthetic=False)
    (renders / "a/0001.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"0001\.png cannot be read"):
        build_pretrain_set(persons_of_coco(*real, synthetic=False), persons_of_folder(renders))
