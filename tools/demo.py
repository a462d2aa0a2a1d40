"""Show the whole chain on this machine: make synthetic infants, train with adaptation, test, find joints in films.

No data, no weights and no network are needed. Two looks stand for the two domains: path-traced scenes for real
pictures, plain renders for synthetic ones. Everything goes below --root; the same command goes on after a stop.
"""

import argparse
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from yacs.config import CfgNode

from fidip import build
from fidip.build.data import plain_loader
from fidip.cli import exit_on_error
from fidip.commands import predict
from fidip.commands.film import film_path, write_film
from fidip.commands.test import run_test
from fidip.commands.train import run_training
from fidip.config import load_config
from fidip.data.coco_json import annotation_path
from fidip.errors import ConfigError
from fidip.evaluation.coco import Summary
from fidip.media.frames import PoseFile
from fidip.media.stream import stream_path
from fidip.runtime import choose_device, read_json, setup_logging, write_json, write_text
from fidip.synth.film import POSTURE, FilmRecipe
from fidip.synth.generate import Labels, Look, Order, PictureRecipe, SetRecipe, generate
from fidip.synth.look import PictureLook
from fidip.synth.workers import Crew

logger = logging.getLogger("fidip")

CONFIG = Path(__file__).parents[1] / "experiments" / "demo" / "mobile_96.yaml"
HELD_OUT = 0.2  # share of the infants that is tested on
SHOWN = ("AP", "AP50", "AP75", "AR")
FILMS, RATE = "films", 12.0  # split with the frames of all films, frames/s


@dataclass(frozen=True)
class Part:
    """A generated set and the splits that are made of it. synthetic: its domain label."""

    name: str
    look: Look
    count: int
    synthetic: bool
    held_out: float = 0.0


def parts(scenes: int, renders: int, adults: int) -> list[Part]:
    """The sets of the demo: infants to learn poses from, adults for the domain classifier."""
    scene = PictureLook(mode="path", size=(256, 192), samples=4)
    render = PictureLook(mode="raster", size=(256, 192))
    return [
        Part("infant_scenes", scene, scenes, False, HELD_OUT),
        Part("infant_renders", render, renders, True, HELD_OUT),
        Part("adult_scenes", replace(scene, body="adult"), adults, False),
        Part("adult_renders", replace(render, body="adult"), adults, True),
    ]


def film_recipes(count: int, seed: int) -> dict[str, FilmRecipe]:
    """Other infants in the look of the scenes, moving: the recipe of each film by its name.

    Raises ConfigError for none.
    """
    if count < 1:
        raise ConfigError(f"--films {count}: one is the least")
    look = PictureLook(mode="path", size=(256, 192), samples=4, postures=(POSTURE,), blanket=0.0, toys=0.0)
    recipes = {}
    for number in range(1, count + 1):
        name, labels = f"film{number}", Labels(first_id=10001 + 10000 * (seed + number), prefix="frame")
        recipes[name] = FilmRecipe(look, seed + number, name, labels, RATE)
    return recipes


def make(root: Path, part: Part, seed: int, crew: Crew) -> None:
    """Generate a set, or what is missing of it, and write its splits: train_<name> and test_<name>."""
    labels = Labels(first_id=10001 + 10000 * seed)
    order = Order(root, part.name, part.count, shard_size=8, crew=crew)
    generate(PictureRecipe(part.look, seed, part.name, labels), order)
    cut = round(part.count * (1 - part.held_out))
    write_split(root, part, f"train_{part.name}", slice(cut))
    if part.held_out:
        write_split(root, part, f"test_{part.name}", slice(cut, None))


def write_split(root: Path, part: Part, split: str, chosen: slice) -> None:
    """Write a label file for some pictures of a set, which stay where they are, with their domain."""
    write_labels(root, split, [renamed(root, part.name, chosen, is_synthetic=part.synthetic)])


def renamed(root: Path, name: str, chosen: slice, **changed: Any) -> dict[str, Any]:
    """Content of a set's label file, some pictures of it, with other keys, as ``root/images`` has them."""
    data = read_json(annotation_path(root, name), "annotation file")
    images = [{**i, **changed, "file_name": f"{name}/{i['file_name']}"} for i in data["images"][chosen]]
    kept = {image["id"] for image in images}
    annotations = [a for a in data["annotations"] if a["image_id"] in kept]
    return {**data, "images": images, "annotations": annotations}


