import json

import cv2
import numpy as np
import pytest
import torch
from figures import stick_infant, write_split
from PIL import Image

from fidip.codec import HeatmapCodec
from fidip.data.augment import CropPolicy
from fidip.data.dataset import PoseDataset
from fidip.data.records import (
    check_pictures,
    find_split,
    inspect_image,
    load_detections,
    load_records,
    read_split,
)
from fidip.data.sampler import EpochBatches
from fidip.errors import DataError
from fidip.geometry import crop_matrix, transform
from fidip.pixels import normalise, read_rgb
from fidip.skeleton import COCO17

SIZE = (96, 128)


def records_of(root, entry="infants", **options):
    split = find_split(entry, root)
    return load_records(split, read_split(split, COCO17, **options), COCO17, **options)


def edit(root, split, change):
    path = root / "annotations" / f"person_keypoints_{split}.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_records_take_everything_from_the_json(tmp_path):
    content = write_split(tmp_path, "infants", 3, synthetic=lambda i: i == 2)
    records = records_of(tmp_path)
    assert [r.image.name for r in records] == [i["file_name"] for i in content["images"]]
    assert [r.synthetic for r in records] == [False, False, True]
    assert [r.posture for r in records] == ["Supine", "Prone", "Supine"]
    x, y, w, h = content["annotations"][0]["bbox"]
    assert records[0].box == pytest.approx([x, y, w - 1, h - 1])
    assert records[0].keypoints[:, 2].tolist() == [1] * 17


def test_splits_are_found_by_name_root_and_file(tmp_path):
    write_split(tmp_path / "a", "any_name_2017", 1)
    file = tmp_path / "a" / "annotations" / "person_keypoints_any_name_2017.json"
    for entry in ("any_name_2017", str(tmp_path / "a" / "any_name_2017"), str(file)):
        split = find_split(entry, tmp_path / "a")
        assert split.annotation_file == file
        assert split.image_folder == tmp_path / "a" / "images" / "any_name_2017"
    with pytest.raises(DataError, match=r"person_keypoints_none\.json does not exist; see data/README\.md"):
        find_split("none", tmp_path / "a")
    file.rename(file.with_name("person_keypoints_bare.json"))
    (tmp_path / "a" / "images" / "any_name_2017").rename(tmp_path / "elsewhere")
    (tmp_path / "a" / "images").rmdir()
    with pytest.raises(DataError, match="no picture folder"):
        find_split("bare", tmp_path / "a")


def test_domain_label_is_per_person_and_may_be_missing(tmp_path, caught):
    write_split(tmp_path, "infants", 3)

    def change(content):
        del content["images"][0]["is_synthetic"]
        content["annotations"][1]["is_synthetic"] = True

    edit(tmp_path, "infants", change)
    assert [r.synthetic for r in records_of(tmp_path)] == [False, True, False]
    assert "1 of 3 persons have no is_synthetic" in caught.text


def test_crowds_and_unlabelled_persons_are_left_out_and_several_persons_kept(tmp_path):
    write_split(tmp_path, "infants", 3)

    def change(content):
        first, second, third = content["annotations"]
        first["iscrowd"] = 1
        second["keypoints"] = [0] * 51
        content["annotations"].append({**third, "id": 99})

    edit(tmp_path, "infants", change)
    assert [(r.image_id, r.annotation_id) for r in records_of(tmp_path)] == [(3, 3), (3, 99)]


def test_boxes_outside_are_named_or_skipped(tmp_path, caught):
    write_split(tmp_path, "infants", 2)
    edit(tmp_path, "infants", lambda c: c["annotations"][0].update(bbox=[500, 10, 20, 20]))
    with pytest.raises(
        DataError, match=r"1 boxes lie outside their picture: annotation 1 in infants00000\.png"
    ):
        records_of(tmp_path)
    assert len(records_of(tmp_path, skip_bad=True)) == 1
    assert "left out" in caught.text


