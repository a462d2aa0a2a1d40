import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from running import command

from fidip.cli import exit_on_error
from fidip.data.adult import join_adult_sets
from fidip.data.coco_json import category
from fidip.errors import DataError
from fidip.skeleton import COCO17

main = command("prepare adults")


def keypoints(labelled: int) -> list[float]:
    return [7.0, 8.0, 2.0] * labelled + [0, 0, 0] * (17 - labelled)


def person(person_id: int, image_id: int, labelled: int = 17, **more: object) -> dict:
    base = {"id": person_id, "image_id": image_id, "category_id": 1, "iscrowd": 0, "bbox": [1, 2, 20, 15]}
    return {**base, "area": 159.0, "num_keypoints": labelled, "keypoints": keypoints(labelled), **more}


def write_set(file: Path, folder: Path, images: list[dict], annotations: list[dict]) -> None:
    folder.mkdir(parents=True)
    for image in images:
        image.update(width=32, height=24)
        cv2.imwrite(str(folder / image["file_name"]), np.full((24, 32, 3), image["id"] % 250, np.uint8))
    data = {"images": images, "annotations": annotations, "categories": [category(COCO17)]}
    file.write_text(json.dumps(data))


@pytest.fixture
def lspet(tmp_path: Path) -> Path:
    """Three pictures; the labels of the last look swapped, those of the second just do not."""
    flags = {"pseudo_face": [1, 0, 1, 0, 0]}
    write_set(
        tmp_path / "lspet_person_keypoints.json",
        tmp_path / "lspet" / "images",
        [{"id": i, "file_name": f"im{i:05d}.jpg"} for i in (2, 4, 7)],
        [
            person(2, 2, peer_pck=0.9, peer_pck_lrswapped=0.1, **flags),
            person(4, 4, peer_pck=0.5, peer_pck_lrswapped=0.75, **flags),
            person(7, 7, peer_pck=0.25, peer_pck_lrswapped=0.75, **flags),
        ],
    )
    (tmp_path / "lspet_person_keypoints.json").rename(tmp_path / "lspet" / "person_keypoints.json")
    return tmp_path / "lspet"


@pytest.fixture
def coco(tmp_path: Path) -> tuple[Path, Path]:
    """Two training pictures (the second without a good person) and two test pictures (the second empty)."""
    images = [
        {"id": 2, "file_name": "000002.jpg", "split": "train2017", "flickr_url": "http://example.org/2"},
        {"id": 9, "file_name": "000009.jpg", "split": "train2017"},
        {"id": 30, "file_name": "000030.jpg", "coco_url": "http://example.org/val2017/000030.jpg"},
        {"id": 31, "file_name": "000031.jpg", "split": "val2017"},
    ]
    annotations = [
        person(11, 2, 17),
        person(12, 2, 5),
        person(13, 2, 4),
        person(14, 9, 0, iscrowd=1),
        person(15, 9, 3),
        person(16, 30, 2),
        person(17, 30, 0, iscrowd=1),
        person(18, 30, 17),
    ]
    write_set(tmp_path / "coco.json", tmp_path / "coco", images, annotations)
    return tmp_path / "coco.json", tmp_path / "coco"


def test_both_splits_are_written(lspet, coco, tmp_path, capsys):
    root = tmp_path / "out"
    assert main(["--lspet", str(lspet), "--coco", *map(str, coco), "--root", str(root)]) == 0
    printed = capsys.readouterr().out
    assert "train_adults: 3 images, 4 persons" in printed
    assert "val2017: 2 images, 3 persons" in printed
    train = json.loads((root / "annotations/person_keypoints_train_adults.json").read_text())
    assert [(i["id"], i["file_name"]) for i in train["images"]] == [
        (1, "im00002.jpg"),
        (2, "im00004.jpg"),
        (3, "000002.jpg"),
    ]
    assert [(a["id"], a["image_id"], a["num_keypoints"]) for a in train["annotations"]] == [
        (1, 1, 17),
        (2, 2, 17),
        (3, 3, 17),
        (4, 3, 5),
    ]
    assert {i["is_synthetic"] for i in train["images"]} == {False}
    assert train["images"][2]["image_source"] == "http://example.org/2"
    assert (train["annotations"][0]["area"], train["annotations"][0]["bbox"]) == (159.0, [1, 2, 20, 15])
    assert sorted(p.name for p in (root / "images/train_adults").iterdir()) == [
        "000002.jpg",
        "im00002.jpg",
        "im00004.jpg",
    ]


