"""Run folders as they are found: what is missing or broken becomes a note, not an error."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from fidip.config.legacy import flatten
from fidip.errors import ConfigError, DataError
from fidip.files import read_json
from fidip.statistics.comparison import RESULTS

LAST = "last"  # where a training puts the test of its last model
METRICS, CONFIG, PROVENANCE = "metrics.json", "config.yaml", "provenance.json"


@dataclass(frozen=True)
class Run:
    """One run folder. metrics, config (flat keys), provenance: empty where missing. notes: what is, in words."""

    name: str
    folder: Path
    metrics: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    results: Path | None = None
    notes: tuple[str, ...] = ()

    @property
    def home(self) -> Path:
        """The folder of the training: the one above, for the test of a last model."""
        above = self.folder.resolve().parent
        return above if self.folder.resolve().name == LAST and (above / CONFIG).is_file() else self.folder


def read_runs(texts: Sequence[str]) -> list[Run]:
    """Read "[NAME=]FOLDER" each; a folder without a test of its own stands for its last/.

    Raises DataError for what is no folder, ConfigError for a name used twice.
    """
    runs = [_read(*_named(text)) for text in texts]
    names = [run.name for run in runs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"two runs are called {twice[0]!r}; write NAME=FOLDER to tell them apart")
    return runs


def _named(text: str) -> tuple[str, Path]:
    name, equals, path = text.rpartition("=")
    if equals and Path(text).is_dir():  # a path with = in it
        name, path = "", text
    folder = Path(path)
    if not folder.is_dir():
        raise DataError(f"run folder {path} does not exist; give the folder that a training or test printed")
    own = folder.resolve()
    return name or (f"{own.parent.name}/{LAST}" if own.name == LAST else own.name), folder


def _read(name: str, folder: Path) -> Run:
    if not (folder / METRICS).is_file() and (folder / LAST / METRICS).is_file():
        folder = folder / LAST
    notes: list[str] = []
    metrics = _json(folder / METRICS, notes)
    results = None
    try:
        results = _results(folder, metrics)
    except DataError as error:
        notes.append(f"Nothing can be scored anew: {error}.")
    provenance = _json(folder / PROVENANCE, notes) if (folder / PROVENANCE).exists() else {}
    return Run(name, folder, metrics, _config(folder / CONFIG, notes), provenance, results, tuple(notes))


def _json(path: Path, notes: list[str]) -> Mapping[str, Any]:
    try:
        content = read_json(path, "file")
    except DataError as error:
        notes.append(f"Not read: {error}.")
        return {}
    if isinstance(content, dict):
        return content
    notes.append(f"Not read: file {path} holds a {type(content).__name__}, not an object.")
    return {}


def _results(folder: Path, metrics: Mapping[str, Any]) -> Path:
    """The results file of the split that metrics.json is of; of the only one, where it does not say."""
    split = metrics.get("split")
    file = folder / f"keypoints_{split}_results_0.json"
    if isinstance(split, str) and file.is_file():
        return file
    found = sorted(folder.glob(RESULTS))
    if len(found) != 1:
        raise DataError(f"run folder {folder} has {len(found)} results files {RESULTS}; test the model again")
    return found[0]


def _config(path: Path, notes: list[str]) -> Mapping[str, Any]:
    """Keys of the resolved config, flat."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not valid YAML"
        notes.append(f"No config: {path} cannot be read ({reason}).")
        return {}
    if not isinstance(content, dict):
        notes.append(f"No config: {path} holds no keys.")
        return {}
    return flatten(content)


def number(value: Any) -> float | None:
    """A finite number, else None."""
    real = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if real else None


def pair(value: Any) -> tuple[float, float] | None:
    """Two finite numbers, else None."""
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        return None
    low, high = number(value[0]), number(value[1])
    return None if low is None or high is None else (low, high)


def group(value: Any, *keys: str) -> Mapping[str, Any]:
    """What lies under ``keys`` of nested dicts; an empty one where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def score(metrics: Mapping[str, Any], name: str) -> tuple[float | None, tuple[float, float] | None]:
    """A number of metrics.json by its name, "PCK@0.1" among them, and its 95 % interval."""
    value = metrics.get(name)
    if name.startswith("PCK@"):
        value = group(metrics, "details", "pck", name.removeprefix("PCK@")).get("mean")
    return number(value), pair(group(metrics, "ci95").get(name))
