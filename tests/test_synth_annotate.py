"""Labels compared with what a plate in front of a pinhole camera must give."""

import json
from dataclasses import replace

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from synth_scene import DISTANCE, KEYPOINTS, LEFT_WRIST, plate, scene

from fidip.errors import DataError
from fidip.skeleton import COCO17
from infantsynth.annotate import annotate, depth_map, image_record, part_map, space_labels
from infantsynth.render.zbuffer import rasterise
from infantsynth.spec import look_at

SYRIP_IMAGE = {"file_name", "is_synthetic", "frame_id", "height", "id", "is_labeled", "nframes",
               "original_file_name", "width", "image_source", "posture"}  # fmt: skip
SYRIP_ANNOTATION = {"bbox", "bbox_head", "category_id", "id", "image_id", "keypoints", "scores", "track_id",
                    "num_keypoints", "segmentation", "area", "iscrowd"}  # fmt: skip
FOCAL = 80 / np.tan(np.deg2rad(30))  # px


def labels_of(spec):
    record = annotate(spec, rasterise(spec.camera, spec.meshes), 10001)
    return record, np.reshape(record["keypoints"], (17, 3))


def by_hand(shift=(0.0, 0.0)):
    """Where the keypoints appear: similar triangles."""
    x = FOCAL * (KEYPOINTS[:, 0] - shift[0]) / DISTANCE + 79.5
    return np.column_stack([x, -FOCAL * (KEYPOINTS[:, 2] - shift[1]) / DISTANCE + 59.5])


def test_labels_are_the_projected_keypoints():
    record, labels = labels_of(scene())
    assert np.abs(labels[:, :2] - by_hand()).max() < 1e-3
    assert (labels[:, 2] == 2).all() and record["num_keypoints"] == 17


def test_the_left_side_is_on_the_right_of_one_who_faces_the_camera():
    _, labels = labels_of(scene())
    for left, right in COCO17.flip_pairs:
        assert labels[left, 0] > labels[right, 0]


def test_a_toy_before_one_wrist_hides_that_wrist_only():
    eye = np.array([0, -DISTANCE, 0])
    toy = plate(eye + 0.85 * (KEYPOINTS[LEFT_WRIST] - eye), 0.09, 0.09, "toy")
    _, labels = labels_of(scene([toy]))
    assert np.flatnonzero(labels[:, 2] != 2).tolist() == [LEFT_WRIST]
    assert labels[LEFT_WRIST, 2] == 1
    assert np.abs(labels[LEFT_WRIST, :2] - by_hand()[LEFT_WRIST]).max() < 1e-3
    behind = plate(eye + 1.15 * (KEYPOINTS[LEFT_WRIST] - eye), 0.09, 0.09, "toy")
    assert (labels_of(scene([behind]))[1][:, 2] == 2).all()


def test_outside_the_picture_is_not_labelled():
    shift = (0.85, 0.2)
    record, labels = labels_of(scene(shift=shift))
    xy = by_hand(shift)
    inside = (xy[:, 0] >= -0.5) & (xy[:, 0] < 159.5) & (xy[:, 1] >= -0.5) & (xy[:, 1] < 119.5)
    assert 0 < inside.sum() < 17
    assert (labels[~inside] == 0).all() and (labels[inside, 2] == 2).all()
    assert record["num_keypoints"] == inside.sum()


def test_box_area_and_outline_are_those_of_the_mask():
    spec = scene(shift=(0.5, 0.1))
    buffers = rasterise(spec.camera, spec.meshes)
    record, _ = labels_of(spec)
    mask = buffers.mesh == 0
    assert (coco_mask.decode(record["segmentation"]) == mask).all()
    assert record["bbox"] == coco_mask.toBbox(record["segmentation"]).tolist()
    assert record["area"] == mask.sum() == record["bbox"][2] * record["bbox"][3]  # a rectangle


def test_what_hides_the_infant_lessens_the_area_but_not_the_box():
    blanket = plate(np.array([0, -0.1, -0.3]), 1.5, 0.5, "blanket")
    free, _ = labels_of(scene())
    covered, labels = labels_of(scene([blanket]))
    assert covered["bbox"] == free["bbox"]
    assert covered["area"] < 0.6 * free["area"]
    assert not coco_mask.decode(covered["segmentation"])[80:].any()
    assert (labels[[15, 16], 2] == 1).all() and (labels[:5, 2] == 2).all()


def test_what_is_worn_belongs_to_the_person():
    hat = plate(np.array([0, -0.01, 0.6]), 0.3, 0.4, "hair")
    worn, labels = labels_of(scene([hat]))
    free, _ = labels_of(scene())
    assert worn["bbox"][3] > free["bbox"][3] + 10 and worn["area"] > free["area"]
    assert (labels[:, 2] == 2).all()  # cloth and hair just above the skin hide nothing


