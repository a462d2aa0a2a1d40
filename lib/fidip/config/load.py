"""Read a config: defaults, then the chain of BASE files, then the file, then overrides; as a node or as settings."""

import ast
import difflib
import logging
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeAlias, get_args, get_origin, get_type_hints

import yaml
from yacs.config import CfgNode

from fidip.config.legacy import flatten, translate
from fidip.config.settings import Rule, Settings
from fidip.config.values import coerce
from fidip.errors import ConfigError
from fidip.files import fingerprint
from fidip.packaged import packaged_models
from fidip.skeleton import SKELETONS, find_skeleton, skeleton_text

logger = logging.getLogger("fidip")

Config: TypeAlias = CfgNode | Settings  # what a function takes that reads a config

# Where configs come with the package: in a checkout, and in an installed package.
SHIPPED = (Path(__file__).parents[3] / "experiments", Path(__file__).parents[1] / "experiments")

# What a run is run with, not what comes out of it: left out of the key of a run folder.
_NO_EFFECT = ("OUTPUT_DIR", "LOG_DIR", "WORKERS", "PIN_MEMORY", "PRINT_FREQ", "AUTO_RESUME", "DEVICE", "DEBUG.",
              "TRAIN.CHECKPOINT_EVERY", "TEST.PICTURES", "TEST.DOMAIN_GAP", "TEST.SAVE_FEATURES")  # fmt: skip


@dataclass(frozen=True)
class KeyFacts:
    """One key: name with dots, type (the element's type of a list), whether it is a list, default and rule."""

    name: str
    kind: type
    listed: bool
    default: Any
    rule: Rule


def all_keys(cls: type = Settings, prefix: str = "") -> dict[str, KeyFacts]:
    """Every key by its name with dots, e.g. ``TRAIN.LR``."""
    found: dict[str, KeyFacts] = {}
    kinds = get_type_hints(cls)
    for one in fields(cls):
        kind, name = kinds[one.name], f"{prefix}{one.name}"
        if isinstance(kind, type) and is_dataclass(kind):
            found |= all_keys(kind, f"{name}.")
        else:
            listed = get_origin(kind) is tuple
            element = get_args(kind)[0] if listed else get_origin(kind) or kind
            default = {} if one.default is MISSING else one.default
            found[name] = KeyFacts(name, element, listed, default, one.metadata["rule"])
    return found


KEYS: Mapping[str, KeyFacts] = all_keys()


def defaults() -> CfgNode:
    """Return a fresh yacs node with every key at its default."""
    root = CfgNode()
    for name, facts in KEYS.items():
        *groups, last = name.split(".")
        node = root
        for one in groups:
            node = node.setdefault(one, CfgNode())
        free = isinstance(facts.default, Mapping)
        node[last] = (
            CfgNode(new_allowed=True) if free else list(facts.default) if facts.listed else facts.default
        )
    return root


# Keys that older runs did not have: left out while they change nothing, so that these runs keep their names.
_NEUTRAL = {
    "TRAIN.END_STEP": 0,
    "TRAIN.BLEND": 0.0,
    "DATASET.REAL_COUNT": 0,
    **{f"DISTILL.{key}": value for key, value in defaults().DISTILL.items()},
    **{f"AUGMENT.{key}": value for key, value in defaults().AUGMENT.items()},
}


def load_config(path: str | Path, overrides: list[str] | None = None) -> CfgNode:
    """Defaults, then the BASE files of ``path``, then ``path``, then overrides (KEY VALUE ...); frozen.

    Raises ConfigError for a missing or broken file, an unknown key (with the nearest names) or a wrong type.
    """
    path = find_config(path)
    cfg = defaults()
    for file in _base_chain(path, ()):
        _merge(cfg, _read_yaml(file)[0], str(file))
    _merge(cfg, _parse_overrides(overrides or []), "command line")
    if not cfg.ADAPT.METHOD:
        cfg.ADAPT.METHOD = "grl" if cfg.MODEL.NAME.startswith("adaptive_") else "none"
    if found := faults(cfg):
        raise ConfigError(f"config {path}: {'; '.join(found)}")
    _resolve_paths(cfg)
    _resolve_skeleton(cfg)
    cfg.freeze()
    return cfg


