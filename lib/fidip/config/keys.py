"""The keys of a config as a table, as a yacs node with all defaults, and as typed settings."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any, TypeAlias, get_args, get_origin, get_type_hints

from yacs.config import CfgNode

from fidip.config.rules import Rule
from fidip.config.settings import Settings
from fidip.errors import ConfigError


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


Config: TypeAlias = CfgNode | Settings  # what a function takes that reads a config


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
