"""The steps of ``fidip demo``: generate, train with adaptation, test, estimate keypoints in videos."""

import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fidip.build import build_estimator, build_model
from fidip.cli import main as fidip
from fidip.config import Settings, find_config, load_settings
from fidip.data.coco_json import annotation_path
from fidip.environment import choose_device
from fidip.errors import ConfigError
from fidip.evaluation.coco import Summary
from fidip.files import read_json, write_json, write_text
from fidip.loading import build_evaluator, build_records, plain_loader, read_content, split_to_test
from fidip.packaged import find_weights
from fidip.predict.pose_file import PoseFile, stream_path
from fidip.runs import LAST_MODEL
from fidip.stages import build_companion
from fidip.testing import run_test
from fidip.training import TrainOutcome, run_training
from infantsynth.image_set import ImageLook, ImageRecipe, Labels, Order, SetLook, SetRecipe, generate
from infantsynth.motion import POSTURE, VideoRecipe, video_path, write_video
from infantsynth.shards import Crew

logger = logging.getLogger("fidip")

CONFIG = find_config("demo/movenet_192.yaml")
HELD_OUT = 0.25  # share of the infants that is tested on
SHOWN = ("AP", "AP50", "AP75", "AR")
SHARD = 4  # images that a worker makes at a time: progress is told after each shard
RENDERS = "test_infant_renders"  # split
VIDEOS, RATE = "videos", 10.0  # split with the frames of all videos, frames/s
# On its front an infant shows no face, and so few images do not teach which side is its left.
POSTURES = ("supine", "side", "sitting")


@dataclass(frozen=True)
class Part:
    """A generated set. synthetic: its domain label. held_out: share of its images that is tested on, 0..1."""

    name: str
    look: SetLook
    count: int
    synthetic: bool
    held_out: float = 0.0

    @property
    def title(self) -> str:
        """What the set shows, for people."""
        return self.name.replace("_", " ")