def test_missing_and_unreadable_pictures_are_reported_together(tmp_path, caught):
    write_split(tmp_path, "infants", 4)
    folder = tmp_path / "images" / "infants"
    (folder / "infants00000.png").unlink()
    (folder / "infants00002.png").write_text("I am no picture")
    cv2.imwrite(str(folder / "infants00003.png"), np.zeros((10, 10, 3), np.uint8))
    with pytest.raises(DataError) as error:
        check_pictures(records_of(tmp_path))
    assert "2 images are missing, cut short or unreadable" in str(error.value)
    assert "infants00000.png (missing)" in str(error.value) and "infants00002.png" in str(error.value)
    check_pictures([records_of(tmp_path)[3]])
    assert "infants00003.png is 10x10, labelled as 160x120" in caught.text


def test_exif_orientation_is_an_option(tmp_path):
    image = np.zeros((20, 30, 3), np.uint8)
    image[:, :15, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(image).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    assert read_rgb(tmp_path / "turned.jpg").shape == (20, 30, 3)
    assert read_rgb(tmp_path / "turned.jpg", exif=True).shape == (30, 20, 3)
    with pytest.raises(DataError, match=r"gone\.jpg cannot be read"):
        read_rgb(tmp_path / "gone.jpg")
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "empty.jpg").touch()
    for name in ("text.jpg", "empty.jpg"):
        with pytest.raises(DataError, match="not a readable picture"):
            read_rgb(tmp_path / name)


def test_detections_become_records(tmp_path):
    write_split(tmp_path, "infants", 2)
    split = find_split("infants", tmp_path)
    content = read_split(split, COCO17)
    boxes = [{"image_id": 1, "category_id": 1, "bbox": [10, 10, 80, 80], "score": 0.9},
             {"image_id": 1, "category_id": 1, "bbox": [12, 10, 80, 80], "score": 0.8},
             {"image_id": 2, "category_id": 1, "bbox": [5, 5, 50, 50], "score": 0.1},
             {"image_id": 2, "category_id": 3, "bbox": [5, 5, 50, 50], "score": 1.0}]  # fmt: skip
    file = tmp_path / "detections.json"
    file.write_text(json.dumps(boxes))
    everything = load_detections(split, content, file, COCO17)
    assert [r.score for r in everything] == [0.9, 0.8, 0.1] and everything[0].keypoints.sum() == 0
    assert [r.score for r in load_detections(split, content, file, COCO17, nms_iou=0.5)] == [0.9, 0.1]
    assert [r.score for r in load_detections(split, content, file, COCO17, min_score=0.5)] == [0.9, 0.8]
    for broken, message in [
        ([{**boxes[0], "image_id": 7}], "image_id 7 is not in the annotations"),
        ([{"image_id": 1}], "entry 0: needs image_id, bbox"),
        ([{**boxes[0], "bbox": [1, 2, 3]}], "4 finite numbers"),
        ({"a": 1}, "must be a list"),
        ([{**boxes[0], "bbox": [900, 2, 3, 4]}], "no person box"),
    ]:
        file.write_text(json.dumps(broken))
        with pytest.raises(DataError, match=message):
            load_detections(split, content, file, COCO17)


def test_plain_crop_is_the_geometry_of_the_box():
    image, joints = stick_infant(np.random.default_rng(0))
    keypoints = np.column_stack([joints, np.ones(17)])
    box = np.array([30.0, 20.0, 80.0, 90.0])
    crop = CropPolicy(SIZE, COCO17, scale_factor=0.5, rotation=90)(image, box, keypoints)
    assert np.array_equal(crop.matrix, crop_matrix(box, SIZE))
    assert np.abs(crop.keypoints[:, :2] - transform(crop_matrix(box, SIZE), joints)).max() < 1e-12
    assert np.array_equal(crop.image, cv2.warpAffine(image, crop.matrix, SIZE, flags=cv2.INTER_LINEAR))


