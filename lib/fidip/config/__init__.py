"""YAML configs: defaults with meaning and unit, inheritance, overrides, checks."""

from fidip.config.check import check_for_testing, check_for_training
from fidip.config.keys import KEYS, defaults, read_settings
from fidip.config.load import find_config, load_config, result_keys, run_name
from fidip.config.settings import Settings

__all__ = [
    "KEYS",
    "Settings",
    "check_for_testing",
    "check_for_training",
    "defaults",
    "find_config",
    "load_config",
    "read_settings",
    "result_keys",
    "run_name",
]