def write_labels(root: Path, split: str, contents: Sequence[Mapping[str, Any]]) -> None:
    """Write the contents of label files as one."""
    joined = {key: [one for content in contents for one in content[key]] for key in ("images", "annotations")}
    write_json(annotation_path(root, split), {**contents[0], **joined})


def mean_pose(cfg: CfgNode) -> Summary:
    """Scores of one pose for everybody, the mean of the training set in its boxes: what chance is here."""
    trained = build.build_records(cfg, cfg.DATASET.TRAIN_SET)
    joints = np.stack([(r.keypoints[:, :2] - r.box[:2]) / r.box[2:] for r in trained])
    known = np.stack([r.keypoints[:, 2] > 0 for r in trained])[..., None]
    pose = (joints * known).sum(axis=0) / known.sum(axis=0)
    split = build.split_to_test(cfg)
    evaluator = build.build_evaluator(cfg, split, build.read_content(cfg, split))
    tested = build.build_records(cfg, [cfg.DATASET.TEST_SET])
    xy = np.stack([r.box[:2] + pose * r.box[2:] for r in tested])
    evaluator.add([r.image_id for r in tested], xy, np.ones(xy.shape[:2]))
    return evaluator.summarize()


@torch.inference_mode()
def domain_accuracy(cfg: CfgNode, folder: Path, splits: Sequence[str]) -> float:
    """Mean over both domains of the share that the trained classifier names rightly, 0..1; 0.5 is chance."""
    device = choose_device(cfg.DEVICE)
    states = torch.load(folder / "checkpoint.pth", map_location="cpu", weights_only=True)["states"]
    model = build.build_model(cfg)
    model.load_state_dict(states["model"])
    companion = build.build_companion(cfg, model)
    if companion is None or cfg.ADAPT.METHOD != "grl":
        raise ConfigError("the demo tells domains apart with a classifier: leave ADAPT.METHOD at grl")
    classifier = companion.to(device).eval()
    classifier.load_state_dict(states["companion"])
    records = build.build_records(cfg, splits, need_joints=False)
    said = np.zeros(len(records), dtype=bool)
    for prediction in build.build_estimator(cfg, model, device).run(plain_loader(cfg, records)):
        said[prediction.index] = (classifier(prediction.features.to(device)) > 0).cpu().numpy()
    true = np.array([r.synthetic for r in records])
    return float(np.mean([(said[true == domain] == domain).mean() for domain in (False, True)]))


def make_films(root: Path, films: Mapping[str, SetRecipe], frames: int, crew: Crew) -> None:
    """Make the films below ``root`` and the split FILMS with the labels of all; each film is a source of its own."""
    for name, recipe in films.items():
        logger.info("making %s", name)
        write_film(recipe, Order(root, name, frames, shard_size=8, crew=crew), RATE)
    write_labels(root, FILMS, [renamed(root, name, slice(None), image_source=name) for name in films])


def find_in_films(
    cfg: CfgNode, root: Path, films: Iterable[str], weights: Path, config: Path, overrides: Sequence[str]
) -> Summary:
    """Find the joints of the films with the command that users have, and score them against the films' labels.

    Only the first frame's box is told, as one would draw it.
    """
    evaluator = build.build_evaluator(cfg, split := build.split_to_test(cfg), build.read_content(cfg, split))
    pairs = list(zip(overrides[::2], overrides[1::2], strict=True))
    for name in films:
        data = read_json(annotation_path(root / "data", name), "annotation file")
        first = ",".join(f"{number:.1f}" for number in data["annotations"][0]["bbox"])
        predict.main(
            [str(film_path(root / "data", name)), "--cfg", str(config), "--weights", str(weights),
             "--box", first, "--device", cfg.DEVICE, "--overwrite", "--out", str(root / FILMS),
             "--export", "csv,video", *(word for pair in pairs for word in ("--set", *pair))]
        )  # fmt: skip
        frames = [frame for frame in PoseFile(stream_path(root / FILMS, name)) if frame.persons]
        ids = [data["images"][frame.index]["id"] for frame in frames]
        xy, score = (np.stack([getattr(f.persons[0], key) for f in frames]) for key in ("xy", "score"))
        evaluator.add(ids, xy, score)
    return evaluator.summarize()


