"""The commands as functions of their arguments."""

from functools import partial

from fidip.cli import COMMANDS, run


def command(name):
    """Return a command as a function of its arguments and settings, which returns its exit status."""
    return partial(run, COMMANDS[name][0], prog=f"fidip {name}")
