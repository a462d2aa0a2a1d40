"""What we write as read by other programs' own code, and what they write as read by us."""

import json

import numpy as np
import pytest
from own_data import TINY, collector, labelled_set, write_pictures

from fidip.labels import FORMATS, cvat_labels, label_studio_config, write_label_studio
from fidip.skeleton import COCO17


def keypoints(person):
    return np.reshape(person["keypoints"], (-1, 3))


def persons_of(data, image):
    return [a for a in data["annotations"] if a["image_id"] == image["id"]]


def test_label_studios_converter_finds_boxes_joints_and_whose_they_are(tmp_path):
    Converter = pytest.importorskip("label_studio_sdk.converter").Converter  # noqa: N806
    data = labelled_set(COCO17, pictures=8, size=(131, 97))
    write_label_studio(data, COCO17, tmp_path / "tasks.json")
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    exported = [
        {"id": number, **task} for number, task in enumerate(tasks, start=1)
    ]  # as the server numbers them
    (tmp_path / "export.json").write_text(json.dumps(exported))
    reader = Converter(label_studio_config(COCO17), project_dir=None, download_resources=False)
    reader.convert_to_yolo(str(tmp_path / "export.json"), str(tmp_path / "yolo"), is_dir=False)
    found = 0
    for image in data["images"]:
        name = image["file_name"].rpartition("/")[2].replace(".png", ".txt")
        rows = [line.split() for line in (tmp_path / "yolo" / "labels" / name).read_text().splitlines()]
        size = np.array([image["width"], image["height"]])
        for row, person in zip(np.array(rows, dtype=float), persons_of(data, image), strict=True):
            x, y, w, h = person["bbox"]
            box = np.array([x + w / 2, y + h / 2, w, h]) / np.tile(size, 2)
            np.testing.assert_allclose(row[1:5], box, rtol=0, atol=1e-12)
            joints, expected = row[5:].reshape(-1, 3), keypoints(person)
            seen = expected[:, 2] > 0  # the converter knows drawn and not drawn
            np.testing.assert_array_equal(joints[:, 2], 2 * seen)
            centres = (expected[seen, :2] + 0.5) / size  # percent count from the picture's corner
            np.testing.assert_allclose(joints[seen, :2], centres, rtol=0, atol=1e-12)
            found += seen.sum()
    assert found > 100


def test_label_studio_takes_the_config_and_the_tasks(tmp_path):
    interface = pytest.importorskip("label_studio_sdk.label_interface")
    config = interface.LabelInterface(label_studio_config(TINY))
    config.validate()
    write_label_studio(labelled_set(), TINY, tmp_path / "tasks.json")
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    annotations = [task["annotations"][0] for task in tasks]
    assert all(config.validate_annotation(annotation) for annotation in annotations)
    annotations[1]["result"][0]["from_name"] = "nobody"
    assert not config.validate_annotation(annotations[1])


def datumaro_labels(dataset):
    annotation = pytest.importorskip("datumaro.components.annotation")
    return [label.name for label in dataset.categories()[annotation.AnnotationType.label].items]


def test_datumaro_reads_our_cvat_file(tmp_path):
    datumaro = pytest.importorskip("datumaro")
    data = labelled_set(pictures=8)
    write_pictures(tmp_path / "images", data)
    FORMATS["cvat"].write(data, TINY, tmp_path / "annotations.xml")
    dataset = datumaro.Dataset.import_from(str(tmp_path), "cvat")
    names, items = datumaro_labels(dataset), {item.id: item for item in dataset}
    assert set(names) == {*TINY.names, "person", "box", "picture"} and len(items) == 8
    for image in data["images"]:
        item = items[image["file_name"].removesuffix(".png")]
        by_label = {name: [a for a in item.annotations if names[a.label] == name] for name in names}
        assert item.media.size == (image["height"], image["width"])
        assert by_label["picture"][0].attributes["image_id"] == str(image["id"])
        for number, person in enumerate(persons_of(data, image)):
            box = by_label["box"][number]
            np.testing.assert_allclose(box.get_bbox(), person["bbox"], rtol=0, atol=1e-4)
            assert box.attributes["annotation_id"] == str(person["id"]) and box.group == number + 1
            for name, (x, y, seen) in zip(TINY.names, keypoints(person), strict=True):
                point = by_label[name][number]
                if seen:  # it does not read "outside", and keeps two decimals
                    np.testing.assert_allclose(point.points, [x + 0.5, y + 0.5], rtol=0, atol=0.00501)
                    assert point.attributes["occluded"] == (seen == 1)


def datumaro_items(data, folder):
    """The label set as datumaro holds it: joints as single points, in the group of their box."""
    datumaro = pytest.importorskip("datumaro")
    annotation = pytest.importorskip("datumaro.components.annotation")
    labels = [*TINY.names, "box", "picture"]
    for image in data["images"]:
        shapes = [annotation.Label(labels.index("picture"), attributes={"image_id": str(image["id"])})]
        for group, person in enumerate(persons_of(data, image), start=1):
            known = {"annotation_id": str(person["id"]), "area": str(person["area"])}
            shapes.append(
                annotation.Bbox(*person["bbox"], label=labels.index("box"), group=group, attributes=known)
            )
            shapes += [
                annotation.Points(
                    [x + 0.5, y + 0.5], label=index, group=group, attributes={"occluded": bool(seen == 1)}
                )
                for index, (x, y, seen) in enumerate(keypoints(person))
                if seen
            ]
        path = folder / image["file_name"]
        media = datumaro.components.media.Image.from_file(path=str(path))
        yield datumaro.DatasetItem(
            image["file_name"].removesuffix(".png"), subset="own", media=media, annotations=shapes
        )


def test_we_read_what_datumaro_writes_for_cvat(tmp_path):
    datumaro = pytest.importorskip("datumaro")
    data = labelled_set(pictures=8)
    folder = write_pictures(tmp_path / "pictures", data)
    dataset = datumaro.Dataset.from_iterable(
        list(datumaro_items(data, folder)), categories=[*TINY.names, "box", "picture"]
    )
    dataset.export(str(tmp_path / "out"), "cvat", image_ext=".png", allow_undeclared_attrs=True)
    found = FORMATS["cvat"].read(tmp_path / "out" / "own.xml", collector(images=folder))
    assert [i["id"] for i in found["images"]] == [i["id"] for i in data["images"]]
    assert [a["id"] for a in found["annotations"]] == [a["id"] for a in data["annotations"]]
    for ours, theirs in zip(found["annotations"], data["annotations"], strict=True):
        np.testing.assert_array_equal(keypoints(ours)[:, 2], keypoints(theirs)[:, 2])
        # two decimals are written
        np.testing.assert_allclose(keypoints(ours), keypoints(theirs), rtol=0, atol=0.00501)
        np.testing.assert_allclose(ours["bbox"], theirs["bbox"], rtol=0, atol=0.0101)
        assert ours["area"] == theirs["area"]


def test_cvats_client_takes_our_labels():
    client = pytest.importorskip("cvat_sdk.api_client")
    utils = pytest.importorskip("cvat_sdk.api_client.model_utils")
    settings = client.Configuration(host="http://localhost")

    def task(labels):
        kinds = (client.models.TaskWriteRequest,)
        return utils.validate_and_convert_types(
            {"name": "own", "labels": labels}, kinds, ["task"], False, True, configuration=settings
        )

    labels = cvat_labels(COCO17)
    assert [label.to_dict() for label in task(labels).labels] == labels
    labels[1]["attributes"][0]["input_type"] = "word"
    with pytest.raises(client.exceptions.ApiValueError):
        task(labels)
