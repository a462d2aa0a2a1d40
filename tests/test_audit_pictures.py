"""Faults of picture files, and pictures that are the same or nearly so."""

import cv2
import numpy as np
import pytest
from audit_data import audit, clean_split, found, only, picture, records, save
from PIL import Image

from fidip.audit.duplicates import NEAR, groups, hash_picture, near_pairs
from fidip.data.image_source import source_key


@pytest.fixture
def content(tmp_path):
    return clean_split(tmp_path)


def test_missing_picture(tmp_path, content):
    picture(tmp_path, content, 1).unlink()
    assert records(only(audit(tmp_path), "picture_missing")) == [(1, None)]


def as_jpeg(path):
    """The same file name, JPEG inside: the content decides."""
    Image.open(path).convert("RGB").save(path, format="JPEG")
    return path.read_bytes()


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.write_text("no picture"), "no picture"),
        (lambda path: path.write_bytes(path.read_bytes()[:-4000]), "truncated"),
        (lambda path: path.write_bytes(as_jpeg(path)[:-1500]), "truncated"),
        (lambda path: path.unlink() or path.mkdir(), "cannot be read"),
    ],
)
def test_unreadable_picture(tmp_path, content, damage, text):
    damage(picture(tmp_path, content, 2))
    finding = only(audit(tmp_path), "picture_unreadable")
    assert records(finding) == [(2, None)]
    assert text in finding.message


def test_resized_picture(tmp_path, content):
    path = picture(tmp_path, content, 2)
    cv2.imwrite(str(path), cv2.resize(cv2.imread(str(path)), (80, 60)))
    finding = only(audit(tmp_path), "picture_resized")
    assert records(finding) == [(2, None)]
    assert finding.message == "is 80x60, labelled as 160x120"


def turn(path, flag):
    exif = Image.Exif()
    exif[0x0112] = flag
    Image.open(path).convert("RGB").save(path, format="JPEG", exif=exif)


@pytest.mark.parametrize(("flag", "turned"), [(3, "upside down"), (6, "turned by 90 degrees")])
def test_picture_that_exif_turns(tmp_path, content, flag, turned):
    turn(picture(tmp_path, content, 0), flag)
    finding = only(audit(tmp_path), "picture_turned")
    assert records(finding) == [(0, None)]
    assert turned in finding.message
    assert ("refer to the pixels as stored" in finding.message) == (flag == 6)


def test_labels_may_refer_to_the_turned_picture(tmp_path, content):
    turn(picture(tmp_path, content, 0), 6)
    content["images"][0].update(width=120, height=160)
    content["annotations"][0].update(bbox=[1, 1, 110, 150], keypoints=[50, 60, 2] * 17, area=9000.0)
    save(tmp_path, "train", content)
    kinds = {finding.kind: finding.message for finding in audit(tmp_path).findings}
    assert kinds.keys() == {"picture_turned"}
    assert "refer to the turned picture" in kinds["picture_turned"]


def test_upright_flag_is_no_finding(tmp_path, content):
    turn(picture(tmp_path, content, 0), 1)
    assert found(audit(tmp_path)) == []


def copy_to(source, target, change=lambda image: image, quality=None):
    image = change(cv2.imread(str(source)))
    options = [] if quality is None else [cv2.IMWRITE_JPEG_QUALITY, quality]
    target.write_bytes(cv2.imencode(".png" if quality is None else ".jpg", image, options)[1].tobytes())


def test_identical_pictures_within_a_split(tmp_path, content):
    picture(tmp_path, content, 3).write_bytes(picture(tmp_path, content, 1).read_bytes())
    assert records(only(audit(tmp_path), "duplicate_within")) == [(1, None), (3, None)]


def test_identical_pictures_in_two_splits(tmp_path, content):
    other = clean_split(tmp_path, "val", seed=1)
    picture(tmp_path, other, 0, "val").write_bytes(picture(tmp_path, content, 1).read_bytes())
    finding = only(audit(tmp_path, "train", "val"), "duplicate_between")
    assert [(place.split, place.image) for place in finding.places] == [("train", 1), ("val", 0)]


CHANGES = {
    "compressed": (lambda image: image, 50),
    "larger": (lambda image: cv2.resize(image, (400, 300)), None),
    "smaller": (lambda image: cv2.resize(image, (80, 60), interpolation=cv2.INTER_AREA), None),
    "darker": (lambda image: (image * 0.7).astype(np.uint8), 80),
    "mirrored": (lambda image: image[:, ::-1], None),
}


