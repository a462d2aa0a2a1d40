import json
import struct
import sys
import zipfile
from pathlib import Path
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
from running import command
from zip_files import PASSWORD, locked_zip, open_zip

from fidip.cli import exit_on_error
from fidip.data.coco_json import SplitBuilder
from fidip.data.syrip import MAX_RATIO, RATIO_FROM, check_layout, format_checks, unpack
from fidip.errors import DataError
from fidip.skeleton import COCO17

main = command("prepare syrip")


def picture(value: int) -> bytes:
    return cv2.imencode(".jpg", np.full((8, 8, 3), value, np.uint8))[1].tobytes()


def labels(real: int, synthetic: int, prefix: str = "train") -> bytes:
    split = SplitBuilder(COCO17, "made by a test")
    for number in range(real + synthetic):
        name = f"{prefix}{number}.jpg"
        image_id = split.add_picture(Path(name), name, (8, 8), is_synthetic=number >= real)
        split.add_person(image_id, [1, 1, 5, 5], [3, 3, 2] * 17)
    return json.dumps(split.prepared().data).encode()


def syrip(top: str, variant: str = "", split: str = "validate_infant", count: int = 3) -> dict[str, bytes]:
    """Files of a small archive with ``count`` real pictures of one split."""
    files = {f"{top}annotations/{variant}person_keypoints_{split}.json": labels(count, 0, "test")}
    return files | {f"{top}images/{split}/test{i}.jpg": picture(i) for i in range(count)}


def no_password(archive: Path) -> bytes:
    raise AssertionError(f"asked for the password of {archive}")


def tree(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


LAYOUT = [
    "annotations/person_keypoints_validate_infant.json",
    *(f"images/validate_infant/test{i}.jpg" for i in range(3)),
]


def test_locked_archive_is_unpacked_from_any_depth(tmp_path, capsys):
    files = syrip("some/where/SyRIP/") | {
        "some/where/SyRIP/README.txt": b"hello",
        "__MACOSX/SyRIP/images/validate_infant/._test0.jpg": b"junk",
        "some/where/SyRIP/images/validate_infant/.DS_Store": b"junk",
    }
    archive = locked_zip(tmp_path / "SyRIP.zip", files)
    (tmp_path / "password.txt").write_text(PASSWORD.decode() + "\n")
    root = tmp_path / "data" / "syrip"
    assert main([str(archive), "--root", str(root), "--password-file", str(tmp_path / "password.txt")]) == 0
    assert tree(tmp_path / "data") == [f"syrip/{name}" for name in LAYOUT]
    assert (root / LAYOUT[2]).read_bytes() == picture(1)
    out = capsys.readouterr().out
    assert "validate_infant" in out and "published: 500+0 or 100+0" in out


def test_wrong_password_is_one_line_and_leaves_nothing(tmp_path, capsys):
    archive = locked_zip(tmp_path / "SyRIP.zip", syrip("SyRIP/"))
    (tmp_path / "password.txt").write_text("wrong")
    arguments = [
        str(archive),
        "--root",
        str(tmp_path / "out"),
        "--password-file",
        str(tmp_path / "password.txt"),
    ]
    with pytest.raises(SystemExit) as status:
        exit_on_error(lambda: main(arguments))
    assert status.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: the password of") and error.count("\n") == 1 and "SyRIP.zip" in error
    assert tree(tmp_path) == ["SyRIP.zip", "password.txt"]


def test_password_that_passes_the_check_byte_is_still_found_wrong(tmp_path):
    files = syrip("SyRIP/")
    archive = locked_zip(tmp_path / "SyRIP.zip", files)
    smallest = min(files, key=lambda name: len(files[name]))
    for number in range(5000):
        with zipfile.ZipFile(archive) as opened:
            try:
                opened.open(smallest, pwd=b"%d" % number).close()
            except RuntimeError:
                continue
        break
    with pytest.raises(DataError, match=r"password of .* is wrong"):
        unpack([archive], tmp_path / "out", lambda _: b"%d" % number)
    assert tree(tmp_path) == ["SyRIP.zip"]


def test_no_terminal_to_ask_for_the_password(tmp_path, monkeypatch):
    archive = locked_zip(tmp_path / "SyRIP.zip", syrip("SyRIP/"))
    monkeypatch.setattr("getpass.getpass", Mock(side_effect=EOFError))
    with pytest.raises(DataError, match="--password-file"):
        main([str(archive), "--root", str(tmp_path / "out")])
    with pytest.raises(DataError, match=r"nowhere\.txt cannot be read"):
        main([str(archive), "--root", str(tmp_path / "out"), "--password-file", "nowhere.txt"])


@pytest.mark.parametrize(
    "name",
    [
        "/images/validate_infant/evil.jpg",
        "../images/validate_infant/evil.jpg",
        "SyRIP/images/../../../evil.jpg",
        "..\\images\\validate_infant\\evil.jpg",
        "C:/images/validate_infant/evil.jpg",
        "D:images/validate_infant/evil.jpg",
        "images/validate_infant/evil.jpg\0.jpg",
        "../README.txt",
    ],
)
def test_entry_that_points_outside_is_refused_before_anything_is_written(tmp_path, name):
    archive = tmp_path / "SyRIP.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for good, data in syrip("SyRIP/").items():
            opened.writestr(good, data)
        info = zipfile.ZipInfo("x" * len(name.encode()))
        opened.writestr(info, b"evil")
    archive.write_bytes(archive.read_bytes().replace(b"x" * len(name.encode()), name.encode()))
    with pytest.raises(DataError, match="points outside"):
        unpack([archive], tmp_path / "out", no_password)
    assert tree(tmp_path) == ["SyRIP.zip"]


def test_link_is_refused(tmp_path):
    archive = open_zip(tmp_path / "SyRIP.zip", syrip("SyRIP/"))
    info = zipfile.ZipInfo("SyRIP/images/validate_infant/link.jpg")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match="link"):
        unpack([archive], tmp_path / "out", no_password)
    assert tree(tmp_path) == ["SyRIP.zip"]


