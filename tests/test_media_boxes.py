"""Where persons are looked for: each kind of box, in the order of trust."""

import json

import numpy as np
import pytest
from films import BODY, DOTS, dots, dots_predictor
from PIL import Image

from fidip.errors import ConfigError, DataError
from fidip.geometry import crop_matrix, cut, overlap, parse_box, transform, whole_frame
from fidip.predict.follow import Follower, Plan
from fidip.predict.poses import choice
from fidip.predict.sources import BoxFile, SourceImage
from fidip.predict.tracking import PATIENCE

EMPTY = np.zeros((120, 160, 3), np.uint8)


def pictures(*images, names=None):
    return [SourceImage(i, 0.04 * i, names[i] if names else "", image) for i, image in enumerate(images)]


def follow(images, rule="all", infant=None, names=None, **plan):
    follower = Follower(dots_predictor(), Plan(**plan), choice(rule, infant))
    return list(follower.run(pictures(*images, names=names)))


def origins(frames):
    return [[person.box_from[0] for person in frame] for frame in frames]


@pytest.mark.parametrize("size", [(160, 120), (90, 200)])
def test_the_crop_of_the_whole_frame_just_shows_it(size):
    matrix = crop_matrix(whole_frame(*size), (64, 64))
    corners = transform(matrix, np.array([[-0.5, -0.5], np.array(size) - 0.5]))
    assert corners.min() == pytest.approx(-0.5, abs=0.5) and corners.max() == pytest.approx(63.5, abs=0.5)
    assert (corners[0] + corners[1]) / 2 == pytest.approx([31.5, 31.5])


def test_overlap_and_cut():
    boxes = np.array([[0, 0, 10, 10], [5, 0, 10, 10], [20, 20, 5, 5]])
    assert overlap(boxes[:1], boxes) == pytest.approx(np.array([[1, 1 / 3, 0]]))
    assert cut(np.array([-5.0, 4.0, 10.0, 200.0]), 160, 120) == pytest.approx([0, 4, 5, 116])


@pytest.mark.parametrize("text", ["1,2,3", "a,b,c,d", "1,2,0,5", "1,2,nan,5", ""])
def test_a_box_that_is_none_is_refused(text):
    with pytest.raises(ConfigError, match="must be x,y,w,h"):
        parse_box(text)


def test_frame_first_then_the_last_pose():
    frames = follow([dots([(60 + 3 * i, 60)]) for i in range(4)])
    assert origins(frames) == [["frame"], ["track"], ["track"], ["track"]]
    centre = frames[3].boxes[0][:2] + frames[3].boxes[0][2:] / 2
    assert centre == pytest.approx([66 - 5, 56], abs=4)  # lags behind the last pose
    for i, frame in enumerate(frames):
        assert frame.keypoints[0] == pytest.approx(
            np.array([[0, -24], [-20, 16], [20, 16]]) + (60 + 3 * i, 60), abs=2.5
        )
        assert frame.scores[0].min() > 0.6 and frame.track[0] == 0


def test_the_box_is_kept_while_it_fits():
    near = [dots([(60 + shift, 60)]) for shift in (0, 0, 1, -1, 2)]
    boxes = [frame.boxes[0] for frame in follow([*near, dots([(90, 60)]), dots([(90, 60)])])]
    assert all(np.array_equal(box, boxes[1]) for box in boxes[2:5])
    assert abs(boxes[6] - boxes[4]).max() > 5  # px


def test_who_is_lost_is_looked_for_at_the_last_place_then_everywhere():
    seen = dots([(40, 60)])
    frames = follow([seen] * 3 + [EMPTY] * (PATIENCE + 3) + [dots([(110, 60)])] * 2)
    assert origins(frames)[:3] == [["frame"], ["track"], ["track"]]
    assert origins(frames)[3 : 6 + PATIENCE] == [[]] * (
        PATIENCE + 3
    )  # nobody is there, and nobody is invented
    assert origins(frames)[6 + PATIENCE :] == [["frame"], ["track"]]
    assert frames[-1].track[0] == 0
    back = follow([seen] * 3 + [EMPTY] * PATIENCE + [seen])
    assert origins(back)[-1] == ["previous"]
    np.testing.assert_array_equal(back[-1].boxes[0], back[2].boxes[0])
    assert frames[-1].keypoints[0].mean(0)[0] == pytest.approx(110, abs=2)


