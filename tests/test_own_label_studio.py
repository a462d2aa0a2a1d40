"""Label Studio's JSON, both ways."""

import copy
import json
import logging

import cv2
import numpy as np
import pytest
from own_data import TINY, assert_same_labels, collector, labelled_set, parsed, write_pictures

from fidip.errors import DataError
from fidip.labels import FORMATS, label_studio_config, write_label_studio
from fidip.skeleton import COCO17

SIZE = {"original_width": 200, "original_height": 100, "image_rotation": 0, "to_name": "image"}


def box(key, x=10, y=10, width=50, height=80, label="person"):
    value = {"x": x, "y": y, "width": width, "height": height, "rotation": 0, "rectanglelabels": [label]}
    return {"id": key, "type": "rectanglelabels", "from_name": "person", "value": value, **SIZE}


def point(key, name, x, y, **more):
    value = {"x": x, "y": y, "width": 0.3, "keypointlabels": [name]}
    return {"id": key, "type": "keypointlabels", "from_name": "joints", "value": value, **SIZE, **more}


def hidden(key):
    return {"id": key, "type": "choices", "from_name": "visibility", "value": {"choices": ["hidden"]}, **SIZE}


def task(*results, number=7, image="/data/local-files/?d=clip/a.png", **data):
    return {"id": number, "data": {"image": image, **data}, "annotations": [{"result": list(results)}]}


def read(tmp_path, tasks, **options):
    path = tmp_path / "export.json"
    path.write_text(json.dumps(tasks))
    return FORMATS["label-studio"].read(path, collector("label-studio file export.json", **options))


def refused(tmp_path, tasks, message, **options):
    with pytest.raises(DataError, match=message) as error:
        read(tmp_path, tasks, **options)
    assert "\n" not in str(error.value) and "export.json" in str(error.value)


def test_round_trip_keeps_everything(tmp_path):
    data = labelled_set(pictures=8)
    data["annotations"][1]["iscrowd"] = 1
    lost = write_label_studio(data, TINY, tmp_path / "ls.json")
    found = FORMATS["label-studio"].read(tmp_path / "ls.json", collector())
    assert lost == [] and len(data["annotations"]) == 12
    assert_same_labels(found, data)
    write_label_studio(found, TINY, tmp_path / "again.json")
    texts = [(tmp_path / name).read_text() for name in ("again.json", "ls.json")]
    assert json.loads(texts[0]) == json.loads(texts[1])


def test_what_is_lost_is_said(tmp_path):
    data = labelled_set()
    data["images"][0]["scene"] = {"seed": 1}
    data["annotations"][0]["segmentation"] = [[1, 2, 3]]
    assert write_label_studio(data, TINY, tmp_path / "ls.json") == [
        "image field scene is lost", "person field segmentation is lost"]  # fmt: skip


def test_percent_become_pixels_from_the_centre_of_the_first(tmp_path):
    data = read(
        tmp_path,
        [task(box("b"), point("p", "nose", 25, 50), point("q", "Left Hand", 30.25, 20), hidden("q"))],
    )
    (image,), (person,) = data["images"], data["annotations"]
    assert (image["id"], image["file_name"], image["width"], image["height"]) == (7, "clip/a.png", 200, 100)
    assert (image["image_source"], image["is_synthetic"], image["posture"]) == ("clip", False, "")
    assert person["keypoints"] == [49.5, 49.5, 2, 60, 19.5, 1, 0, 0, 0, 0, 0, 0]
    assert person["bbox"] == [20, 10, 100, 80] and person["area"] == 8000 and person["num_keypoints"] == 2
    assert person["id"] == 1 and person["image_id"] == 7


def test_joints_go_to_their_persons(tmp_path):
    pair = (box("a", 0, 0, 40, 100), box("b", 30, 0, 60, 100))
    data = read(
        tmp_path,
        [
            task(
                *pair,
                point("1", "nose", 10, 10),
                point("2", "nose", 80, 10),
                point("3", "tail", 35, 9, parentID="b"),
            )
        ],
    )
    first, second = data["annotations"]
    assert first["keypoints"][::3] == [19.5, 0, 0, 0] and second["keypoints"][::3] == [159.5, 0, 0, 69.5]
    refused(
        tmp_path,
        [task(*pair, point("1", "nose", 35, 10))],
        r"task 7 has nose at \(69\.5, 9\.5\) in several boxes of 2",
    )
    refused(tmp_path, [task(*pair, point("1", "nose", 95, 10))], "in no box of 2: say which person's it is")
    refused(tmp_path, [task(*pair, point("1", "nose", 9, 9, parentID="c"))], "under 'c', which is no box")
    tied = {"type": "relation", "from_id": "1", "to_id": "b", "direction": "right"}
    found = read(tmp_path, [task(*pair, point("1", "nose", 10, 10), tied)])["annotations"]
    assert [person["num_keypoints"] for person in found] == [0, 1]
    twice = (point("1", "nose", 10, 10), point("2", "nose", 11, 10))
    refused(
        tmp_path, [task(*twice)], "task 7 has nose more than once in one person: delete one, or draw a box"
    )


