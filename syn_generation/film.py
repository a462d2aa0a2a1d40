"""Render a labelled video of a moving synthetic infant; the same as `fidip film`."""

from fidip.cli import exit_on_error, run

if __name__ == "__main__":
    exit_on_error(lambda: run("infantsynth.commands.film"))
