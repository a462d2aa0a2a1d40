"""CVAT for images 1.1, both ways."""

import pytest
from own_data import TINY, assert_same_labels, collector, labelled_set, parsed, write_pictures

from fidip.errors import DataError
from fidip.labels import FORMATS, cvat_labels
from fidip.skeleton import COCO17

BOX = '<box label="box" occluded="0" xtl="{0}" ytl="{1}" xbr="{2}" ybr="{3}" z_order="0"{4}/>'


def joint(name, x, y, more=""):
    return f'<points label="{name}" occluded="0" outside="0" points="{x},{y}"{more}></points>'


def skeleton(*joints, more=""):
    return f'<skeleton label="person" occluded="0" z_order="0"{more}>{"".join(joints)}</skeleton>'


def box(left, top, right, bottom, more=""):
    return BOX.format(left, top, right, bottom, more)


def picture(*shapes, number=4, name="clip/a.png"):
    return f'<image id="{number}" name="{name}" width="200" height="100">{"".join(shapes)}</image>'


def read(tmp_path, *images, head="", **options):
    path = tmp_path / "annotations.xml"
    path.write_text(
        f'<?xml version="1.0" encoding="utf-8"?>{head}<annotations><version>1.1</version>{"".join(images)}</annotations>'
    )
    return FORMATS["cvat"].read(path, collector("cvat file annotations.xml", **options))


def refused(tmp_path, message, *images, **options):
    with pytest.raises(DataError, match=message) as error:
        read(tmp_path, *images, **options)
    assert "\n" not in str(error.value) and "annotations.xml" in str(error.value)


def group(number):
    return f' group_id="{number}"'


def test_round_trip_keeps_ids_boxes_joints_and_syrips_fields(tmp_path):
    data = labelled_set(pictures=8)
    data["annotations"][1]["iscrowd"] = 1
    data["annotations"][0].update(keypoints=[0] * 12, num_keypoints=0)
    lost = FORMATS["cvat"].write(data, TINY, tmp_path / "cvat.xml")
    found = FORMATS["cvat"].read(
        tmp_path / "cvat.xml", collector(images=write_pictures(tmp_path / "p", data))
    )
    assert lost == []
    assert_same_labels(found, data)
    FORMATS["cvat"].write(found, TINY, tmp_path / "again.xml")
    assert (tmp_path / "again.xml").read_text() == (tmp_path / "cvat.xml").read_text()


def test_what_is_lost_is_said(tmp_path):
    data = labelled_set()
    data["images"][0]["frame_id"] = 3
    data["annotations"][0]["segmentation"] = [[1]]
    assert FORMATS["cvat"].write(data, TINY, tmp_path / "x.xml") == [
        "image field frame_id is lost", "person field segmentation is lost"]  # fmt: skip


def test_pixels_and_visibility(tmp_path):
    shape = skeleton(joint("nose", 50.5, 20), joint("tail", 1.25, 2).replace('occluded="0"', 'occluded="1"'),
                     joint("left_hand", 9, 9).replace('outside="0"', 'outside="1"'))  # fmt: skip
    (person,) = read(tmp_path, picture(shape, box(0, 0, 60, 30)))["annotations"]
    assert person["keypoints"] == [50, 19.5, 2, 0, 0, 0, 0, 0, 0, 0.75, 1.5, 1]
    assert person["bbox"] == [0, 0, 60, 30] and person["area"] == 1800
    assert read(tmp_path, picture(shape))["images"][0]["id"] == 5  # CVAT's frames count from 0