def test_a_person_without_box_gets_one_around_its_joints(tmp_path):
    source = collector()
    path = tmp_path / "x.json"
    path.write_text(json.dumps([task(point("1", "nose", 10, 10), point("2", "tail", 60, 60))]))
    (person,) = FORMATS["label-studio"].read(path, source)["annotations"]
    np.testing.assert_allclose(
        person["bbox"], [9.5, 0, 120, 69.5], atol=1e-3
    )  # 0.1 x 100 px on each side, clipped
    assert source.counts == {"boxes made from joints": 1}
    path.write_text(json.dumps([task(point("1", "nose", 10, 10))]))
    other = collector()
    assert FORMATS["label-studio"].read(path, other)["annotations"] == []
    assert other.counts["persons left out, without a box and with too few joints to make one"] == 1


@pytest.mark.parametrize(
    ("region", "message"),
    [
        (point("p", "paw", 1, 1), r"task 7 has a joint 'paw', which tiny lacks \(nose, left_hand"),
        (point("p", "nose", None, 1), "region 'p' without the numbers x, y"),
        ({**point("p", "nose", 1, 1), "value": {"x": 1, "y": 1}}, "'p' without exactly one label"),
        (box("c", width=0), "box 'c' of no size"),
        ({**box("c"), "value": {**box("c")["value"], "rotation": 30}}, "region 'c' that is turned"),
        ({**box("c"), "original_width": 300}, "states the picture sizes"),
    ],
)  # fmt: skip
def test_faulty_regions_are_named(tmp_path, region, message):
    refused(tmp_path, [task(box("b", 0, 0, 20, 20), region)], message)


def test_faulty_files_and_tasks_are_named(tmp_path):
    refused(tmp_path, {"a": 1}, "export as JSON, not as JSON-MIN")
    refused(tmp_path, [{"image": "a.png", "kp": []}], "not as JSON-MIN")
    two = task(box("b"))
    two["annotations"] = [{"result": [box("b")]}, {"result": [box("c", 20)]}]
    refused(tmp_path, [two], "task 7 has 2 annotations: mark one as ground truth")
    two["annotations"][1]["ground_truth"] = True
    assert read(tmp_path, [two])["annotations"][0]["bbox"][0] == 40
    bad = [task(box("b"), point("p", "paw", 1, 1), number=n, image=f"{n}.png") for n in range(1, 9)]
    refused(tmp_path, bad, r"has 8 faults: task 1 has .*and 3 more: nothing is converted")
    refused(tmp_path, [task(box("b")), task(box("b"), number=8)], "picture clip/a.png comes 2 times")
    refused(tmp_path, [task(box("b"), image="/x/../../etc/a.png")], "is no file in a folder")
    same = [task(box("b"), image_id=3), task(box("b"), number=8, image="b.png", image_id=3)]
    refused(tmp_path, same, "image id 3 comes 2 times")
    refused(tmp_path, [task(box("b"), image_id="x")], "image id 'x' is no whole number")


def test_tasks_that_nobody_labelled_are_left_out(tmp_path):
    skipped = task(box("b"), number=2)
    skipped["annotations"][0]["was_cancelled"] = True
    empty = task(number=3, image="b.png", width=40, height=30)
    source = collector()
    path = tmp_path / "x.json"
    path.write_text(
        json.dumps([task(box("b"), number=1), skipped, {**task(number=4), "annotations": []}, empty])
    )
    data = FORMATS["label-studio"].read(path, source)
    assert [image["id"] for image in data["images"]] == [1, 3] and len(data["annotations"]) == 1
    assert source.counts == {"pictures left out, not labelled yet": 2}


def test_new_persons_and_pictures_get_ids_of_their_own(tmp_path):
    write_label_studio(labelled_set(), TINY, tmp_path / "ls.json")
    tasks = json.loads((tmp_path / "ls.json").read_text())
    drawn = copy.deepcopy(tasks[1]["annotations"][0]["result"][-1])
    tasks[1]["annotations"][0]["result"].append({**drawn, "id": "Xy12"})
    tasks.append(task(box("b"), number=900, image="new.png"))
    data = read(tmp_path, tasks)
    assert [image["id"] for image in data["images"]] == [100, 107, 114, 121, 122]
    assert [person["id"] for person in data["annotations"]] == [500, 516, 503, 506, 509, 512, 515, 517]


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("/data/upload/3/0a1b2c3d-p%201.png", "p 1.png"),
        ("/data/upload/3/0a1b2c3d-0a1b2c3d-p.png", "0a1b2c3d-p.png"),
        ("/data/upload/3/0a1b2c3d-p_1.png", "p 1.png"),
        ("/data/upload/3/0a1b2c3d-s%C3%A4ug_1.png", "infant 1/säug (1)+#.png"),
        ("/data/local-files/?d=some/where/clip%200/p.png", "clip 0/p.png"),
        ("https://example.org/a/p.png?x=1", "p.png"),
        ("C:\\pictures\\p.png", "p.png"),
    ],
)
def test_pictures_are_found_however_they_are_called(tmp_path, address, name):
    path = tmp_path / "images" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros((100, 200, 3), np.uint8))
    data = read(tmp_path, [task(box("b"), image=address)], images=tmp_path / "images")
    assert data["images"][0]["file_name"] == name


