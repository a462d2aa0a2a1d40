"""Fit a body model to 2D keypoints; the same as `fidip fit`."""

from fidip.cli import exit_on_error, run

if __name__ == "__main__":
    exit_on_error(lambda: run("infantsynth.commands.fit"))
