"""Infants of known shape and pose in front of a known camera, and files of their keypoints."""

import json
from functools import lru_cache

import numpy as np
import torch

from infantsynth.body import BodyData, BodyModel, load_body
from infantsynth.fit.keypoints import LAYOUTS
from infantsynth.poses.authored import compose, sample_pose

SIZE = (640, 480)
FOCAL = 1.4 * 640


@lru_cache(maxsize=1)
def infant():
    return load_body("infant")


def turned(rng):
    """A root orientation (3,) rad: the infant roughly along the picture, seen from any side."""
    lean, side = rng.uniform(-np.pi, np.pi), rng.uniform(-np.pi, np.pi)
    facing = np.array([-np.pi / 2, 0, 0])  # z up to y up in the picture
    return compose(compose(np.array([0, 0, side]), facing), np.array([0, 0, lean]))


def known_persons(count, seed=0, size=SIZE, focal=FOCAL):
    """betas (N, K), pose (N, J, 3), transl (N, 3), keypoints (N, 17, 3) px of authored poses before a camera."""
    body, rng = infant(), np.random.default_rng(seed)
    postures = ("supine", "prone", "sitting", "crawling")
    pose = np.stack([sample_pose(body, postures[i % 4], rng).pose for i in range(count)])
    pose[:, 0] = [turned(rng) for _ in range(count)]
    still = [
        i for i, name in enumerate(body.joint_names) if any(p in name for p in ("finger", "wrist", "ankle"))
    ]
    pose[:, still] = 0
    betas = rng.normal(0, 0.5, (count, body.num_betas))
    transl = rng.uniform((-0.1, -0.1, 1.2), (0.1, 0.1, 1.6), (count, 3))
    return betas, pose, transl, project(betas, pose, transl, size, focal)


def project(betas, pose, transl, size=SIZE, focal=FOCAL):
    """Keypoints (N, 17, 3) px and weight 1 of bodies in camera axes."""
    parts = (torch.as_tensor(part, dtype=torch.float32) for part in (betas, pose, transl))
    with torch.no_grad():
        points = infant().keypoints(*parts).double().numpy()
    xy = points[..., :2] / points[..., 2:] * focal + (np.array(size) - 1) / 2
    return np.concatenate([xy, np.ones((*xy.shape[:2], 1))], axis=2)


def boxes(keypoints):
    """Diagonals (N,) px of the keypoints' boxes."""
    return np.linalg.norm(np.ptp(keypoints[..., :2], axis=1), axis=1)


def coco_file(path, keypoints, size=SIZE, **changes):
    """Write a COCO annotation file with one person a picture; changes: annotation number -> replaced fields."""
    images = [
        {"id": i + 1, "file_name": f"baby{i}.jpg", "width": size[0], "height": size[1], "posture": "Supine"}
        for i in range(len(keypoints))
    ]
    annotations = []
    for i, person in enumerate(keypoints):
        flat = np.concatenate([person[:, :2], np.full((17, 1), 2.0)], axis=1).ravel().tolist()
        annotations.append(
            {"id": i + 1, "image_id": i + 1, "keypoints": flat, "bbox": [0, 0, 9, 9], "category_id": 1}
        )
        annotations[-1] |= changes.get(f"a{i}", {})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": [{"id": 1}]}))
    return path


def spread_out(keypoints, layout):
    """COCO-17 joints (17, 3) as one of ``LAYOUTS`` of more joints, the others far off."""
    wide = np.full((layout, 3), -5.0)
    wide[list(LAYOUTS[layout])] = keypoints
    return wide


def blended_body(seed=0, vertices=400):
    """A small body with pose blend shapes: some of the infant's skin and joints, made-up keypoints and blends."""
    body, rng = infant(), np.random.default_rng(seed)
    kept = [i for i, name in enumerate(body.joint_names) if "finger" not in name]
    chosen = rng.choice(len(body.template), vertices, replace=False)
    regressor = rng.dirichlet(np.full(vertices, 0.05), 17)
    weights = body.skinning_weights.double().numpy()[chosen][:, kept] + 1e-9
    data = BodyData(
        name="blended",
        joint_names=tuple(body.joint_names[i] for i in kept),
        parents=tuple(-1 if i == 0 else kept.index(body.parents[i]) for i in kept),
        template=body.template.double().numpy()[chosen],
        shapes=body.shapes.double().numpy()[chosen],
        joints=body.rest_joints.double().numpy()[kept],
        joint_shapes=body.joint_shapes.double().numpy()[kept],
        weights=weights / weights.sum(axis=1, keepdims=True),
        faces=np.zeros((1, 3), np.int32),
        regressor=regressor,
        pose_shapes=rng.normal(0, 0.01, (vertices, 3, 9 * (len(kept) - 1))),
    )
    return BodyModel(data, torch.float64)