def test_uploaded_pictures_of_one_name_are_not_guessed(tmp_path):
    for folder in ("a", "b"):
        write_pictures(
            tmp_path / "images", {"images": [{"file_name": f"{folder}/p 1.png", "width": 200, "height": 100}]}
        )
    uploaded = task(box("b"), image="/data/upload/3/0a1b2c3d-p_1.png")
    refused(
        tmp_path,
        [uploaded],
        r"p_1\.png, which may be a/p 1\.png or b/p 1\.png of",
        images=tmp_path / "images",
    )
    found = read(tmp_path, [uploaded], images=tmp_path / "images" / "b")
    assert found["images"][0]["file_name"] == "p 1.png"
    named = task(box("b"), image="/data/upload/3/0a1b2c3d-p_1.png", file_name="b/p 1.png")
    assert read(tmp_path, [named], images=tmp_path / "images")["images"][0]["file_name"] == "b/p 1.png"


def test_pictures_that_are_not_there_or_not_those(tmp_path, caught):
    caught.set_level(logging.INFO)
    data = labelled_set()
    write_label_studio(data, TINY, tmp_path / "ls.json")
    folder = write_pictures(tmp_path / "images", data)
    source = collector(images=folder)
    assert_same_labels(FORMATS["label-studio"].read(tmp_path / "ls.json", source), data)
    tasks = json.loads((tmp_path / "ls.json").read_text())
    cv2.imwrite(str(folder / "clip 1/p1.png"), np.zeros((30, 30, 3), np.uint8))
    refused(tmp_path, tasks, "was labelled at 64 x 48 px, but .*p1.png has 30 x 30", images=folder)
    (folder / "clip 1/p1.png").write_text("no picture")
    refused(tmp_path, tasks, "p1.png, which cannot be read", images=folder)
    (folder / "clip 1/p1.png").unlink()
    refused(tmp_path, tasks, "names the picture clip 1/p1.png, which is not in", images=folder)
    with pytest.raises(DataError, match=r"picture folder .* does not exist"):
        collector(images=tmp_path / "nowhere")


def test_the_labelling_config_has_every_joint_in_its_colour():
    root = parsed(label_studio_config(COCO17))
    labels = root.find("KeyPointLabels").findall("Label")
    assert [label.get("value") for label in labels] == list(COCO17.names)
    left, right, nose = (labels[i].get("background") for i in (5, 6, 0))
    assert len({left, right, nose}) == 3 and labels[9].get("background") == left
    assert root.find("Image").get("value") == "$image"
    choices = root.find("Choices")
    assert choices.get("perRegion") == "true" and choices.get("whenTagName") == "joints"
    assert choices.get("visibleWhen") == "region-selected"  # else boxes are offered "hidden" too
    assert [label.get("model_index") for label in labels] == [str(index) for index in range(17)]
    names = {element.get("name") for element in root}
    data = labelled_set()
    assert {"image", "person", "joints", "visibility"} == names and data["annotations"]


def test_joints_lie_on_top_of_all_boxes_and_corrections_outweigh_what_was_written(tmp_path):
    write_label_studio(labelled_set(), TINY, tmp_path / "ls.json")
    tasks = json.loads((tmp_path / "ls.json").read_text())
    kinds = [region["type"] for region in tasks[3]["annotations"][0]["result"]]
    assert kinds.count("rectanglelabels") == 3 and kinds[-3:] == ["rectanglelabels"] * 3
    assert not any(one["annotations"][0]["ground_truth"] for one in tasks)
    tasks[3]["annotations"].append({"result": [box("b", 5)], "ground_truth": False})
    refused(tmp_path, tasks, "has 2 annotations: mark one as ground truth")


def test_tasks_name_the_tags_of_the_config(tmp_path):
    write_label_studio(labelled_set(), TINY, tmp_path / "ls.json", "http://localhost/")
    tasks = json.loads((tmp_path / "ls.json").read_text())
    regions = [region for one in tasks for region in one["annotations"][0]["result"]]
    root = parsed(label_studio_config(TINY))
    tags = {element.get("name"): element.tag.lower() for element in root}
    assert {(r["from_name"], r["type"]) for r in regions} <= set(tags.items()) and len(regions) > 20
    assert tasks[0]["data"]["image"] == "http://localhost/clip%200/p0.png"
