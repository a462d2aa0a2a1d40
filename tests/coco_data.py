"""COCO keypoint data made by code, and what plain pycocotools makes of it."""

import contextlib
import copy
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from fidip.errors import DataError
from fidip.evaluation import CocoEvaluator
from fidip.skeleton import Skeleton

PERSON = {"id": 1, "name": "person"}
PAIR = Skeleton("pair", ("a", "b"), (), (0.05, 0.05), ((0, 1),), ())  # (2 sigma)^2 = 0.01


def annotation(key, image_id, keypoints, box=(10, 20, 100, 100), area=5000.0, **more):
    keypoints = np.asarray(keypoints, float)
    if keypoints.shape[1] == 2:
        keypoints = np.column_stack([keypoints, np.full(len(keypoints), 2.0)])
    return {"id": key, "image_id": image_id, "category_id": 1, "bbox": list(box), "area": area, "iscrowd": 0,
            "num_keypoints": int((keypoints[:, 2] > 0).sum()), "keypoints": keypoints.ravel().tolist(), **more}  # fmt: skip


def dataset(annotations, n_images=None, **more):
    n = n_images or max(a["image_id"] for a in annotations) + 1
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 640, "height": 480} for i in range(n)]
    return {"images": images, "annotations": annotations, "categories": [PERSON], **more}


def random_dataset(seed=0, n_images=12, people=3, first_id=1):
    """Persons of many sizes, some joints unlabelled, a crowd region, a person without labels, an empty picture."""
    rng = np.random.default_rng(seed)
    annotations = []
    for image_id in range(n_images - 1):
        for _ in range(rng.integers(1, people + 1)):
            size = rng.uniform(20, 300)
            keypoints = rng.uniform(0, size, (17, 2)) + rng.uniform(0, 200, 2)
            labels = np.column_stack([keypoints, rng.integers(0, 3, 17)])
            labels[0, 2] = 2
            labels[labels[:, 2] == 0] = 0
            box = [*keypoints.min(0), *np.ptp(keypoints, axis=0)]
            key = len(annotations) + first_id
            annotations.append(
                annotation(key, image_id, labels, box, float(rng.uniform(0.4, 1) * box[2] * box[3]))
            )
    annotations[2].update(iscrowd=1, keypoints=[0.0] * 51, num_keypoints=0)
    annotations[5].update(keypoints=[0.0] * 51, num_keypoints=0)
    return dataset(annotations, n_images, info={}, licenses=[])


def random_results(data, seed=1, noise=6.0):
    rng = np.random.default_rng(seed)
    results = []
    for record in data["annotations"]:
        xy = np.reshape(record["keypoints"], (-1, 3))[:, :2] + rng.normal(0, rng.uniform(0, noise), (17, 2))
        keypoints = np.column_stack([xy, rng.uniform(size=17)]).ravel().tolist()
        results.append({"image_id": record["image_id"], "category_id": 1, "keypoints": keypoints,
                        "score": float(rng.uniform())})  # fmt: skip
    return results[1:] + copy.deepcopy(results[:4])  # one missed, some repeated


def raw_pycocotools(data, results):
    """What plain pycocotools makes of a file, no care taken."""
    data, results = copy.deepcopy(data), copy.deepcopy(results)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {"info": {}, **data}
        truth.createIndex()
        run = COCOeval(truth, truth.loadRes(results), "keypoints")
        run.evaluate(), run.accumulate(), run.summarize()
    return run.stats


def perfect(data):
    return [
        {"image_id": a["image_id"], "category_id": 1, "keypoints": list(a["keypoints"]), "score": 0.9}
        for a in data["annotations"]
        if a["num_keypoints"]
    ]


def scored(data, results, **options):
    evaluator = CocoEvaluator(data, **options)
    evaluator.load_results(results)
    return evaluator


def pair_person(shift=0.0):
    """Two joints whose box is 50 x 80 = 4000 px^2."""
    return np.array([[20.0, 30.0], [70.0, 110.0]]) + np.array([shift, 0.0])


def refused(data, **options):
    with pytest.raises(DataError) as error:
        CocoEvaluator(data, **options)
    assert "\n" not in str(error.value)
    return str(error.value)