def test_size_limit_and_bomb(tmp_path):
    archive = open_zip(tmp_path / "SyRIP.zip", syrip("SyRIP/"))
    with pytest.raises(DataError, match=r"more than the limit of 1e-06 GB.*--limit-gb"):
        unpack([archive], tmp_path / "out", no_password, limit=1000)
    bomb = {"images/train_infant/train0.jpg": bytes(RATIO_FROM * 3)}
    with pytest.raises(DataError, match="times its size") as error:
        unpack([open_zip(tmp_path / "bomb.zip", bomb)], tmp_path / "out", no_password)
    assert "train0.jpg" in str(error.value) and MAX_RATIO < 1000
    assert tree(tmp_path) == ["SyRIP.zip", "bomb.zip"]


def test_damaged_archives(tmp_path):
    whole = open_zip(tmp_path / "SyRIP.zip", syrip("SyRIP/")).read_bytes()
    cut = tmp_path / "cut.zip"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cut\.zip is not a whole zip file.*download it again"):
        unpack([cut], tmp_path / "out", no_password)
    with pytest.raises(DataError, match=r"none\.zip does not exist"):
        unpack([tmp_path / "none.zip"], tmp_path / "out", no_password)
    with pytest.raises(DataError, match="neither annotations"):
        unpack([open_zip(tmp_path / "other.zip", {"a/b.txt": b"x"})], tmp_path / "out", no_password)
    rotten = tmp_path / "rotten.zip"
    with zipfile.ZipFile(rotten, "w") as opened:  # stored, so that a byte of a picture can be changed
        for name, data in syrip("").items():
            opened.writestr(name, data)
    rotten.write_bytes(rotten.read_bytes().replace(picture(2), picture(2)[:-3] + b"???"))
    with pytest.raises(DataError, match=r"damaged at 'images/validate_infant/test2\.jpg'"):
        unpack([rotten], tmp_path / "out", no_password)
    assert not (tmp_path / "out").exists()
    assert not [name for name in tree(tmp_path) if "partial" in name]


def test_aes_archive_needs_pyzipper(tmp_path, monkeypatch):
    archive = locked_zip(tmp_path / "SyRIP.zip", syrip("SyRIP/"))
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as opened:
        start = opened.start_dir
    for _ in range(4):  # compression method 99 in the central directory
        content[start + 10 : start + 12] = struct.pack("<H", 99)
        start = content.find(b"PK\1\2", start + 1)
    archive.write_bytes(content)
    monkeypatch.setitem(sys.modules, "pyzipper", None)
    with pytest.raises(DataError, match=r"AES.*pip install pyzipper.*7-Zip.*--check-only"):
        unpack([archive], tmp_path / "out", lambda _: PASSWORD)
    assert tree(tmp_path) == ["SyRIP.zip"]


def test_aes_archive_is_unpacked_with_pyzipper(tmp_path):
    pyzipper = pytest.importorskip("pyzipper")
    archive = tmp_path / "SyRIP.zip"
    with pyzipper.AESZipFile(archive, "w", encryption=pyzipper.WZ_AES) as opened:
        opened.setpassword(PASSWORD)
        for name, data in syrip("SyRIP/").items():
            opened.writestr(name, data)
    with pytest.raises(DataError, match=r"password of .* is wrong"):
        unpack([archive], tmp_path / "out", lambda _: b"wrong")
    unpack([archive], tmp_path / "out", lambda _: PASSWORD)
    assert tree(tmp_path / "out") == LAYOUT


