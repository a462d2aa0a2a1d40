"""YAML configs: defaults with meaning and unit, inheritance, overrides, checks."""

from fidip.config.check import check_for_testing, check_for_training
from fidip.config.defaults import defaults
from fidip.config.load import find_config, load_config, result_keys, run_name

__all__ = [
    "check_for_testing",
    "check_for_training",
    "defaults",
    "find_config",
    "load_config",
    "result_keys",
    "run_name",
]
