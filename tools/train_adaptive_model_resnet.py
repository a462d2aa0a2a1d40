"""Train with domain adaptation (FiDIP): the published name for resnet nets."""

from fidip.cli import exit_on_error
from fidip.commands.config_scripts import train_main

if __name__ == "__main__":
    exit_on_error(lambda: train_main(net="resnet", adaptive=True))
