"""Train a pose net; ADAPT.METHOD in the config chooses plain or domain-adapted training."""

from fidip.cli import exit_on_error
from fidip.commands.config_scripts import train_main

if __name__ == "__main__":
    exit_on_error(train_main)
