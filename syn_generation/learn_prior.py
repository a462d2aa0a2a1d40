"""Learn a pose prior from fits; the same as `fidip learn-prior`."""

from fidip.cli import exit_on_error, run

if __name__ == "__main__":
    exit_on_error(lambda: run("infantsynth.commands.learn_prior"))