def test_nobody_at_the_beginning_is_no_place_to_come_back_to():
    frames = follow([EMPTY, EMPTY, dots([(60, 60)])])
    assert origins(frames) == [[], [], ["frame"]]


def test_a_detector_is_asked_at_the_start_every_so_often_and_when_somebody_is_lost():
    asked = []

    def detect(rgb):
        asked.append(len(asked))
        return np.array([[25.0, 20.0, 70.0, 80.0]]) if rgb.any() else np.zeros((0, 4))

    seen = dots([(60, 60)])
    frames = follow([seen] * 7, detect=detect, detect_every=3)
    assert origins(frames) == [
        ["detector"],
        ["track"],
        ["track"],
        ["detector"],
        ["track"],
        ["track"],
        ["detector"],
    ]
    assert {person.track[0] for frame in frames for person in frame} == {0}
    asked.clear()
    frames = follow([seen, seen, EMPTY, EMPTY, seen, seen], detect=detect)
    assert origins(frames) == [["detector"], ["track"], [], [], ["detector"], ["track"]]
    assert len(asked) == 3 and frames[4].track[0] == 0


def test_given_boxes_come_first(tmp_path):
    file = tmp_path / "boxes.json"
    file.write_text(json.dumps([{"image_id": 1, "bbox": [30, 20, 60, 80]}]))
    frames = follow(
        [dots([(60, 60)])] * 3, given=BoxFile(file), detect=lambda rgb: np.array([[20.0, 20, 80, 80]])
    )
    assert origins(frames) == [["detector"], ["given"], ["track"]]
    assert frames[1].boxes[0] == pytest.approx([30, 20, 60, 80])


def test_a_region_is_looked_at_in_every_frame_and_a_hand_made_box_at_the_first():
    region = np.array([10.0, 10.0, 100.0, 100.0])
    frames = follow([dots([(60, 60)])] * 3, region=region)
    assert origins(frames) == [["given"]] * 3 and {p.track[0] for f in frames for p in f} == {0}
    frames = follow([dots([(60, 60)])] * 3, start=(region,))
    assert origins(frames) == [["given"], ["track"], ["track"]]
    frames = follow([dots([(60, 60)])] * 3, start=(region,), moving=False)
    assert origins(frames) == [["given"]] * 3


def test_frames_that_do_not_depend_on_each_other_share_a_batch():
    predictor, sizes = dots_predictor(batch=4), []
    heatmaps = predictor.estimator.heatmaps
    predictor.estimator.heatmaps = lambda images: sizes.append(len(images)) or heatmaps(images)
    region = np.array([10.0, 10.0, 100.0, 100.0])
    images = [dots([(50 + i, 60)]) for i in range(10)]
    frames = list(Follower(predictor, Plan(region=region)).run(pictures(*images)))
    assert sizes == [4, 4, 2] and [frame.index for frame in frames] == list(range(10))
    alone = [next(Follower(predictor, Plan(region=region)).run(pictures(image))) for image in images]
    for frame, one in zip(frames, alone, strict=True):
        assert frame.keypoints[0] == pytest.approx(one.keypoints[0], abs=0.011)


def test_a_box_outside_the_picture_is_named():
    with pytest.raises(DataError, match=r"a\.png: box 500, 0, 10, 10 lies outside the image of 160 x 120 px"):
        follow([EMPTY], start=(np.array([500.0, 0, 10, 10]),), names=["a.png"])


@pytest.mark.parametrize(("rule", "kept"), [("all", [0, 1]), ("largest", [1]), ("smallest", [0]), ("region", [0]), ("track:1", [1]), ("track:7", [])])  # fmt: skip
def test_the_infant_is_chosen(rule, kept):
    boxes = (np.array([10.0, 20, 70, 80]), np.array([80.0, 10, 80, 100]))
    image = dots([(45, 60), (118, 60)])
    (frame,) = follow([image], rule, np.array([0.0, 0, 60, 120]), start=boxes)
    assert [person.track[0] for person in frame] == kept


