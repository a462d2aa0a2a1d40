"""Test a checkpoint on the DATASET.TEST_SET of a config: AP and AR, results JSON, metrics.json, pictures."""

from fidip.cli import exit_on_error
from fidip.commands.config_scripts import test_main

if __name__ == "__main__":
    exit_on_error(test_main)
