"""YAML configs: defaults with meaning and unit, inheritance, overrides, checks."""

from fidip.config.check import check_for_testing, check_for_training
from fidip.config.load import (
    KEYS,
    Config,
    defaults,
    dump,
    find_config,
    load_config,
    load_settings,
    read_settings,
    result_keys,
    run_name,
)
from fidip.config.settings import Settings

__all__ = [
    "KEYS",
    "Config",
    "Settings",
    "check_for_testing",
    "check_for_training",
    "defaults",
    "dump",
    "find_config",
    "load_config",
    "load_settings",
    "read_settings",
    "result_keys",
    "run_name",
]