@pytest.mark.parametrize(("rule", "words"), [("oldest", "unknown choice 'oldest'"), ("track:x", "unknown choice"), ("region", "needs --region")])  # fmt: skip
def test_a_choice_that_cannot_be_made_is_refused(rule, words):
    with pytest.raises(ConfigError, match=words):
        choice(rule)


def coco(tmp_path, **changes):
    content = {
        "images": [{"id": 7, "file_name": "a/x.png", "width": 48, "height": 64}, {"id": 8, "file_name": "b/y.png"}],
        "annotations": [{"id": 1, "image_id": 7, "bbox": [1, 2, 3, 4]},
                        {"id": 2, "image_id": 7, "bbox": [5, 6, 7, 8], "iscrowd": 1}],
        **changes,
    }  # fmt: skip
    (tmp_path / "c.json").write_text(json.dumps(content))
    return BoxFile(tmp_path / "c.json")


def test_a_box_file_knows_pictures_by_name_and_frames_by_number(tmp_path):
    boxes = coco(tmp_path)
    assert [box.tolist() for box in boxes.of("a/x.png", 0)] == [[1, 2, 3, 4]]
    assert boxes.of("x.png", 0) is not None and boxes.of("b/y.png", 0) == [] and boxes.of("c.png", 0) is None
    assert [box.tolist() for box in boxes.of("", 7)] == [[1, 2, 3, 4]] and boxes.of("", 9) is None
    assert boxes.names() == ["a/x.png", "b/y.png"]
    twins = [{"id": i, "file_name": f"{i}/x.png", "frame_index": 10 + i} for i in (1, 2)]
    boxes = coco(tmp_path, images=twins, annotations=[{"image_id": 2, "bbox": [1, 2, 3, 4]}])
    assert boxes.of("1/x.png", 0) == [] and len(boxes.of("2/x.png", 0)) == 1 and boxes.of("x.png", 0) is None
    assert len(boxes.of("", 12)) == 1 and boxes.of("", 2) is None


def test_labels_say_which_way_round_a_picture_is(tmp_path):
    image = Image.fromarray(np.zeros((48, 64, 3), np.uint8))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "x.png", exif=exif)
    boxes = coco(tmp_path)  # 48 x 64, as shown
    assert boxes.turned(tmp_path / "x.png", "x.png") and not boxes.turned(tmp_path / "x.png", "y.png")
    stored = [{"id": 7, "file_name": "x.png", "width": 64, "height": 48}]
    assert not coco(tmp_path, images=stored).turned(tmp_path / "x.png", "x.png")
    assert boxes.turned(tmp_path / "x.png", "unknown.png")


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"bbox": [1, 2, 3, 4]}, "index 0 has no image_id"),
        ({"id": 5, "image_id": 7, "bbox": [1, 2, 3]}, r"record 5 \(index 0\) has a bbox that is not 4"),
        ({"image_id": 7, "bbox": [1, 2, 3, 0]}, "with a size"),
        ({"image_id": 9, "bbox": [1, 2, 3, 4]}, "the image_id 9, which no image has"),
    ],
)
def test_faulty_boxes_are_named(tmp_path, record, words):
    with pytest.raises(DataError, match=words):
        coco(tmp_path, annotations=[record])


def test_a_skeleton_of_three_joints_is_enough():
    assert dots_predictor()(dots([(60, 60)]))[0].names == DOTS.names


def test_a_small_person_in_a_whole_frame_is_looked_at_closer():
    centre = np.array([230.0, 150.0])
    image = dots([centre], (320, 240))
    (frame,) = follow([image], moving=False)
    (person,) = frame
    assert (
        person.box_from[0] == "frame" and person.boxes[0][2:].max() < 110
    )  # the whole frame would be 256 x 192
    once = dots_predictor()(image, [whole_frame(320, 240)])[0]
    errors = [np.abs(xy - BODY - centre).max() for xy in (person.keypoints[0], once.keypoints[0])]
    assert errors[0] < 2 and errors[0] < errors[1]
    for again in (dots_predictor()(image, [person.boxes[0]]), dots_predictor()(image)):
        assert again.keypoints[0] == pytest.approx(
            person.keypoints[0], abs=0.02
        )  # the box is the one of the crop
