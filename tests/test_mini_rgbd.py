import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from running import command

from fidip.data.coco_json import SplitBuilder, write_split
from fidip.data.mini_rgbd import (
    BOX_PADDING,
    COCO_FROM_SMIL,
    SMIL_JOINTS,
    coco_keypoints,
    joint_box,
    prepare_mini_rgbd,
    read_joints,
)
from fidip.errors import DataError
from fidip.skeleton import COCO17

main = command("prepare mini-rgbd")

SIZE = (64, 48)


def joints_of(seed: int) -> np.ndarray:
    joints = np.random.default_rng(seed).uniform([10, 10, 0.5], [50, 40, 1.0], (25, 3))
    return np.round(joints, 3)


def write_joints(path: Path, joints: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{x} {y} {z} {i}" for i, (x, y, z) in enumerate(joints)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two sequences of three pictures each; the seed of a frame is 10 * sequence + frame."""
    for sequence in (1, 12):
        for frame in range(3):
            folder = tmp_path / "MINI-RGBD_web" / f"{sequence:02d}"
            joints = folder / "joints_2Ddep" / f"syn_joints_2Ddep_{frame:05d}.txt"
            write_joints(joints, joints_of(10 * sequence + frame))
            (folder / "rgb").mkdir(exist_ok=True)
            picture = np.full((SIZE[1], SIZE[0], 3), 20 * frame, np.uint8)
            cv2.imwrite(str(folder / "rgb" / f"syn_{frame:05d}.png"), picture)
    return tmp_path / "MINI-RGBD_web"


def test_joint_order_is_the_body_models():
    ids = {
        "leftThigh": 1,
        "rightCalf": 5,
        "leftFoot": 7,
        "leftUpperArm": 16,
        "rightHand": 21,
        "noseVertex": 24,
    }
    assert {name: SMIL_JOINTS.index(name) for name in ids} == ids
    assert len(SMIL_JOINTS) == len(set(SMIL_JOINTS)) == 25


def test_left_maps_to_left():
    for coco, smil in COCO_FROM_SMIL.items():
        assert coco.split("_")[0] in {"nose", "left", "right"}
        assert coco == "nose" or smil.startswith(coco.split("_")[0])


def test_keypoints_come_from_the_right_joints():
    joints = np.column_stack([np.arange(25.0) + 1, np.arange(25.0) + 2, np.ones(25)])  # joint i at (i+1, i+2)
    keypoints = np.array(coco_keypoints(joints, SIZE)).reshape(17, 3)
    expected = [24, None, None, None, None, 16, 17, 18, 19, 20, 21, 1, 2, 4, 5, 7, 8]
    for name, row, joint in zip(COCO17.names, keypoints, expected, strict=True):
        wanted = [0, 0, 0] if joint is None else [joint + 1, joint + 2, 2]
        assert row.tolist() == wanted, name


def test_joint_outside_the_picture_is_not_labelled():
    joints = joints_of(0)
    joints[24, :2] = [63.5, 5]  # nose beyond the last pixel centre
    joints[16, :2] = [63, 47]  # left shoulder on it
    keypoints = np.array(coco_keypoints(joints, SIZE)).reshape(17, 3)
    assert keypoints[0].tolist() == [0, 0, 0]
    assert keypoints[5].tolist() == [63, 47, 2]


def test_box_is_padded_by_the_longer_side_and_clipped():
    joints = np.full((25, 3), 20.0)
    joints[0, :2], joints[1, :2] = [10, 12], [50, 32]  # extent 40 x 20
    pad = 40 * BOX_PADDING
    assert joint_box(joints, (640, 480)) == pytest.approx([10 - pad, 12 - pad, 40 + 2 * pad, 20 + 2 * pad])
    assert joint_box(joints, (52, 33)) == pytest.approx([6, 8, 46, 25])


def test_split_is_written_in_the_published_layout(source, tmp_path, capsys):
    assert main(["--source", str(source), "--root", str(tmp_path / "out"), "--every", "2"]) == 0
    assert "4 images" in capsys.readouterr().out
    data = json.loads((tmp_path / "out/annotations/person_keypoints_train_mini_rgbd.json").read_text())
    names = ["01_syn_00000.png", "01_syn_00002.png", "12_syn_00000.png", "12_syn_00002.png"]
    assert [image["file_name"] for image in data["images"]] == names
    assert sorted(p.name for p in (tmp_path / "out/images/train_mini_rgbd").iterdir()) == names
    assert data["images"][3] == {
        "id": 4,
        "file_name": "12_syn_00002.png",
        "width": 64,
        "height": 48,
        "is_synthetic": True,
        "posture": "Supine",
        "image_source": "MINI-RGBD 12",
    }
    person, joints = data["annotations"][3], joints_of(122)
    assert (person["id"], person["image_id"], person["category_id"], person["iscrowd"]) == (4, 4, 1, 0)
    assert person["num_keypoints"] == 13
    assert person["keypoints"][:3] == [*joints[24, :2], 2]
    assert person["bbox"] == pytest.approx(joint_box(joints, SIZE))
    assert person["area"] == pytest.approx(person["bbox"][2] * person["bbox"][3])
    assert data["categories"][0]["skeleton"][0] == [16, 14]
    assert "info" in data
    copied = tmp_path / "out/images/train_mini_rgbd" / names[1]
    assert copied.read_bytes() == (source / "01/rgb/syn_00002.png").read_bytes()


def test_sequences_are_chosen_and_hard_links_share_the_file(source, tmp_path):
    arguments = [
        "--source",
        str(source),
        "--root",
        str(tmp_path / "out"),
        "--sequences",
        "12",
        "12",
        "--hard-link",
    ]
    assert main(arguments) == 0
    folder = tmp_path / "out/images/train_mini_rgbd"
    assert len(list(folder.iterdir())) == 3
    assert (folder / "12_syn_00001.png").samefile(source / "12/rgb/syn_00001.png")


def test_3d_joint_file_is_read_alike(tmp_path):
    joints = joints_of(5) / 100
    np.testing.assert_array_equal(
        read_joints(write_joints(tmp_path / "syn_joints_3D_00000.txt", joints)), joints
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda lines: lines[:-1], ["has 24 lines", "25"]),
        (lambda lines: [*lines, lines[-1]], ["has 26 lines"]),
        (lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]], ["line 4", "joint id 4", "3 (spine)"]),
        (lambda lines: [*lines[:6], "1.0 2.0 6", *lines[7:]], ["line 7", "x y depth joint_id"]),
        (lambda lines: ["nan 2.0 1.0 0", *lines[1:]], ["line 1", "not finite"]),
    ],
)
def test_broken_joint_file_names_file_and_line(tmp_path, change, expected):
    path = write_joints(tmp_path / "joints.txt", joints_of(0))
    path.write_text("\n".join(change(path.read_text().splitlines())))
    with pytest.raises(DataError) as error:
        read_joints(path)
    for part in [str(path), *expected]:
        assert part in str(error.value)


