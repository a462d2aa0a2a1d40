"""Measure how far a reader has to walk: files passed through, and changes of file, in the order in which code runs.

Example: python benchmarks/walk.py

Counted are calls of functions of the packages fidip and infantsynth, in all threads. A file is passed through when one
of its functions runs. A change is a call of a function whose file is not that of the call before it in the same thread.
Returns do not count, and neither do the bodies of modules, which run when they are imported. Each change from one
function to another counts once: a reader reads a loop once, however many records or layers it runs over. The last
column counts every repetition.

A training is counted from ``run_training`` to the end of its first optimiser step; `fidip predict` of a video from its
arguments, with the loading of the model, to the end of its third frame, and once more to its end; a synthetic image from
its recipe to its labels.
"""

import argparse
import json
import os
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import av
import cv2
import numpy as np

from fidip.cli import COMMANDS, exit_on_error, run
from fidip.config import load_config
from fidip.skeleton import COCO17

PACKAGES = ("fidip", "infantsynth")
FRAMES, SHOWN = 10, 3  # of the video: in all, and up to which changes are counted
CONFIG = """
MODEL: {NAME: adaptive_pose_timm, IMAGE_SIZE: [32, 32], HEATMAP_SIZE: [8, 8], SIGMA: 1,
        EXTRA: {BACKBONE: test_resnet, HEAD_CHANNELS: 16}}
DATASET: {ROOT: data, TRAIN_SET: [walk], TEST_SET: walk, VAL_SET: walk}
TRAIN: {LAMBDA: 0.01, END_EPOCH: 1, BATCH_SIZE_PER_GPU: 4}
TEST: {AREA: bbox, IN_VIS_THRE: 0.0}
WORKERS: 0
DEVICE: cpu
"""


class Reached(BaseException):
    """The end of what is measured; no error, so that nothing catches it."""


@dataclass
class Walk:
    """Profile function that counts files and changes of file.

    Attributes:
        until: code of a function; counting ends when it has returned ``times`` times. None: it never ends.
        times: see ``until``.
        changes: how often each change of file happened, by the two functions.
    """

    until: CodeType | None = None
    times: int = 1
    changes: Counter[tuple[CodeType | None, CodeType]] = field(default_factory=Counter)
    _last: dict[int, tuple[str, CodeType | None]] = field(default_factory=dict)
    _roots: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> "Walk":
        for package in PACKAGES:
            root = str(Path(sys.modules[package].__file__ or "").parent)
            self._roots[root + os.sep] = package
        threading.setprofile(self._note)
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def files(self) -> Counter[str]:
        """Changes to each file."""
        return Counter(self._name(code) or "" for _, code in self.changes)

    def _note(self, frame: FrameType, event: str, _: Any) -> None:
        if self.times and event == "return" and frame.f_code is self.until:
            self.times -= 1
        if event != "call" or not self.times:
            return
        name = self._name(frame.f_code)
        if name is None or self._importing(frame):
            return
        thread = threading.get_ident()
        before, code = self._last.get(thread, ("", None))
        if before != name:
            self.changes[code, frame.f_code] += 1
        self._last[thread] = name, frame.f_code

    def _name(self, code: CodeType) -> str | None:
        """File below its package, None for code of others."""
        file = code.co_filename
        for root, package in self._roots.items():
            if file.startswith(root):
                return f"{package}/{file[len(root) :]}"
        return None

    def _importing(self, frame: FrameType | None) -> bool:
        """Whether a module of the packages is being imported."""
        while frame is not None:
            if frame.f_code.co_name == "<module>" and self._name(frame.f_code) is not None:
                return True
            frame = frame.f_back
        return False


