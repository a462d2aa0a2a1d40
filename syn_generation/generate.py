"""Generate a labelled set of synthetic infants; the same as `fidip generate`."""

from fidip.cli import exit_on_error, run

if __name__ == "__main__":
    exit_on_error(lambda: run("infantsynth.commands.generate"))
