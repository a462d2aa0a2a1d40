"""One file that carries a network and all that is needed to use it: weights, resolved config, joint names.

Bundles are safetensors files; exported networks (fidip.deploy.onnx, fidip.deploy.openvino) hold the same description.
"""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import yaml
from torch import nn

from fidip import __version__
from fidip.build import build_model
from fidip.config import Config, Settings, dump, load_settings
from fidip.errors import ConfigError, DataError
from fidip.files import atomic_path
from fidip.models.weights import export_weights, first_sentence, load_tensors
from fidip.skeleton import SKELETONS, find_skeleton

SUFFIX = ".safetensors"
FORMAT = "fidip-bundle-1"
MAX_CONFIG = 1_000_000  # characters

# Where things were on the machine that trained; nobody else needs it, and it may name people.
_LOCAL = {
    None: ("OUTPUT_DIR", "LOG_DIR", "DATA_DIR"),
    "DATASET": ("ROOT",),
    "MODEL": ("PRETRAINED", "PRETRAINED_TRUNK"),
    "TEST": ("MODEL_FILE", "COCO_BBOX_FILE", "SAVE_FEATURES"),
}
_KINDS = {
    b"PK": "a zip archive; a PyTorch checkpoint (.pth) is one",
    b"\x80": "a pickle, as old PyTorch checkpoints are",
}
_EXPORT_HINT = "make a bundle of a checkpoint and its config with `fidip export`"


def save_bundle(config: Config, model: nn.Module, path: str | Path) -> Path:
    """Write weights under their published names, config and joints into one safetensors file, whole or not at all.

    Paths of this machine are left out of the config. Raises DataError for a name that does not end in .safetensors.
    """
    path = Path(path)
    if path.suffix != SUFFIX:
        raise DataError(f"bundle {path}: the name must end in {SUFFIX}")
    with atomic_path(path) as temporary:
        safetensors.torch.save_file(export_weights(model), temporary, metadata=describe(config))
    return path


def load_bundle(path: str | Path) -> tuple[Settings, nn.Module]:
    """Read a bundle: the config and its network with weights, on the CPU, in evaluation mode. No code in it is run.

    Raises DataError for a file that is missing, is something else, is cut short or lacks its description, and
    WeightsError when weights and config do not belong together.
    """
    path = Path(path)
    _check_kind(path)
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            settings = read_config(metadata, path)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 -- no mapping
    except (safetensors.SafetensorError, OSError) as error:
        raise DataError(
            f"bundle {path} cannot be read ({first_sentence(error)}); it is cut short or no bundle: "
            f"copy it again, or {_EXPORT_HINT}"
        ) from error
    model = build_model(settings)
    load_tensors(model, tensors, f"bundle {path}")
    return settings, model.eval()


def describe(config: Config) -> dict[str, str]:
    """What a network's file says about it: format, version, config (YAML), joint names (JSON)."""
    content = yaml.safe_load(dump(config))
    for section, keys in _LOCAL.items():
        part = content if section is None else content[section]
        for key in keys:
            part.pop(key, None)
    joints = find_skeleton(content["DATASET"]["SKELETON"]).names
    return {
        "format": FORMAT,
        "version": __version__,
        "config": yaml.dump(content, Dumper=_PlainDumper, sort_keys=False),
        "joints": json.dumps(joints),
    }


def read_config(metadata: Mapping[str, str], path: Path) -> Settings:
    """The config of a description, checked. ``path`` names its file in messages.

    Raises DataError when it is missing or of an unknown format, when the config is faulty or asks for other files.
    """
    if "format" not in metadata or "config" not in metadata:
        raise DataError(
            f"{path} holds no config: it is not one of FiDIP's files, or weights alone; give --cfg too, or {_EXPORT_HINT}"
        )
    if metadata["format"] != FORMAT:
        raise DataError(
            f"{path} has format {metadata['format']!r}, this version ({__version__}) reads {FORMAT}; "
            f"it was made by version {metadata.get('version', '?')}: use that one"
        )
    text = metadata["config"]
    if (fault := _config_fault(text)) is not None:
        raise DataError(f"{path}: its config {fault}; get the file from its maker again")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.yaml"
        file.write_text(text, encoding="utf-8")
        try:
            settings = load_settings(file)
        except (ConfigError, RecursionError) as error:
            raise DataError(f"{path}: {str(error).replace(str(file), 'its config')}") from error
    _check_joints(metadata, settings, path)
    return settings


class _PlainDumper(yaml.SafeDumper):
    """Writes equal lists twice instead of referring from one to the other."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _config_fault(text: str) -> str | None:
    """Why a config of unknown origin must not be read, or None."""
    if len(text) > MAX_CONFIG:
        return f"is longer than {MAX_CONFIG} characters"
    try:
        # a few lines of references to references can stand for more than any memory holds
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            return "has YAML references"
        content = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        return f"is not valid YAML ({first_sentence(error)})"
    if not isinstance(content, dict):
        return "is no list of keys and values"
    if "BASE" in content:
        return "refers to other files (BASE)"
    data = content.get("DATASET")
    entry = str(data.get("SKELETON", "")) if isinstance(data, dict) else ""
    if entry and entry not in SKELETONS and not entry.lstrip().startswith("{"):
        return "refers to another file (DATASET.SKELETON)"
    return None


def _check_joints(metadata: Mapping[str, str], settings: Settings, path: Path) -> None:
    """The names that other programs read must be those of the config."""
    try:
        named = json.loads(metadata.get("joints", "null"))
    except ValueError as error:
        raise DataError(f"{path}: its joint names are not JSON; get the file from its maker again") from error
    if named != list(find_skeleton(settings.DATASET.SKELETON).names):
        raise DataError(
            f"{path}: its joint names are not those of its config; get the file from its maker again"
        )


def _check_kind(path: Path) -> None:
    """Raise DataError for what can be told from a name or the first bytes."""
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise DataError(f"bundle {path} cannot be read ({error.strerror}); check the path") from error
    if start[8:9] == b"{":  # 8 bytes of length, which may look like anything, then JSON
        return
    for mark, kind in _KINDS.items():
        if start.startswith(mark):
            raise DataError(f"{path} is no bundle but {kind}; give --cfg and --weights, or {_EXPORT_HINT}")
    raise DataError(f"{path} is no bundle (not a safetensors file); {_EXPORT_HINT}")
