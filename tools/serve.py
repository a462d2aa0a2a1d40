"""A web page on this machine: drop a picture or a short video, see the joints, download them."""

from fidip.cli import exit_on_error
from fidip.commands.serve import main

if __name__ == "__main__":
    exit_on_error(main)