def test_variants_fill_the_place_in_use(tmp_path):
    files = syrip("SyRIP/", "validate500/", count=3) | {
        "SyRIP/annotations/validate100/person_keypoints_validate_infant.json": labels(2, 0, "test")
    }
    archive = open_zip(tmp_path / "SyRIP.zip", files)
    for test_set, expected in ((None, 3), ("validate100", 2)):
        root = tmp_path / f"out{expected}"
        unpack([archive], root, no_password, test_set=test_set)
        checks = {check.variant: check for check in check_layout(root)}
        assert {variant: check.real for variant, check in checks.items()} == {
            ".": expected,
            "validate500": 3,
            "validate100": 2,
        }
        assert check_layout(root)[0].variant == "."
    with pytest.raises(DataError, match=r"validate7.*--test-set"):
        unpack([archive], tmp_path / "out7", no_password, test_set="validate7")
    assert not (tmp_path / "out7").exists()


def test_later_archive_wins_and_existing_data_stay(tmp_path):
    first = open_zip(tmp_path / "a.zip", syrip("SyRIP/") | syrip("SyRIP/", split="train_infant"))
    second = open_zip(tmp_path / "b.zip", {"syrip/images/validate_infant/test1.jpg": picture(200)})
    root = tmp_path / "out"
    (root / "images" / "train_pre_infant").mkdir(parents=True)
    (root / "images" / "train_pre_infant" / "mine.jpg").write_bytes(b"mine")
    unpack([first, second], root, no_password)
    assert (root / "images/validate_infant/test1.jpg").read_bytes() == picture(200)
    assert (root / "images/validate_infant/test2.jpg").read_bytes() == picture(2)
    assert (root / "images/train_pre_infant/mine.jpg").read_bytes() == b"mine"
    before = tree(root)
    with pytest.raises(DataError, match="validate_infant exists already"):
        unpack([second], root, no_password)
    assert tree(root) == before


def test_check_counts_and_missing_pictures(tmp_path, capsys):
    root = tmp_path / "syrip"
    (root / "annotations").mkdir(parents=True)
    (root / "annotations/person_keypoints_train_infant.json").write_bytes(labels(200, 1000))
    (root / "annotations/person_keypoints_validate_infant.json").write_bytes(labels(100, 0, "test"))
    (root / "annotations/person_keypoints_mine.json").write_bytes(labels(1, 1, "mine"))
    for split, prefix, count in (("train_infant", "train", 1198), ("validate_infant", "test", 100)):
        (root / "images" / split).mkdir(parents=True)
        for number in range(count):
            (root / "images" / split / f"{prefix}{number}.jpg").touch()
    checks = {check.split: check for check in check_layout(root)}
    train, test, mine = (checks[split] for split in ("train_infant", "validate_infant", "mine"))
    assert (train.real, train.synthetic, train.persons, train.as_published) == (200, 1000, 1200, True)
    assert train.missing == ("train1198.jpg", "train1199.jpg")
    assert test.as_published and not test.missing
    assert mine.as_published and mine.missing == ("mine0.jpg", "mine1.jpg")
    with pytest.raises(DataError, match=r"train_infant: 2 pictures are missing, e\.g\. train1198\.jpg"):
        main(["--check-only", "--root", str(root)])
    assert capsys.readouterr().out.splitlines()[2].split() == [
        "train_infant",
        ".",
        "200",
        "1000",
        "1200",
        "2",
    ]


def test_unreadable_label_file_is_told(tmp_path):
    (tmp_path / "annotations").mkdir()
    with pytest.raises(DataError, match="person_keypoints_<split>"):
        check_layout(tmp_path)
    (tmp_path / "annotations/person_keypoints_train_infant.json").write_bytes(labels(3, 0)[:-20])
    checks = check_layout(tmp_path)
    assert "not valid JSON" in checks[0].problem
    assert "not valid JSON" in format_checks(checks)
    with pytest.raises(DataError, match="not valid JSON"):
        main(["--check-only", "--root", str(tmp_path)])


def test_archives_and_check_only_exclude_each_other(capsys):
    for arguments in ([], ["a.zip", "--check-only"]):
        with pytest.raises(SystemExit) as status:
            main(arguments)
        assert status.value.code == 2
        assert "--check-only" in capsys.readouterr().err
