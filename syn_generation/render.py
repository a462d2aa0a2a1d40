"""Render fitted bodies over backgrounds, with labels; the same as `fidip render`."""

from fidip.cli import exit_on_error, run

if __name__ == "__main__":
    exit_on_error(lambda: run("infantsynth.commands.render"))