def test_missing_files_are_named(source, tmp_path):
    with pytest.raises(DataError, match=r"01\.\.12"):
        prepare_mini_rgbd(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"03.rgb"):
        prepare_mini_rgbd(source, [3])
    with pytest.raises(DataError, match="every is 0"):
        prepare_mini_rgbd(source, every=0)
    (source / "12/joints_2Ddep/syn_joints_2Ddep_00001.txt").unlink()
    with pytest.raises(DataError, match=r"syn_joints_2Ddep_00001\.txt"):
        prepare_mini_rgbd(source)
    (source / "01/rgb/syn_00000.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"syn_00000\.png"):
        prepare_mini_rgbd(source, [1])


def test_existing_split_is_refused_and_kept(source, tmp_path):
    prepared = prepare_mini_rgbd(source)
    write_split(tmp_path / "out", "a", prepared)
    before = sorted((tmp_path / "out").rglob("*"))
    with pytest.raises(DataError, match="exists already"):
        write_split(tmp_path / "out", "a", prepared)
    assert sorted((tmp_path / "out").rglob("*")) == before


def test_nothing_stays_when_a_split_cannot_be_written(source, tmp_path):
    prepared = prepare_mini_rgbd(source, [1])
    prepared.data["annotations"][0]["area"] = float("nan")  # JSON refuses it after the pictures are in place
    with pytest.raises(ValueError, match="JSON"):
        write_split(tmp_path / "out", "a", prepared)
    (source / "01/rgb/syn_00000.png").unlink()
    with pytest.raises(DataError, match=r"1 of 3 pictures are missing.*syn_00000\.png"):
        write_split(tmp_path / "out", "a", prepared)
    assert [path for path in (tmp_path / "out").rglob("*") if path.name != "images"] == []


@pytest.mark.parametrize("split", ["", "..", "a/b", "a\\b"])
def test_split_must_be_a_plain_name(tmp_path, split):
    with pytest.raises(DataError, match="plain name"):
        write_split(tmp_path, split, SplitBuilder(COCO17, "empty").prepared())
