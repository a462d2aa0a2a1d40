"""What a training showed on its way: scalars of its event files, else of its log."""

import re
import struct
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from tensorboardX.proto.event_pb2 import Event

from fidip.report.runs import Run, number

Curve = list[tuple[int, float]]  # (optimiser step, value), steps rising
EVENTS = "events.out.tfevents.*"
LOG = "train.log"
MOST = 400  # points of a curve on the page
BATCHES = re.compile(r"INFO (\w+) epoch (\d+)/\d+: (\d+)/(\d+), (.+), lr ")
FIGURE = re.compile(r"(\w+) (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?:,|$)")  # finite ones
VALIDATION = re.compile(r"epoch (\d+): validation AP (\d+\.\d+) ")


def read_curves(run: Run) -> dict[str, Curve]:
    """Curves by tag, e.g. "train/pose" or "val/AP"; {} for a run that was not trained, or that left nothing.

    Event files are looked for in the run folder and in the LOG_DIR of its config; a resumed training wrote some
    steps twice, of which the later one counts. Without them train.log is read, which has steps only where
    TRAIN.ACCUMULATE is 1.
    """
    folders = (run.home, Path(str(run.config.get("LOG_DIR", "log"))) / run.home.resolve().name)
    files = [file for folder in folders for file in sorted(folder.glob(EVENTS))]
    points: dict[str, dict[int, float]] = defaultdict(dict)
    for file in files:
        for tag, step, value in event_scalars(file):
            points[tag][step] = value
    if not points and (log := run.home / LOG).is_file():
        for tag, step, value in log_scalars(log.read_text(encoding="utf-8", errors="replace")):
            points[tag][step] = value
    return {tag: _thinned(sorted(curve.items())) for tag, curve in sorted(points.items())}


def event_scalars(file: Path) -> Iterator[tuple[str, int, float]]:
    """Tag, step and value of each scalar of an event file, up to where it is cut short.

    Format: TFRecord, each record framed by its length (8 bytes), two check sums (4 bytes each) and its bytes.
    """
    data, place = file.read_bytes(), 0
    while place + 12 <= len(data):
        (length,) = struct.unpack_from("<Q", data, place)
        record = data[place + 12 : place + 12 + length]
        place += 16 + length
        try:
            event = Event.FromString(record)
        except DecodeError:
            return
        for entry in event.summary.value:
            value = number(entry.simple_value)
            if value is not None:
                yield entry.tag, event.step, value


def log_scalars(text: str) -> Iterator[tuple[str, int, float]]:
    """Tag, step and value of each figure in the lines of train.log; batches count as steps."""
    epochs: dict[str, tuple[int, int]] = {}  # stage -> epoch and batches of an epoch, the latest
    for line in text.splitlines():
        if found := BATCHES.search(line):
            stage, epoch, done, total, figures = found.groups()
            epochs[stage] = int(epoch), int(total)
            before = sum(e * batches for other, (e, batches) in epochs.items() if other != stage)
            step = before + (int(epoch) - 1) * int(total) + int(done)
            for name, value in FIGURE.findall(figures):
                yield f"train/{name}", step, float(value)
        elif found := VALIDATION.search(line):
            yield "val/AP", sum(e * batches for e, batches in epochs.values()), float(found[2])


def _thinned(curve: Curve) -> Curve:
    """Means of neighbours, where there are more points than can be seen."""
    if len(curve) <= MOST:
        return curve
    parts = np.array_split(np.array(curve), MOST)
    return [(int(part[-1, 0]), float(part[:, 1].mean())) for part in parts]