def table(rows: Mapping[str, Summary], accuracy: float, seconds: Mapping[str, float]) -> str:
    """The result in Markdown: scores in percent, accuracy of the domain classifier, minutes of each step."""
    lines = ["| held-out pictures | " + " | ".join(SHOWN) + " |", "|---" * (len(SHOWN) + 1) + "|"]
    for name, metrics in rows.items():
        cells = [f"{100 * (metrics[key] or 0.0):.1f}" for key in SHOWN]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    took = ", ".join(f"{name} {value / 60:.1f}" for name, value in seconds.items())
    total = sum(seconds.values()) / 60
    return "\n".join(
        [*lines, "", f"domain classifier: {100 * accuracy:.0f} % right of both domains (50 % is chance)",
         f"minutes: {took}; {total:.1f} in all"]
    )  # fmt: skip


def run(
    root: Path, chosen: Sequence[Part], films: Mapping[str, SetRecipe], frames: int, crew: Crew, config: Path,
    overrides: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    """The whole demo; returns what summary.json holds. frames: of each film."""
    seconds: dict[str, float] = {}
    start = time.monotonic()

    def done(step: str) -> None:
        nonlocal start
        seconds[step] = time.monotonic() - start
        start = time.monotonic()

    for seed, part in enumerate(chosen):
        logger.info("making %d %s", part.count, part.name.replace("_", " "))
        make(root / "data", part, seed, crew)
        done(part.name.replace("_", " "))
    places = ["OUTPUT_DIR", str(root), "LOG_DIR", str(root / "log"), "DATASET.ROOT", str(root / "data")]
    cfg = load_config(config, [*places, *overrides])
    outcome = run_training(cfg, config)
    done("training and test")
    other = load_config(config, [*places, *overrides, "DATASET.TEST_SET", "test_infant_renders"])
    renders = run_test(other, config, outcome.folder / build.LAST_MODEL, outcome.folder / "renders")
    rows = {
        "scenes, the mean pose for everybody": mean_pose(cfg),
        "scenes, trained network": outcome.tests["last"].metrics,
        "renders, trained network": renders.metrics,
    }
    accuracy = domain_accuracy(cfg, outcome.folder, [cfg.DATASET.TEST_SET, other.DATASET.TEST_SET])
    done("tables")
    make_films(root / "data", films, frames, crew)
    done("films")
    on_films = load_config(config, [*places, *overrides, "DATASET.TEST_SET", FILMS])
    weights = outcome.folder / build.LAST_MODEL
    rows["films, labelled boxes"] = run_test(on_films, config, weights, outcome.folder / FILMS).metrics
    rows["films, followed boxes"] = find_in_films(on_films, root, films, weights, config, overrides)
    done("joints in films")
    text = table(rows, accuracy, seconds)
    write_text(root / "table.md", text + "\n")
    pictures = [str(path) for path in sorted((outcome.folder / "last").glob("predictions_*.png"))]
    pictures += [str(root / FILMS / f"{name}.overlay.mp4") for name in films]
    summary = {
        "rows": {name: {key: metrics[key] for key in SHOWN} for name, metrics in rows.items()},
        "domain_accuracy": accuracy,
        "seconds": seconds,
        "pictures": pictures,
    }
    write_json(root / "summary.json", summary)
    return {**summary, "table": text}


def main(argv: list[str] | None = None) -> int:
    """Parse, run, print the table and where the pictures are."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, default=Path("output/demo"), help="where to write (%(default)s)")
    parser.add_argument("--scenes", type=int, default=160, help="path-traced infants (%(default)s)")
    parser.add_argument("--renders", type=int, default=200, help="plain renders of infants (%(default)s)")
    parser.add_argument("--adults", type=int, default=40, help="adults of each look (%(default)s)")
    parser.add_argument("--films", type=int, default=4, help="of one infant each (%(default)s)")
    parser.add_argument("--frames", type=int, default=16, help="of each film (%(default)s)")
    parser.add_argument("--workers", type=int, default=joblib.cpu_count(), help="processes (%(default)s)")
    parser.add_argument("opts", nargs="*", metavar="KEY VALUE", help="overrides, e.g. TRAIN.END_EPOCH 80")
    args = parser.parse_args(argv)
    setup_logging()
    wanted = parts(args.scenes, args.renders, args.adults)
    films = film_recipes(args.films, len(wanted))
    result = run(args.root, wanted, films, args.frames, Crew(args.workers), CONFIG, args.opts)
    print(
        "\n".join(["", result["table"], "", "what was found, drawn over the pictures:", *result["pictures"]])
    )
    return 0


if __name__ == "__main__":
    exit_on_error(main)
