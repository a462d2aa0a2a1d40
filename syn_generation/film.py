"""Make a film of a synthetic infant, with the labels of every frame."""

from fidip.cli import exit_on_error
from infantsynth.film_command import main

if __name__ == "__main__":
    exit_on_error(main)
