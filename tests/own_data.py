"""Small label sets of any skeleton, and pictures to go with them, shared by the tests of own data."""

import json
from xml.etree import ElementTree

import cv2
import numpy as np
from figures import write_split

from fidip.data.coco_json import coco_json
from fidip.labels import Collector, Pictures
from fidip.skeleton import COCO17, Skeleton

MADE_OF = {
    "neck": ("left_shoulder", "right_shoulder"),
    "mid_hip": ("left_hip", "right_hip"),
    "head_top": ("left_eye", "right_eye"),
}
# not mirrored and of unequal length, so that mixed-up joints show
TINY = Skeleton(
    "tiny", ("nose", "left_hand", "right_hand", "tail"), ((1, 2),), (0.1,) * 4, ((0, 3),), (0, 1, 2)
)


def labelled_set(skeleton=TINY, pictures=4, size=(64, 48), seed=0):
    """COCO JSON: 0, 1, 2, 3, 0, ... persons a picture, joints hidden and missing, ids with gaps, SyRIP's fields."""
    rng = np.random.default_rng(seed)
    images, annotations = [], []
    for number in range(pictures):
        image_id = 100 + 7 * number
        images.append({"id": image_id, "file_name": f"clip {number % 2}/p{number}.png", "width": size[0], "height": size[1],
                       "is_synthetic": number % 2 == 1, "posture": ["Supine", "Prone"][number % 2],
                       "image_source": f"film & {number // 2}"})  # fmt: skip
        for person in range(number % 4):
            left, share = 21 * person, rng.uniform(0.3, 0.9)
            keypoints = np.column_stack(
                [rng.uniform([left, 0], [left + 19, size[1] - 2], (skeleton.num_joints, 2)).round(4),
                 rng.integers(0, 3, skeleton.num_joints)]
            )  # fmt: skip
            keypoints[person, 2], keypoints[-1, 2] = 1, 2
            keypoints[keypoints[:, 2] == 0] = 0
            annotations.append(
                person_record(
                    500 + 3 * len(annotations), image_id, keypoints, [left, 0.25, 20.5, size[1] - 1], share
                )
            )
    return coco_json(images, annotations, skeleton, "made by code")


def person_record(key, image_id, keypoints, box, share=1.0):
    flat = [v if i % 3 < 2 else int(v) for i, v in enumerate(np.asarray(keypoints, float).ravel().tolist())]
    return {"id": key, "image_id": image_id, "category_id": 1, "bbox": box, "area": round(share * box[2] * box[3], 4),
            "iscrowd": 0, "num_keypoints": int((np.asarray(keypoints)[:, 2] > 0).sum()), "keypoints": flat}  # fmt: skip


def write_pictures(folder, data):
    """Grey pictures of the sizes that a label set states."""
    for image in data["images"]:
        path = folder / image["file_name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((image["height"], image["width"], 3), 90, np.uint8))
    return folder


def collector(source="label file", skeleton=TINY, images=None, drop_unknown=False):
    return Collector(source, skeleton, Pictures(images), drop_unknown)


def assert_same_labels(found, expected, without=()):
    """Pictures, persons and all their fields are equal, numbers to 0.0001 px."""
    for kind in ("images", "annotations"):
        assert len(found[kind]) == len(expected[kind])
        for ours, theirs in zip(found[kind], expected[kind], strict=True):
            assert ours.keys() - set(without) == theirs.keys() - set(without)
            for key in theirs.keys() - set(without):
                if key in ("keypoints", "bbox", "area"):
                    np.testing.assert_allclose(ours[key], theirs[key], rtol=0, atol=1.001e-4, err_msg=key)
                else:
                    assert ours[key] == theirs[key], key


def restated(keypoints, skeleton):
    """COCO-17 keypoints (17, 3) as those of another skeleton; neck and the like are means."""
    rows = [
        keypoints[[COCO17.names.index(part) for part in MADE_OF.get(name, (name,))]].mean(axis=0)
        for name in skeleton.names
    ]
    return np.array(rows)


def write_restated_split(root, split, count, skeleton, **options):
    """The stick infants of ``figures`` with the joints of ``skeleton``."""
    content = write_split(root, split, count, **options)
    for annotation in content["annotations"]:
        keypoints = restated(np.reshape(annotation["keypoints"], (17, 3)), skeleton)
        annotation.update(keypoints=keypoints.ravel().tolist(), num_keypoints=skeleton.num_joints)
    content["categories"] = [{"id": 1, "name": "person", "keypoints": list(skeleton.names)}]
    for image in content["images"]:
        image["image_source"] = f"{split} {image['image_source']}"
    (root / "annotations" / f"person_keypoints_{split}.json").write_text(json.dumps(content))
    return content


def parsed(text):
    """The root of XML that a test made itself."""
    return ElementTree.fromstring(text)  # noqa: S314
