"""Generated pictures of stick infants with exact labels, in the published folder layout."""

import json

import cv2
import numpy as np

from fidip.skeleton import COCO17

# A lying infant in a unit box, x to the right, y down: the left side is on the picture's right.
POSE = np.array(
    [[.50, .12], [.54, .09], [.46, .09], [.59, .12], [.41, .12], [.64, .28], [.36, .28], [.76, .38], [.24, .38],
     [.84, .24], [.16, .24], [.58, .58], [.42, .58], [.68, .74], [.32, .74], [.62, .92], [.38, .92]]
)  # fmt: skip
COLOURS = np.array([[(k * 67) % 200 + 55, (k * 131) % 200 + 55, (k * 29) % 200 + 55] for k in range(17)])


def stick_infant(rng, size=(160, 120), synthetic=False):
    """One picture (H, W, 3) RGB and its joints (17, 2) image px."""
    width, height = size
    extent = rng.uniform(0.6, 0.85) * min(size)
    angle = rng.uniform(-0.4, 0.4)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    pose = (POSE + rng.normal(0, 0.015, POSE.shape) - 0.5) @ turn.T * extent
    joints = np.clip(pose + np.array(size) / 2 + rng.uniform(-8, 8, 2), 3, np.array(size) - 4)
    base = (40, 40, 60) if synthetic else (120, 110, 90)
    image = np.full((height, width, 3), base, np.uint8)
    image += rng.integers(0, 12, image.shape, dtype=np.uint8)
    for start, end in COCO17.limbs:
        a, b = (tuple(int(v) for v in np.rint(joints[i])) for i in (start, end))
        cv2.line(image, a, b, (200, 190, 180), 2, cv2.LINE_AA)
    for joint, colour in zip(joints, COLOURS, strict=True):
        cv2.circle(image, tuple(int(v) for v in np.rint(joint)), 4, colour.tolist(), -1, cv2.LINE_AA)
    return image, joints


def joint_box(joints, margin=6):
    """x, y, w, h around joints."""
    low, high = joints.min(axis=0) - margin, joints.max(axis=0) + margin
    return [*low.tolist(), *(high - low).tolist()]


def write_split(root, split, count, seed=0, synthetic=lambda i: False, first_id=1, size=(160, 120)):
    """Write ``count`` pictures and their JSON; returns the JSON's content."""
    rng = np.random.default_rng(seed)
    folder = root / "images" / split
    folder.mkdir(parents=True, exist_ok=True)
    (root / "annotations").mkdir(exist_ok=True)
    images, annotations = [], []
    for i in range(count):
        image, joints = stick_infant(rng, size, synthetic(i))
        name = f"{split}{i:05d}.png"
        cv2.imwrite(str(folder / name), image[..., ::-1])
        images.append({"id": first_id + i, "file_name": name, "width": size[0], "height": size[1],
                       "is_synthetic": synthetic(i), "posture": ["Supine", "Prone"][i % 2],
                       "image_source": f"clip{i % 3}"})  # fmt: skip
        box = joint_box(joints)
        keypoints = np.column_stack([joints, np.full(17, 2)]).ravel().tolist()
        annotations.append({"id": first_id + i, "image_id": first_id + i, "category_id": 1, "bbox": box,
                            "area": box[2] * box[3], "keypoints": keypoints, "num_keypoints": 17, "iscrowd": 0})  # fmt: skip
    content = {"images": images, "annotations": annotations,
               "categories": [{"id": 1, "name": "person", "keypoints": list(COCO17.names)}]}  # fmt: skip
    (root / "annotations" / f"person_keypoints_{split}.json").write_text(json.dumps(content))
    return content