def test_persons_by_group_by_place_and_alone(tmp_path):
    left, right = box(0, 0, 90, 100), box(80, 0, 200, 100)
    one, two = skeleton(joint("nose", 10, 10)), skeleton(joint("nose", 150, 10))
    boxes = [p["bbox"][0] for p in read(tmp_path, picture(two, left, right, one))["annotations"]]
    assert boxes == [80, 0]  # in the order of the skeletons, each in its box
    both = skeleton(joint("nose", 85, 10), more=group(2))
    found = read(tmp_path, picture(box(0, 0, 90, 100, group(1)), box(80, 0, 200, 100, group(2)), both))[
        "annotations"
    ]
    assert [(p["bbox"][0], p["num_keypoints"]) for p in found] == [(80, 1), (0, 0)]
    refused(
        tmp_path,
        "image 4 'clip/a.png' has a skeleton in several boxes",
        picture(left, right, skeleton(joint("nose", 85, 9))),
    )
    refused(tmp_path, "two boxes in group 1", picture(box(0, 0, 9, 9, group(1)), box(0, 0, 8, 8, group(1))))
    pair = [skeleton(joint("nose", 1, 1), more=group(1))] * 2
    refused(tmp_path, "two skeletons in the group of one box", picture(box(0, 0, 9, 9, group(1)), *pair))
    refused(
        tmp_path,
        "nose more than once in one skeleton",
        picture(left, skeleton(joint("nose", 1, 1), joint("nose", 2, 2))),
    )


def test_what_is_labelled_as_something_else_is_no_person(tmp_path):
    def named(shape, label):
        return shape.replace('label="box"', f'label="{label}"').replace('label="person"', f'label="{label}"')

    nose = skeleton(joint("nose", 10, 10), joint("tail", 30, 40))
    toy, mother = named(box(100, 50, 150, 90), "toy"), named(nose, "mother")
    (person,) = read(tmp_path, picture(nose, toy, mother))["annotations"]
    assert person["num_keypoints"] == 2 and person["bbox"][:2] != [100, 50]
    (own,) = read(tmp_path, picture(named(nose, "Lena"), named(box(0, 0, 60, 60), "Lena")))["annotations"]
    assert own["bbox"] == [0, 0, 60, 60]  # the only label of the file
    refused(tmp_path, "labels mother, toy, none of which is a word for a person", picture(toy, mother))


def test_a_person_of_one_joint_is_left_out_and_the_rest_converted(tmp_path):
    one, two = skeleton(joint("nose", 1, 1)), skeleton(joint("nose", 9, 9), joint("tail", 40, 30))
    found = read(tmp_path, picture(one), picture(two, number=5, name="clip/b.png"))
    assert [p["image_id"] for p in found["annotations"]] == [found["images"][1]["id"]]


