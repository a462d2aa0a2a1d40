"""Draw a contact sheet of a labelled split; the same as `fidip preview`."""

from fidip.cli import exit_on_error, run

if __name__ == "__main__":
    exit_on_error(lambda: run("infantsynth.commands.preview"))