class Steps:
    """Announce each step of ``count`` in the log, and measure the time it takes.

    Attributes:
        seconds: s that each finished step took, by its name.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.seconds: dict[str, float] = {}
        self._name, self._start = "", 0.0

    def begin(self, name: str, text: str) -> None:
        """End the step before, and begin a step of a short ``name`` with a ``text`` for the log."""
        self.end()
        logger.info("step %d of %d: %s", len(self.seconds) + 1, self.count, text)
        self._name, self._start = name, time.monotonic()

    def end(self) -> None:
        """End the step that runs, if there is one."""
        if self._name:
            self.seconds[self._name] = time.monotonic() - self._start
        self._name = ""


def parts(scenes: int, renders: int, adults: int) -> list[Part]:
    """List the sets of the demo: infants to learn poses from, adults for the domain classifier."""
    scene = ImageLook(mode="path", size=(256, 192), samples=4, postures=POSTURES, blanket=0.0)
    render = ImageLook(mode="raster", size=(256, 192), postures=POSTURES, blanket=0.0, rotation="posture")
    return [
        Part("infant_scenes", scene, scenes, False, HELD_OUT),
        Part("infant_renders", render, renders, True, HELD_OUT),
        Part("adult_scenes", replace(scene, body="adult"), adults, False),
        Part("adult_renders", replace(render, body="adult"), adults, True),
    ]


def video_recipes(count: int, seed: int) -> dict[str, VideoRecipe]:
    """Return the recipe of each video by its name: further infants, who move, rendered as the scenes are.

    Raises ConfigError for a count below 1.
    """
    if count < 1:
        raise ConfigError(f"--videos must be at least 1, got {count}")
    look = ImageLook(mode="path", size=(320, 240), samples=4, postures=(POSTURE,), blanket=0.0, toys=0.0)
    recipes = {}
    for number in range(1, count + 1):
        name, labels = f"video{number}", Labels(first_id=10001 + 10000 * (seed + number), prefix="frame")
        recipes[name] = VideoRecipe(look, seed + number, name, labels, RATE)
    return recipes


def make(root: Path, part: Part, seed: int, crew: Crew) -> None:
    """Generate what is missing of a set, and write its splits: train_<name> and test_<name>."""
    labels = Labels(first_id=10001 + 10000 * seed)
    order = Order(root, part.name, part.count, SHARD, crew=crew)
    generate(ImageRecipe(part.look, seed, part.name, labels), order)
    cut = round(part.count * (1 - part.held_out))
    write_split(root, part, f"train_{part.name}", slice(cut))
    if part.held_out:
        write_split(root, part, f"test_{part.name}", slice(cut, None))


def write_split(root: Path, part: Part, split: str, chosen: slice) -> None:
    """Write an annotation file for some images of a set, which stay where they are, with their domain."""
    write_labels(root, split, [renamed(root, part.name, chosen, is_synthetic=part.synthetic)])


def renamed(root: Path, name: str, chosen: slice, **changed: Any) -> dict[str, Any]:
    """Read some images of a set and their annotations, with other keys; file names are relative to ``root/images``."""
    data = read_json(annotation_path(root, name), "annotation file")
    images = [{**i, **changed, "file_name": f"{name}/{i['file_name']}"} for i in data["images"][chosen]]
    kept = {image["id"] for image in images}
    annotations = [a for a in data["annotations"] if a["image_id"] in kept]
    return {**data, "images": images, "annotations": annotations}


def write_labels(root: Path, split: str, contents: Sequence[Mapping[str, Any]]) -> None:
    """Write the contents of several annotation files as one."""
    joined = {key: [one for content in contents for one in content[key]] for key in ("images", "annotations")}
    write_json(annotation_path(root, split), {**contents[0], **joined})


def mean_pose(settings: Settings) -> Summary:
    """Score the mean pose of the training set, placed in every test box: what chance is here."""
    trained = build_records(settings, settings.DATASET.TRAIN_SET)
    joints = np.stack([(r.keypoints[:, :2] - r.box[:2]) / r.box[2:] for r in trained])
    known = np.stack([r.keypoints[:, 2] > 0 for r in trained])[..., None]
    pose = (joints * known).sum(axis=0) / known.sum(axis=0)
    split = split_to_test(settings)
    evaluator = build_evaluator(settings, split, read_content(settings, split))
    tested = build_records(settings, [settings.DATASET.TEST_SET])
    xy = np.stack([r.box[:2] + pose * r.box[2:] for r in tested])
    evaluator.add([r.image_id for r in tested], xy, np.ones(xy.shape[:2]))
    return evaluator.summarize()


@torch.inference_mode()
def domain_accuracy(settings: Settings, folder: Path, splits: Sequence[str]) -> float:
    """Measure the balanced accuracy of the trained domain classifier, 0..1; 0.5 is chance."""
    device = choose_device(settings.DEVICE)
    states = torch.load(folder / "checkpoint.pth", map_location="cpu", weights_only=True)["states"]
    model = build_model(settings)
    model.load_state_dict(states["model"])
    companion = build_companion(settings, model)
    if companion is None or settings.ADAPT.METHOD != "grl":
        raise ConfigError("the demo tells domains apart with a classifier: leave ADAPT.METHOD at grl")
    classifier = companion.to(device).eval()
    classifier.load_state_dict(states["companion"])
    records = build_records(settings, splits, need_joints=False)
    said = np.zeros(len(records), dtype=bool)
    for prediction in build_estimator(settings, model, device).run(plain_loader(settings, records)):
        said[prediction.index] = (classifier(prediction.features.to(device)) > 0).cpu().numpy()
    true = np.array([r.synthetic for r in records])
    return float(np.mean([(said[true == domain] == domain).mean() for domain in (False, True)]))


def make_videos(root: Path, videos: Mapping[str, SetRecipe], frames: int, crew: Crew) -> None:
    """Render the videos below ``root`` and write their frames as the split VIDEOS; each video is a source of its own."""
    for name, recipe in videos.items():
        write_video(recipe, Order(root, name, frames, SHARD, crew=crew), RATE)
    write_labels(root, VIDEOS, [renamed(root, name, slice(None), image_source=name) for name in videos])


def predict_videos(settings: Settings, root: Path, videos: Sequence[str], weights: Path) -> Summary:
    """Estimate the keypoints of the videos with the command that users have, and score them against the labels.

    Nothing of the labels is told to the command: it finds the infant by itself. A frame without an infant counts as
    missed.
    """
    evaluator = build_evaluator(settings, split := split_to_test(settings), read_content(settings, split))
    sources = [str(video_path(root / "data", name)) for name in videos]
    options = {"--model": str(weights), "--device": settings.DEVICE, "--out": str(root / VIDEOS)}
    fidip(["predict", *sources, "--overwrite", *(word for pair in options.items() for word in pair)])
    for name in videos:
        images = read_json(annotation_path(root / "data", name), "annotation file")["images"]
        for frame in PoseFile(stream_path(root / VIDEOS, name)):
            if len(frame):
                evaluator.add([images[frame.index]["id"]], frame.keypoints[:1], frame.scores[:1])
    return evaluator.summarize()


def table(rows: Mapping[str, Summary], accuracy: float, seconds: Mapping[str, float]) -> str:
    """Format the results in Markdown: scores in percent, accuracy of the domain classifier, minutes of each step."""
    lines = ["| held-out images | " + " | ".join(SHOWN) + " |", "|---" * (len(SHOWN) + 1) + "|"]
    for name, metrics in rows.items():
        cells = [f"{100 * (metrics[key] or 0.0):.1f}" for key in SHOWN]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    took = ", ".join(f"{name} {value / 60:.1f}" for name, value in seconds.items())
    total = sum(seconds.values()) / 60
    lines += [
        "",
        f"The domain classifier is right on {100 * accuracy:.0f} % of the held-out images of both domains (chance: 50 %).",
        f"Minutes: {took}; {total:.1f} in all.",
    ]
    return "\n".join(lines)


def where(overlays: Sequence[str]) -> str:
    """Say in one sentence where videos and images with keypoints drawn on them are."""
    return f"Keypoints are drawn on {', '.join(overlays[:-1])} and {overlays[-1]}."


def compare(
    settings: Settings, config: Path, outcome: TrainOutcome, places: Sequence[str]
) -> dict[str, Summary]:
    """Score chance, the start and the trained network on held-out images of both renderers.

    places: overrides of the config.
    """
    rows = {"scenes, the mean pose for every infant": mean_pose(settings)}
    if settings.MODEL.PRETRAINED:
        start = run_test(settings, config, find_weights(settings.MODEL.PRETRAINED), outcome.folder / "start")
        rows["scenes, MoveNet as packaged, not trained"] = start.metrics
    rows["scenes, trained network"] = outcome.tests["last"].metrics
    renders = load_settings(config, [*places, "DATASET.TEST_SET", RENDERS])
    trained = run_test(renders, config, outcome.folder / LAST_MODEL, outcome.folder / "renders")
    rows["renders, trained network"] = trained.metrics
    return rows


def folders(root: Path) -> list[str]:
    """Return the overrides of a config that lead to the demo's folders."""
    return ["OUTPUT_DIR", str(root), "LOG_DIR", str(root / "log"), "DATASET.ROOT", str(root / "data")]