def test_an_infant_out_of_sight_is_refused():
    with pytest.raises(DataError, match="nothing of the person"):
        labels_of(scene(shift=(9.0, 0.0)))
    with pytest.raises(DataError, match="nothing of the person"):
        labels_of(scene([plate(np.array([0, -1, 0]), 9, 9, "blanket")]))


def test_records_have_the_fields_of_syrip():
    spec = scene()
    image, (annotation, _) = image_record(spec, 10001, "train10001.jpg", 7), labels_of(spec)
    assert image.keys() == SYRIP_IMAGE | {"seed", "scene"}
    assert annotation.keys() == SYRIP_ANNOTATION
    assert image["is_synthetic"] is True and image["posture"] == "Supine" and image["seed"] == 7
    assert image["scene"] == {"posture": "supine", "months": 4.5}
    assert json.loads(json.dumps([image, annotation])) == [image, annotation]
    assert image_record(replace(spec, info={"posture": "crawling"}), 1, "a", 0)["posture"] == "Prone"


def mirrored(spec):
    """The scene in a mirror that stands at x = 0: the same surfaces and eye on the other side, sides renamed."""
    flip = np.array([-1.0, 1, 1])
    order = np.array(COCO17.flip_order)
    body = spec.body
    seen = replace(
        body, vertices=body.vertices * flip, normals=body.normals * flip, keypoints=(body.keypoints * flip)[order],
        skin=tuple(body.skin[i] for i in order),
    )  # fmt: skip
    meshes = tuple(
        replace(mesh, vertices=mesh.vertices * flip, faces=mesh.faces[:, ::-1]) for mesh in spec.meshes
    )
    eye = spec.camera.centre * flip
    camera = look_at(eye, eye + [0, 1, 0], np.deg2rad(60), (spec.camera.width, spec.camera.height))
    return replace(spec, camera=camera, meshes=meshes, body=seen)


def test_a_mirrored_scene_has_mirrored_labels():
    eye = np.array([0.85, -DISTANCE, 0.2])
    toy = plate(eye + 0.8 * (KEYPOINTS[LEFT_WRIST] - eye), 0.21, 0.13, "toy")
    spec = scene([toy], shift=(0.85, 0.2), size=(161, 121))
    (plain, labels), (other, found) = labels_of(spec), labels_of(mirrored(spec))
    expected = labels[np.array(COCO17.flip_order)]
    known = expected[:, 2] > 0
    expected[known, 0] = 160 - expected[known, 0]
    assert (labels[:, 2] == 1).sum() > 0 and 0 < (~known).sum() < 10
    assert np.abs(found - expected).max() < 2e-3
    x, y, w, h = plain["bbox"]
    assert other["bbox"] == [161 - x - w, y, w, h] and other["area"] == plain["area"]
    assert (coco_mask.decode(other["segmentation"]) == coco_mask.decode(plain["segmentation"])[:, ::-1]).all()


def test_depth_is_in_millimetres():
    spec = scene([plate(np.array([2.0, 90.0, 0]), 400, 400, "room")])
    depth = depth_map(rasterise(spec.camera, spec.meshes))
    assert depth.dtype == np.uint16
    assert depth[60, 80] == 2000
    assert depth[0, 0] == 0  # 92 m are too far for 16 bits


def test_parts_follow_the_body_below_cloth_and_hair():
    spec = scene()
    hat = plate(
        np.array([0.1, -0.01, 0.2]), 0.1, 0.1, "hair", source=np.full(4, 40, np.int32)
    )  # a right vertex
    spec = replace(spec, meshes=(*spec.meshes, hat, plate(np.array([0, 1, 0]), 9, 9, "room")))
    buffers = rasterise(spec.camera, spec.meshes)
    parts = part_map(spec, buffers)
    assert parts[0, 0] == 0 and parts[60, 60] == 1 and parts[60, 100] == 2
    left = spec.body.parts[40] + 1
    assert (parts[buffers.mesh == 1] == left).all() and (buffers.mesh == 1).sum() > 20


def test_labels_in_space_give_the_picture_back():
    spec = scene(shift=(0.1, -0.1))
    labels = space_labels(spec)
    points = np.array(labels["keypoints_3d"]) @ np.array(labels["camera"]["intrinsics"]).T
    xy, _ = spec.camera.project(KEYPOINTS)
    assert np.abs(points[:, :2] / points[:, 2:] - xy).max() < 0.01