@pytest.mark.parametrize("seed", range(6))
def test_augmented_joints_stay_on_their_pixels(seed):
    image = np.zeros((120, 160, 3), np.uint8)
    joints = np.full((17, 2), 1000.0)
    joints[9], joints[10] = [60, 50], [90, 70]  # left wrist red, right wrist green
    cv2.circle(image, (60, 50), 3, (255, 0, 0), -1)
    cv2.circle(image, (90, 70), 3, (0, 255, 0), -1)
    keypoints = np.column_stack([joints, np.zeros(17)])
    keypoints[[9, 10], 2] = 1
    policy = CropPolicy((128, 128), COCO17, 0.2, 180, "uniform", 1.0, flip_probability=0.5)
    mirrored = 0
    for draw in range(20):
        rng = np.random.default_rng([seed, draw])
        crop = policy(image, np.array([40.0, 30.0, 70.0, 60.0]), keypoints, rng)
        mirrored += np.linalg.det(crop.matrix[:, :2]) < 0
        # a mirrored picture shows the left wrist as a right one
        left, right = (9, 10) if np.linalg.det(crop.matrix[:, :2]) > 0 else (10, 9)
        for joint, channel in ((left, 0), (right, 1)):
            seen = crop.image[..., channel].astype(float) * (crop.image[..., channel] > 60)
            center = np.array([np.average(np.arange(128), weights=seen.sum(axis=axis)) for axis in (0, 1)])
            assert np.abs(center - crop.keypoints[joint, :2]).max() < 0.35
        assert crop.keypoints[[9, 10], 2].tolist() == [1, 1] and crop.keypoints[:, 2].sum() == 2
    assert 0 < mirrored < 20


def test_augmentation_has_the_published_distributions():
    policy = CropPolicy((96, 96), COCO17, 0.3, 40, "normal", 0.6, 0.5)
    image, keypoints = np.zeros((50, 50, 3), np.uint8), np.zeros((17, 3))
    box = np.array([10.0, 10.0, 30.0, 30.0])
    plain = np.sqrt(abs(np.linalg.det(crop_matrix(box, (96, 96))[:, :2])))
    maps = [policy(image, box, keypoints, np.random.default_rng([1, i])).matrix[:, :2] for i in range(3000)]
    mirrored = np.array([np.linalg.det(m) < 0 for m in maps])
    turned = [np.degrees(np.arctan2(m[0, 1], m[1, 1])) for m in maps]
    scale = np.array([plain / np.sqrt(abs(np.linalg.det(m))) for m in maps])
    assert abs(mirrored.mean() - 0.5) < 0.03
    turned = np.array(turned)
    assert abs((turned != 0).mean() - 0.6) < 0.03 and np.abs(turned).max() == pytest.approx(80)
    assert 0.69 < scale.min() < 0.75 and 1.25 < scale.max() < 1.32


def test_half_body_crops_around_one_half():
    policy = CropPolicy((96, 96), COCO17, half_body_probability=1.0)
    image, joints = stick_infant(np.random.default_rng(3))
    keypoints = np.column_stack([joints, np.ones(17)])
    box = np.array([20.0, 10.0, 100.0, 100.0])
    centers = set()
    for draw in range(40):
        crop = policy(image, box, keypoints, np.random.default_rng(draw))
        middle = crop.matrix @ [*joints[:11].mean(axis=0), 1], crop.matrix @ [*joints[11:].mean(axis=0), 1]
        near = [np.abs(m - 47.5).max() < 1e-6 for m in middle]
        assert sum(near) == 1
        centers.add(near.index(True))
    assert centers == {0, 1}
    keypoints[8:, 2] = 0  # 8 visible joints are not more than NUM_JOINTS_HALF_BODY
    crop = policy(image, box, keypoints, np.random.default_rng(0))
    assert np.allclose(crop.matrix, crop_matrix(box, (96, 96)))


def test_dataset_samples_are_functions_of_index_and_draw(tmp_path):
    write_split(tmp_path, "infants", 2, synthetic=lambda i: i == 1)
    policy = CropPolicy(SIZE, COCO17, 0.3, 40, "normal", 0.6, 0.5)
    dataset = PoseDataset(records_of(tmp_path), policy, HeatmapCodec((24, 32), 2.0), seed=5)
    plain, first, again, other = dataset[1], dataset[(1, 7)], dataset[(1, 7)], dataset[(1, 8)]
    for key, value in first.items():
        assert torch.equal(torch.as_tensor(value), torch.as_tensor(again[key]))
    assert not torch.equal(first["image"], other["image"]) and not torch.equal(first["image"], plain["image"])
    assert plain["image"].shape == (3, 128, 96) and plain["image"].dtype == torch.uint8
    assert plain["target"].shape == (17, 32, 24) and plain["synthetic"] == 1 and dataset[0]["synthetic"] == 0


