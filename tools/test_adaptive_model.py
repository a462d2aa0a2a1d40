"""The published name of tools/test.py: test a checkpoint, domain-adapted or not."""

from fidip.cli import exit_on_error
from fidip.commands.config_scripts import test_main

if __name__ == "__main__":
    exit_on_error(test_main)