@pytest.mark.parametrize("change", CHANGES)
def test_near_identical_pictures(tmp_path, content, change):
    other = clean_split(tmp_path, "val", seed=1)
    target = picture(tmp_path, other, 2, "val")
    copy_to(picture(tmp_path, content, 1), target, *CHANGES[change])
    height, width = cv2.imread(str(target)).shape[:2]
    scale = np.array([width / 160, height / 120, 1])
    other["images"][2].update(width=width, height=height)
    keypoints = np.reshape(other["annotations"][2]["keypoints"], (17, 3)) * scale
    box = [v * s for v, s in zip(other["annotations"][2]["bbox"], [*scale[:2], *scale[:2]], strict=True)]
    other["annotations"][2].update(keypoints=keypoints.ravel().tolist(), bbox=box, area=box[2] * box[3])
    save(tmp_path, "val", other)
    finding = only(audit(tmp_path, "train", "val"), "near_duplicate_between")
    assert [(place.split, place.image) for place in finding.places] == [("train", 1), ("val", 2)]
    assert ("mirrored" in finding.message) == (change == "mirrored")


def test_picture_that_is_turned_is_like_the_turned_one(tmp_path, content):
    upright = Image.open(picture(tmp_path, content, 1)).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90 degrees
    upright.transpose(Image.Transpose.ROTATE_90).save(
        picture(tmp_path, content, 0), format="JPEG", exif=exif, quality=95
    )
    content["images"][0].update(width=120, height=160)
    content["annotations"][0].update(bbox=[1, 1, 110, 110], keypoints=[50, 60, 2] * 17, area=9000.0)
    save(tmp_path, "train", content)
    assert [kind for kind, _ in found(audit(tmp_path))] == ["picture_turned", "near_duplicate_within"]


def test_flat_pictures_and_crops_are_not_near_identical():
    rng = np.random.default_rng(0)
    flat = [np.full((50, 60), level, np.uint8) for level in (0, 100, 200)]
    scene = cv2.resize(rng.uniform(0, 255, (6, 8)), (160, 120), interpolation=cv2.INTER_CUBIC)
    scene = np.clip(scene, 0, 255).astype(np.uint8)
    assert near_pairs([hash_picture(grey) for grey in [*flat, scene, scene[12:-12, 16:-16]]]) == []
    assert near_pairs([hash_picture(scene)]) == near_pairs([]) == []


def test_distance_is_the_share_of_differing_bits():
    rng = np.random.default_rng(1)
    hashes = [hash_picture(rng.integers(0, 255, (64, 64), dtype=np.uint8)) for _ in range(6)]
    hashes += [hash_picture(255 - hashes[0].thumb), hashes[2]]
    for pair in near_pairs(hashes, limit=1.0):
        second = hashes[pair.second]
        bits = second.mirrored if pair.mirrored else second.bits
        assert pair.distance == pytest.approx(np.mean(hashes[pair.first].bits != bits), abs=1e-6)
    pairs = near_pairs(hashes, NEAR)
    assert [(pair.first, pair.second, pair.mirrored) for pair in pairs] == [(2, 7, False)]


def test_groups_are_connected_components():
    assert groups(6, []) == []
    assert sorted(groups(6, [(0, 1), (4, 5), (1, 3)])) == [[0, 1, 3], [4, 5]]


def test_shared_source(tmp_path, content):
    other = clean_split(tmp_path, "val", seed=1)
    for image, address in ((content["images"][1], "https://youtu.be/abcdefghijk"),
                           (other["images"][0], "https://www.youtube.com/watch?t=8s&v=abcdefghijk"),
                           (other["images"][3], "https://www.youtube.com/watch?v=abcdefghijk&t=88s")):  # fmt: skip
        image["image_source"] = address
    save(tmp_path, "train", content)
    save(tmp_path, "val", other)
    finding = only(audit(tmp_path, "train", "val"), "shared_source")
    assert [(place.split, place.image) for place in finding.places] == [("train", 1), ("val", 0), ("val", 3)]
    assert finding.message == "youtube:abcdefghijk: 1 in train, 2 in val"


def test_unknown_sources_are_not_shared(tmp_path, content):
    other = clean_split(tmp_path, "val", seed=1)
    for part in (content, other):
        part["images"][0]["image_source"] = ""
        part["images"][1].pop("image_source")
    save(tmp_path, "train", content)
    save(tmp_path, "val", other)
    result = audit(tmp_path, "train", "val")
    assert found(result) == []
    assert result.composition["train"].unsourced == 2


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("https://www.youtube.com/watch?v=Op6aEhVD9Wg&t=8s", "youtube:Op6aEhVD9Wg"),
        ("youtube.com/embed/Op6aEhVD9Wg", "youtube:Op6aEhVD9Wg"),
        ("https://i.ytimg.com/vi/Op6aEhVD9Wg/hq.jpg", "youtube:Op6aEhVD9Wg"),
        (" https://example.org/a/ ", "https://example.org/a"),
        ("https://example.org/?v=1", "https://example.org/?v=1"),
        (None, ""),
        ("", ""),
        ("unknown", ""),
        ("N/A", ""),
        (float("nan"), ""),
        (0, ""),
    ],
)
def test_source_key(address, key):
    assert source_key(address) == key
