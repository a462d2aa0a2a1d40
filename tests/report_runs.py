"""Run folders for the tests of reports: tested and trained on generated pictures, and written by hand."""

import json
from pathlib import Path

import numpy as np
import yaml
from figures import write_split
from tensorboardX import SummaryWriter
from training_setup import CONFIG, edit_split

from fidip.config import load_config
from fidip.evaluation import CocoEvaluator
from fidip.skeleton import COCO17
from fidip.statistics import add_intervals

NASTY = "<b>&\"'$x$"  # a name that HTML, quotes and mathematical text would trip over


def own_clips(content: dict) -> None:
    """Each picture is of a clip of its own, as the folds of a probe need several."""
    for image in content["images"]:
        image["image_source"] = f"clip {image['file_name']}"


def write_data(root: Path, count: int = 12) -> dict:
    """The split held under root/data, two pictures of a clip, and tiny.yaml that names it."""
    (root / "tiny.yaml").write_text(CONFIG.replace("ROOT: data", f"ROOT: {root / 'data'}"))
    content = write_split(root / "data", "held", count)

    def clips(found):
        for number, image in enumerate(found["images"]):
            image["image_source"] = f"clip {number // 2}"

    edit_split(root / "data", "held", clips)
    return content


def write_run(folder: Path, content: dict, shift: float, seed: int = 0, **keys) -> Path:
    """A tested run folder whose predictions are the labels, moved by random ``shift`` px; keys: of its config."""
    root = folder.parent
    folder.mkdir()
    rng = np.random.default_rng(seed)
    results = []
    for annotation in content["annotations"]:
        persons = np.reshape(annotation["keypoints"], (-1, 3)).astype(float)
        persons[:, :2] += rng.normal(0, shift * rng.uniform(0.2, 1.8), (17, 2))
        persons[:, 2] = rng.uniform(0.2, 0.9, 17)
        results.append({"image_id": annotation["image_id"], "category_id": 1, "score": float(rng.uniform(0.3, 1)),
                        "keypoints": persons.ravel().tolist()})  # fmt: skip
    (folder / "keypoints_held_results_0.json").write_text(json.dumps(results))
    evaluator = CocoEvaluator(root / "data/annotations/person_keypoints_held.json", area="bbox")
    evaluator.load_results(results)
    metrics = {**evaluator.metrics("gt"), "split": "held", "params": 1_234_567, "gmacs": 0.5,
               "details": evaluator.details(), "checkpoint": "some.pth"}  # fmt: skip
    add_intervals(metrics, evaluator, 100, 0)
    (folder / "metrics.json").write_text(json.dumps(metrics))
    options = [text for key, value in keys.items() for text in (key.replace("__", "."), str(value))]
    (folder / "config.yaml").write_text(
        load_config(root / "tiny.yaml", ["LOG_DIR", str(root / "log"), *options]).dump()
    )
    return folder


def write_events(folder: Path, steps: int = 40) -> None:
    """Scalars of a training, in its event file."""
    writer = SummaryWriter(str(folder))
    for step in range(1, steps + 1):
        writer.add_scalar("train/pose", 1 / step, step)
        writer.add_scalar("train/lr", 0.1, step)
    writer.add_scalar("val/AP", 0.25, steps // 2)
    writer.add_scalar("val/AP", 0.5, steps)
    writer.close()


def gap_numbers(accuracy: float) -> dict:
    """A gap as `fidip domain-gap` writes it."""
    probe = {"accuracy": accuracy, "low": 0.75, "high": 0.95, "a_distance": 1.5}
    return {"pictures": [12, 8], "probes": {"linear": probe, "mlp": probe}, "frechet": 7.5, "frechet_chance": 2.5,
            "mmd": {"squared": 0.0123, "p_value": 0.001, "bandwidth": 1.0}}  # fmt: skip


def add_gap(folder: Path) -> None:
    """A domain gap in metrics.json, and its picture."""
    import cv2

    gap = {"splits": ["held", NASTY], **gap_numbers(0.875)}
    file = folder / "metrics.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "domain_gap": gap}))
    cv2.imwrite(str(folder / "domain_gap.png"), np.full((40, 60, 3), 200, np.uint8))


def joint_names() -> list[str]:
    """As the page prints them."""
    return [name.replace("_", " ") for name in COCO17.names]


def change_config(folder: Path, key: str, value) -> None:
    """Write a key of a run's config.yaml, known or not."""
    file = folder / "config.yaml"
    content = yaml.safe_load(file.read_text())
    content[key] = value
    file.write_text(yaml.safe_dump(content))