def main(argv: list[str] | None = None) -> int:
    """Measure in a folder of its own; print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", action="store_true", help="list the files with their changes")
    arguments = parser.parse_args(argv)
    walks: dict[str, Callable[[], Walk]] = {
        "training, first step": walk_training,
        "video, three frames": lambda: walk_video(SHOWN),
        "video, whole command": lambda: walk_video(0),
        "one synthetic image": walk_image,
    }
    before, rows = Path.cwd(), []
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            rows = [(name, walk()) for name, walk in walks.items()]
        finally:
            os.chdir(before)
    sys.stdout.write(f"{'walk':24}{'files':>6}{'changes':>9}{'repeated':>10}\n")
    for name, walked in rows:
        files, numbers = walked.files(), (len(walked.changes), sum(walked.changes.values()))
        sys.stdout.write(f"{name:24}{len(files):6}{numbers[0]:9}{numbers[1]:10}\n")
        if arguments.files:
            sys.stdout.write("".join(f"    {file:44}{n:5}\n" for file, n in files.most_common()))
    return 0


def walk_training() -> Walk:
    """Train to the first optimiser step."""
    from torch.optim.optimizer import register_optimizer_step_post_hook

    from fidip.training import run_training

    write_split(Path("data"), "walk", 8)
    Path("walk.yaml").write_text(CONFIG, encoding="utf-8")
    config = load_config(Path("walk.yaml"))

    def reached(*_: object) -> None:
        raise Reached

    hook = register_optimizer_step_post_hook(reached)
    walk = Walk()
    try:
        with walk:
            run_training(config, Path("walk.yaml"))
    except Reached:
        return walk
    finally:
        hook.remove()
    raise AssertionError("there was no optimiser step")


def walk_video(frames: int) -> Walk:
    """Predict a video; count up to frame ``frames``, or with 0 all of it."""
    from fidip.predict.pose_file import PoseStream

    write_video(Path("walk.mp4"), body_image())
    walk = Walk(PoseStream.write.__code__ if frames else None, frames or 1)
    with walk:
        run(COMMANDS["predict"][0], ["walk.mp4", "--out", f"poses{frames}"], prog="fidip predict")
    return walk


def walk_image() -> Walk:
    """Make one synthetic image."""
    from infantsynth.image_set import ImageLook, ImageRecipe, Labels

    with Walk() as walk:
        ImageRecipe(ImageLook(size=(96, 72), samples=1), 0, "walk", Labels()).maker()(0, 0)
    return walk


def body_image() -> np.ndarray:
    """A synthetic infant in RGB uint8 (H, W, 3)."""
    from infantsynth.image_set import ImageLook, ImageRecipe, Labels

    look = ImageLook(mode="raster", size=(320, 240), postures=("supine",))
    product = ImageRecipe(look, 0, "walk", Labels()).maker()(2, 0)  # in whom the network finds an infant
    (encoded,) = product.files.values()
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def write_video(path: Path, image: np.ndarray) -> None:
    """Write ``FRAMES`` frames of one image that moves by a px each."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=Fraction(25))
        stream.height, stream.width, stream.pix_fmt = *image.shape[:2], "yuv420p"
        for shift in range(FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.roll(image, shift, 1), format="rgb24")))
        container.mux(stream.encode())


def write_split(root: Path, name: str, count: int) -> None:
    """Write images of noise, every other one synthetic, and their COCO JSON."""
    random, (width, height) = np.random.default_rng(0), (64, 48)
    folder = root / "images" / name
    for path in (folder, root / "annotations"):
        path.mkdir(parents=True)
    images, annotations = [], []
    for number in range(1, count + 1):
        cv2.imwrite(str(folder / f"{number}.png"), random.integers(0, 255, (height, width, 3), np.uint8))
        points = random.uniform(4, [width - 4, height - 4], (COCO17.num_joints, 2))
        keypoints = np.column_stack([points, np.full(len(points), 2)]).ravel().tolist()
        images.append({"id": number, "file_name": f"{number}.png", "width": width, "height": height,
                       "is_synthetic": number % 2 == 0, "posture": "Supine", "image_source": f"{number}"})  # fmt: skip
        annotations.append({"id": number, "image_id": number, "category_id": 1, "bbox": [2, 2, width - 4, height - 4],
                            "area": 2000, "keypoints": keypoints, "num_keypoints": len(points), "iscrowd": 0})  # fmt: skip
    category = {"id": 1, "name": "person", "keypoints": list(COCO17.names)}
    content = {"images": images, "annotations": annotations, "categories": [category]}
    file = root / "annotations" / f"person_keypoints_{name}.json"
    file.write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    import infantsynth  # noqa: F401 -- its place is looked up

    exit_on_error(main)