def test_test_split_keeps_everything(lspet, coco):
    _, test = join_adult_sets(lspet, [coco])
    assert [image["id"] for image in test.data["images"]] == [30, 31]
    found = [(a["id"], a["image_id"], a["iscrowd"], a["num_keypoints"]) for a in test.data["annotations"]]
    assert found == [(1, 30, 0, 2), (2, 30, 1, 0), (3, 30, 0, 17)]


def test_min_joints_is_inclusive(coco):
    for minimum, expected in ((3, 4), (4, 3), (5, 2), (6, 1)):
        train, _ = join_adult_sets(None, [coco], min_joints=minimum)
        assert len(train.data["annotations"]) == expected


def test_pseudo_face_joints_can_be_dropped(lspet, coco):
    kept = np.array(join_adult_sets(lspet, [coco])[0].data["annotations"][0]["keypoints"]).reshape(17, 3)
    assert (kept[:, 2] == 2).all()
    person = join_adult_sets(lspet, [coco], drop_pseudo_face=True)[0].data["annotations"][0]
    dropped = np.array(person["keypoints"]).reshape(17, 3)
    assert (dropped[[0, 2]] == 0).all()
    assert (np.delete(dropped, [0, 2], axis=0) == np.delete(kept, [0, 2], axis=0)).all()
    assert person["num_keypoints"] == 15


def test_links_lead_to_the_pictures(lspet, coco, tmp_path):
    assert (
        main(["--lspet", str(lspet), "--coco", *map(str, coco), "--root", str(tmp_path / "out"), "--link"])
        == 0
    )
    link = tmp_path / "out/images/train_adults/im00002.jpg"
    assert link.is_symlink() and link.samefile(lspet / "images/im00002.jpg")


def test_faults_are_named(lspet, coco, tmp_path, capsys):
    with pytest.raises(DataError, match="training split is empty"):
        join_adult_sets(None, [coco], train_split="train2014")
    with pytest.raises(DataError, match="test split is empty"):
        join_adult_sets(lspet, [coco], test_split="val2014")
    with pytest.raises(DataError, match="cannot be both"):
        join_adult_sets(lspet, [coco], test_split="train2017")
    with pytest.raises(DataError, match=r"000002\.jpg.*same name"):
        join_adult_sets(None, [coco, coco])
    content = json.loads(coco[0].read_text())
    (tmp_path / "twice.json").write_text(
        coco[0].read_text().replace("000030.jpg", "000032.jpg").replace("train2017", "x")
    )
    with pytest.raises(DataError, match=r"000032\.jpg: image id 30 is used"):
        join_adult_sets(None, [coco, (tmp_path / "twice.json", coco[1])])
    del content["images"][3]["split"]
    coco[0].write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"coco\.json: picture 31 has neither"):
        join_adult_sets(None, [coco])
    content = json.loads((lspet / "person_keypoints.json").read_text())
    content["annotations"][1]["pseudo_face"] = [1, 0]
    del content["annotations"][2]["peer_pck"]
    (lspet / "person_keypoints.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"annotation 4 needs 5 flags"):
        join_adult_sets(lspet, [coco], drop_pseudo_face=True)
    with pytest.raises(SystemExit) as status:
        exit_on_error(lambda: main(["--lspet", str(lspet), "--coco", *map(str, coco)]))
    assert status.value.code == 2
    assert "annotation 7 lacks 'peer_pck'" in capsys.readouterr().err