def run(
    root: Path,
    chosen: Sequence[Part],
    videos: Mapping[str, SetRecipe],
    frames: int,
    crew: Crew,
    config: Path,
    overrides: Sequence[str],
) -> dict[str, Any]:
    """Run the whole demo.

    Args:
        root: where everything is written.
        chosen: the sets to generate.
        videos: recipe of each video by its name.
        frames: number of frames of each video.
        crew: who renders.
        config, overrides: of the training.

    Returns:
        What summary.json holds (rows, domain_accuracy, seconds, overlays), and the table as text.
    """
    steps = Steps(len(chosen) + 4)
    for seed, part in enumerate(chosen):
        steps.begin(part.title, f"rendering {part.count} {part.title}")
        make(root / "data", part, seed, crew)
    places = [*folders(root), *overrides]
    settings = load_settings(config, places)
    steps.begin("training", "training with adaptation, then testing on images that were held out")
    outcome = run_training(settings, config)
    folder, weights = outcome.folder, outcome.folder / LAST_MODEL
    steps.begin("tests", "testing the start, and on plain renders")
    rows = compare(settings, config, outcome, places)
    accuracy = domain_accuracy(settings, folder, [settings.DATASET.TEST_SET, RENDERS])
    steps.begin("videos", f"rendering {len(videos)} videos of {frames} frames")
    make_videos(root / "data", videos, frames, crew)
    steps.begin("keypoints in videos", "estimating keypoints in the videos")
    of_videos = load_settings(config, [*places, "DATASET.TEST_SET", VIDEOS])
    rows["videos, boxes of the labels"] = run_test(of_videos, config, weights, folder / VIDEOS).metrics
    rows["videos, boxes found and followed"] = predict_videos(of_videos, root, list(videos), weights)
    steps.end()
    overlays = [str(root / VIDEOS / f"{name}.overlay.mp4") for name in videos]
    for picture in sorted((folder / "last").glob("predictions_*.png")):
        overlays.append(str(shutil.copy(picture, root / picture.name)))
    summary = {
        "rows": {name: {key: metrics[key] for key in SHOWN} for name, metrics in rows.items()},
        "domain_accuracy": accuracy,
        "seconds": steps.seconds,
        "overlays": overlays,
    }
    write_json(root / "summary.json", summary)
    text = table(rows, accuracy, steps.seconds)
    write_text(root / "table.md", text + "\n")
    return {**summary, "table": text}