def load_settings(path: str | Path, overrides: list[str] | None = None) -> Settings:
    """Typed, frozen settings of a config; the arguments and errors are those of ``load_config``."""
    return read_settings(load_config(path, overrides))


def find_config(path: str | Path) -> Path:
    """Find a config: the path itself, or else the one of that name below the configs that come with the package."""
    path = Path(path)
    if path.exists() or path.is_absolute():
        return path
    parts = path.parts[1:] if path.parts[:1] == ("experiments",) else path.parts
    shipped = (folder.joinpath(*parts) for folder in SHIPPED)
    return next((file for file in shipped if file.is_file()), path)


def result_keys(config: Config, testing: bool = False) -> dict[str, Any]:
    """The flat keys that change what comes out of training, or of testing too."""
    skipped = _NO_EFFECT if testing else (*_NO_EFFECT, "TEST.", "DATASET.TEST_SET")
    flat = flatten(plain(config)).items()
    return {
        key: value for key, value in flat if not key.startswith(skipped) and value != _NEUTRAL.get(key, ...)
    }


def dump(config: Config) -> str:
    """The whole config as YAML; ``load_config`` reads it back."""
    return yaml.safe_dump(plain(config))


def run_name(path: str | Path, config: Config, testing: bool = False) -> str:
    """Name of a run folder: the config's name and a hash of all that changes the result."""
    return f"{Path(path).stem}-{fingerprint(result_keys(config, testing))}"


def _base_chain(path: Path, seen: tuple[Path, ...]) -> list[Path]:
    """The files to merge, most general first. A file that inherits from itself is an error."""
    path = path.resolve()
    if path in seen:
        raise ConfigError(f"{path}: BASE files form a circle: {' -> '.join(p.name for p in (*seen, path))}")
    chain: list[Path] = []
    for base in _read_yaml(path)[1]:
        chain += [file for file in _base_chain(path.parent / base, (*seen, path)) if file not in chain]
    return [*chain, path]


def _read_yaml(path: Path) -> tuple[dict[str, Any], list[str]]:
    """Content and BASE entries of one file."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except FileNotFoundError as error:
        raise ConfigError(f"config {path} does not exist; configs are under experiments/") from error
    except OSError as error:
        raise ConfigError(f"config {path} cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"config {path} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"config {path} must hold KEY: value lines, not a {type(content).__name__}")
    base = content.pop("BASE", []) or []
    return content, [base] if isinstance(base, str) else list(base)


def _parse_overrides(overrides: list[str]) -> dict[str, Any]:
    """KEY VALUE pairs; KEY=VALUE is understood too."""
    words: list[str] = []
    for word in overrides:
        name, equals, value = word.partition("=")
        words += (
            [name, value] if equals and len(words) % 2 == 0 and re.fullmatch(r"[A-Z0-9_.]+", name) else [word]
        )
    if len(words) % 2:
        raise ConfigError(f"overrides come as KEY VALUE pairs; {words[-1]!r} has no value")
    return {name: _literal(value) for name, value in zip(words[::2], words[1::2], strict=True)}


def _literal(text: str) -> Any:
    """Read a value as Python writes it, or as YAML does where it is a list, a mapping, true or false."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        pass
    if text[:1] in ("[", "{") or text.lower() in ("true", "false"):
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError:
            pass
    return text


def _merge(cfg: CfgNode, tree: dict[str, Any], origin: str) -> None:
    flat, notes = translate(flatten(tree))
    if notes:
        logger.warning("%s:\n%s", origin, "\n".join(f"  {note}" for note in notes))
    for key, value in flat.items():
        _set(cfg, key, value, origin)