def test_normalise_uses_imagenet_statistics_and_channel_order():
    pixel = torch.tensor([[[[255]], [[0]], [[0]]]], dtype=torch.uint8)
    assert normalise(pixel).flatten().tolist() == pytest.approx(
        [0.515 / 0.229, -0.456 / 0.224, -0.406 / 0.225]
    )
    assert normalise(pixel, rgb=False).flatten().tolist() == pytest.approx(
        [-0.485 / 0.229, -0.456 / 0.224, 0.594 / 0.225]
    )


def drawn(sampler, epoch):
    sampler.epoch = epoch
    return [index for batch in sampler for index, _ in batch]


def test_balanced_epochs_draw_every_real_sample_equally_often():
    synthetic = [False] * 20 + [True] * 100
    sampler = EpochBatches(synthetic, 8, seed=3, balanced=True)
    counts = np.bincount(drawn(sampler, 0), minlength=120)
    assert counts[:20].tolist() == [5] * 20 and counts[20:].tolist() == [1] * 100
    sampler.epoch = 1
    for batch in list(sampler)[:-1]:
        assert abs(sum(synthetic[i] for i, _ in batch) - 4) <= 1
    assert drawn(sampler, 0) != drawn(sampler, 1) and drawn(sampler, 1) == drawn(sampler, 1)


def test_plain_epochs_draw_everything_once_in_a_new_order():
    sampler = EpochBatches([False] * 11, 4, seed=0)
    assert sorted(drawn(sampler, 0)) == sorted(drawn(sampler, 1)) == list(range(11))
    assert drawn(sampler, 0) != drawn(sampler, 1) and len(sampler) == 3
    assert drawn(EpochBatches([False] * 11, 4, seed=0, shuffle=False), 1) == list(range(11))
    draws = [draw for epoch in (0, 1) for batch in _at(sampler, epoch) for _, draw in batch]
    assert sorted(draws) == list(range(22))


def _at(sampler, epoch):
    sampler.epoch = epoch
    return list(sampler)


def test_two_processes_share_the_batches_of_one():
    synthetic = [i % 3 == 0 for i in range(50)]
    whole = _at(EpochBatches(synthetic, 8, seed=1, balanced=True), 2)
    halves = [_at(EpochBatches(synthetic, 4, seed=1, balanced=True, rank=r, world=2), 2) for r in (0, 1)]
    assert len(halves[0]) == len(halves[1]) == len(whole)
    for one, left, right in zip(whole, *halves, strict=True):
        assert left + right == one[: 2 * len(left)] and len(one) - 2 * len(left) <= 1


def test_an_epoch_can_go_on_in_its_middle():
    sampler = EpochBatches([False] * 20, 4, seed=0)
    everything = _at(sampler, 4)
    sampler.start_batch = 3
    assert list(sampler) == everything[3:] and len(sampler) == 2


def test_images_that_are_cut_short_are_found_before_the_work(tmp_path, caplog):
    write_split(tmp_path, "infants", 3)
    records = records_of(tmp_path)
    path = records[0].image
    for suffix in (".png", ".jpg"):  # whole, with a trailer, and cut
        target = path.with_suffix(suffix)
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)).save(target)
        whole = target.read_bytes()
        assert inspect_image(target) == ("", (80, 60), 1)
        target.write_bytes(whole + b"a camera's own bytes")
        assert inspect_image(target)[0] == ""
        target.write_bytes(whole[: len(whole) // 2])
        assert inspect_image(target)[0] == "cut short"
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(DataError, match=r"1 images are missing, cut short or unreadable"):
        check_pictures(records)
    left = check_pictures(records, skip_bad=True)
    assert {record.image for record in left} == {record.image for record in records} - {path}
    assert "their persons are left out" in caplog.text
