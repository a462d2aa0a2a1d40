"""The edge between library and terminal: arguments in, one-line errors and exit status out.

Nothing heavy is imported here: a command's module is loaded when the command is run.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any

from fidip.errors import FidipError, Interrupted

# name -> (module with register(parser) and run(args), what it does)
COMMANDS: Mapping[str, tuple[str, str]] = {
    "predict": ("fidip.commands.predict", "estimate keypoints in images and videos"),
    "serve": ("fidip.commands.serve", "run a local web app that does the same"),
    "weights": ("fidip.commands.weights", "list the packaged models with licence, size and score"),
    "train": ("fidip.commands.train", "train a network from a config, then test it"),
    "test": ("fidip.commands.test", "test a checkpoint or packaged weights"),
    "export": ("fidip.commands.export", "export a model (bundle, ONNX or OpenVINO)"),
}
GROUP = "fidip.commands"  # of entry points: further packages' tables like COMMANDS
EXAMPLES = """examples:
  fidip predict baby.mp4                  keypoints of the infant in a video: table and overlay video
  fidip predict photos/ --export coco     keypoints in a folder of images, as COCO JSON
  fidip serve                             the same in your browser, on this machine only

Every command documents its options: fidip predict --help
"""


def exit_on_error(main: Callable[[], int]) -> None:
    """Run ``main`` and exit with its status; a FidipError is printed as one line, status 2."""
    try:
        status = main()
        sys.stdout.flush()
        sys.exit(status)
    except FidipError as error:
        sys.exit(_fail(f"error: {error}", 2))
    except Interrupted as stop:
        sys.exit(_fail(f"{stop}; progress is saved, run the same command again to resume", stop.status))
    except KeyboardInterrupt:
        sys.exit(_fail("interrupted", 130))
    except BrokenPipeError:  # e.g. `| head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


def all_commands() -> dict[str, tuple[str, str]]:
    """Module and purpose of every command, those of other installed packages included."""
    commands = dict(COMMANDS)
    for entry in entry_points(group=GROUP):
        commands |= entry.load()
    return commands


def main(argv: list[str] | None = None) -> int:
    """Run the ``fidip`` command: the first argument names what is run with the others; without any, print help."""
    given = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(
        prog="fidip",
        description="Infant pose estimation: find the 17 COCO keypoints of an infant in images and videos.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    chosen = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands = all_commands()
    for name, (_, purpose) in commands.items():
        chosen.add_parser(name, help=purpose, add_help=False)
    if not given:
        parser.print_help()
        return 0
    command = parser.parse_args(given[:1]).command
    return run(commands[command][0], given[1:], prog=f"fidip {command}")


def run(module: str, argv: list[str] | None = None, prog: str | None = None, **settings: Any) -> int:
    """Parse the arguments of one command and run it.

    Args:
        module: that has ``register(parser)`` and ``run(args) -> status``; its docstring describes the command.
        argv: arguments; those of the process by default.
        prog: what the command calls itself; the script's name by default.
        settings: values in the namespace that no option sets.
    """
    command = importlib.import_module(module)
    parser = argparse.ArgumentParser(
        prog=prog,
        description=command.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.register(parser)
    parser.set_defaults(parser=parser, **settings)
    status: int = command.run(parser.parse_args(argv))
    return status


def script(name: str, **settings: Any) -> None:
    """Run the command ``name`` as a script of its own, then exit; the arguments are as in ``run``."""
    exit_on_error(lambda: run(all_commands()[name][0], **settings))


def console() -> None:
    """Run the installed script ``fidip``."""
    exit_on_error(main)


def _fail(message: str, status: int) -> int:
    sys.stderr.write(" ".join(message.split()) + "\n")
    return status