def _set(cfg: CfgNode, key: str, value: Any, origin: str) -> None:
    *parents, name = key.split(".")
    node: Any = cfg
    for depth, parent in enumerate(parents):
        if parent not in node and isinstance(node, CfgNode) and node.is_new_allowed():
            node[parent] = CfgNode(new_allowed=True)
        if parent not in node or not isinstance(node[parent], CfgNode):
            raise _unknown(cfg, ".".join([*parents[: depth + 1], name]), origin)
        node = node[parent]
    if key in KEYS and not isinstance(node[name], CfgNode):
        facts = KEYS[key]
        node[name] = coerce(value, facts.kind, facts.listed, f"{origin}: {key}", facts.default)
    elif name in node and isinstance(node[name], CfgNode):
        if value not in (None, {}):
            raise ConfigError(f"{origin}: {key} is a group of keys, not a value")
    elif node.is_new_allowed():
        node[name] = value
    else:
        raise _unknown(cfg, key, origin)


def _unknown(cfg: CfgNode, key: str, origin: str) -> ConfigError:
    known = list(flatten(plain(cfg)))
    near = difflib.get_close_matches(key, known, n=3, cutoff=0.5)
    near += [name for name in known if name.split(".")[-1] == key.split(".")[-1] and name not in near]
    hint = f"did you mean {' or '.join(near)}?" if near else "docs/configuration.md lists all keys"
    return ConfigError(f"{origin}: unknown key {key}; {hint}")


def _resolve_paths(cfg: CfgNode) -> None:
    """Put DATA_DIR in front of relative data and weight paths, as the published scripts do."""
    if not cfg.DATA_DIR:
        return
    base = Path(cfg.DATA_DIR)
    cfg.DATASET.ROOT = str(base / cfg.DATASET.ROOT)
    for section, key in (("MODEL", "PRETRAINED"), ("TEST", "MODEL_FILE"), ("TEST", "COCO_BBOX_FILE")):
        if cfg[section][key] and cfg[section][key] not in packaged_models():
            cfg[section][key] = str(base / cfg[section][key])
    trunk = cfg.MODEL.PRETRAINED_TRUNK
    if trunk and trunk != "imagenet":
        cfg.MODEL.PRETRAINED_TRUNK = str(base / trunk)


def _resolve_skeleton(cfg: CfgNode) -> None:
    """Put the content of a skeleton file in the place of its path: what a run was made with must not change later."""
    skeleton = find_skeleton(cfg.DATASET.SKELETON)
    if skeleton.name not in SKELETONS:
        cfg.DATASET.SKELETON = skeleton_text(skeleton)
    cfg.MODEL.NUM_JOINTS = cfg.MODEL.NUM_JOINTS or skeleton.num_joints


def faults(cfg: CfgNode) -> list[str]:
    """Say which values of a node break the rules of their keys."""
    found = []
    for name, facts in KEYS.items():
        node: Any = cfg
        for part in name.split("."):
            node = node[part]
        if not isinstance(facts.default, Mapping) and (text := facts.rule.fault(node)):
            found.append(f"{name} {text}")
    return found


def read_settings(config: Config) -> Settings:
    """Turn a merged node into typed, frozen settings.

    Raises:
        ConfigError: for values outside the rules of their keys.
    """
    if isinstance(config, Settings):
        return config
    if found := faults(config):
        raise ConfigError("; ".join(found))
    made: Settings = _read(Settings, config)
    return made


def _read(cls: type, node: Mapping[str, Any]) -> Any:
    values = {}
    kinds = get_type_hints(cls)
    for one in fields(cls):
        value = node[one.name]
        if is_dataclass(kinds[one.name]):
            values[one.name] = _read(kinds[one.name], value)
        else:
            values[one.name] = tuple(value) if isinstance(value, list) else plain(value)
    return cls(**values)


def plain(node: Any) -> Any:
    """Turn nested nodes or settings into dicts and lists, as they stand in a YAML file."""
    if is_dataclass(node) and not isinstance(node, type):
        return {one.name: plain(getattr(node, one.name)) for one in fields(node)}
    if isinstance(node, Mapping):
        return {name: plain(value) for name, value in node.items()}
    return list(node) if isinstance(node, tuple) else node