def test_single_points_make_persons_too(tmp_path):
    loose = [joint("nose", 10, 10), joint("tail", 20, 30)]
    (person,) = read(tmp_path, picture(box(0, 0, 60, 60), *loose))["annotations"]
    assert person["num_keypoints"] == 2 and person["bbox"] == [0, 0, 60, 60]
    grouped = [joint(name, x, x / 2, group(x // 100 + 1)) for name in ("nose", "tail") for x in (10, 150)]
    grouped += [joint("left_hand", 20, 30, group(1)), joint("left_hand", 180, 30, group(2))]
    first, second = read(tmp_path, picture(*grouped))["annotations"]
    assert (first["keypoints"][0], second["keypoints"][0], first["num_keypoints"]) == (9.5, 149.5, 3)
    in_box = read(tmp_path, picture(box(0, 0, 60, 60, group(1)), box(100, 0, 199, 99, group(2)), *grouped))[
        "annotations"
    ]
    assert [p["bbox"] for p in in_box] == [[0, 0, 60, 60], [100, 0, 99, 99]]
    refused(tmp_path, "nose more than once in one person", picture(joint("nose", 1, 1), joint("nose", 2, 2)))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (skeleton(joint("paw", 1, 1)), r"image 4 'clip/a\.png' has a joint 'paw', which tiny lacks"),
        (skeleton(joint("nose", 1, "")), "has nose at '1,', which is not one point"),
        (skeleton(joint("nose", 1, "1;2,2")), "which is not one point"),
        (box("x", 0, 1, 1), "has a box whose xtl 'x' is no number"),
        (box(5, 0, 5, 9), "has a box of no size"),
        (box(0, 0, 5, 9, ' rotation="12.5"'), "has a box that is turned"),
        (box(0, 0, 5, 9).replace("/>", '><attribute name="iscrowd">maybe</attribute></box>'), "attribute iscrowd 'maybe'"),
    ],
)  # fmt: skip
def test_faulty_shapes_are_named(tmp_path, shape, message):
    refused(tmp_path, message, picture(shape))


def test_faulty_files_are_named(tmp_path):
    bomb = '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;">]>'
    refused(tmp_path, "declares a DOCTYPE, which is not read", picture(), head=bomb)
    refused(tmp_path, "declares a DOCTYPE", picture(), head='<!DOCTYPE a SYSTEM "file:///etc/passwd">')
    refused(tmp_path, "export as 'CVAT for images 1.1'", '<track id="0" label="person"></track>')
    refused(tmp_path, "is not valid XML", "<image")
    refused(
        tmp_path,
        "picture clip/a.png comes 2 times",
        picture(box(0, 0, 9, 9)),
        picture(box(0, 0, 9, 9), number=5),
    )
    for content, message in (
        (b"PK\x03\x04\xff\xff", "if it is a zip archive, unpack it first"),
        (b"<a/>", "is no file of pictures"),
    ):
        (tmp_path / "x.xml").write_bytes(content)
        with pytest.raises(DataError, match=message):
            FORMATS["cvat"].read(tmp_path / "x.xml", collector())
    with pytest.raises(DataError, match="does not exist"):
        FORMATS["cvat"].read(tmp_path / "nowhere.xml", collector())
    text = (
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY x "ha">]><annotations>&x;</annotations>'
    )
    (tmp_path / "wide.xml").write_bytes(text.encode("utf-16"))
    with pytest.raises(DataError, match="no text in UTF-8"):
        FORMATS["cvat"].read(tmp_path / "wide.xml", collector())


def test_joints_left_out_on_request_are_counted(tmp_path):
    source = collector(drop_unknown=True)
    path = tmp_path / "a.xml"
    path.write_text(
        f"<annotations>{picture(box(0, 0, 60, 60), skeleton(joint('paw', 1, 1), joint('nose', 5, 5)))}</annotations>"
    )
    (person,) = FORMATS["cvat"].read(path, source)["annotations"]
    assert person["num_keypoints"] == 1 and source.counts == {"joints left out, not in the skeleton": 1}


def test_labels_for_cvat_draw_the_skeleton_and_declare_what_is_written(tmp_path):
    person, rectangle, tag = cvat_labels(COCO17)
    assert [part["name"] for part in person["sublabels"]] == list(COCO17.names)
    svg = parsed(f"<svg>{person['svg']}</svg>")
    assert [node.get("data-label-name") for node in svg.iter("circle")] == list(COCO17.names)
    assert [
        (int(e.get("data-node-from")) - 1, int(e.get("data-node-to")) - 1) for e in svg.iter("line")
    ] == list(COCO17.limbs)
    spots = {(node.get("cx"), node.get("cy")) for node in svg.iter("circle")}
    assert len(spots) == 17 and all(0 <= float(value) <= 100 for spot in spots for value in spot)
    data = labelled_set()
    FORMATS["cvat"].write(data, TINY, tmp_path / "x.xml")
    root = parsed((tmp_path / "x.xml").read_text().split("?>", 1)[1])
    for label in (rectangle, tag):
        declared = {attribute["name"] for attribute in label["attributes"]}
        written = {
            a.get("name") for e in root.iter() if e.get("label") == label["name"] for a in e.iter("attribute")
        }
        assert written <= declared and written
    known = {label.findtext("name") for label in root.iter("label")}
    assert known == {*TINY.names, "person", "box", "picture"}
    assert {e.get("label") for image in root.iter("image") for e in image.iter() if e.get("label")} == known
