"""The edge between library and terminal: arguments in, one-line errors and exit status out.

Nothing heavy is imported here: a command's module is loaded when the command is run.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Callable

from fidip.errors import FidipError, Interrupted

# name -> (module and function that takes argv, what it does)
COMMANDS = {
    "predict": ("fidip.commands.predict:main", "estimate keypoints in images and videos"),
    "serve": ("fidip.commands.serve:main", "run a local web app that does the same"),
    "weights": ("fidip.commands.weights:main", "list the packaged models with licence, size and score"),
    "train": ("fidip.commands.config_scripts:train_main", "train a network from a config, then test it"),
    "test": ("fidip.commands.config_scripts:test_main", "test a checkpoint or packaged weights"),
    "export": ("fidip.commands.export_model:main", "export a model (bundle, ONNX or OpenVINO)"),
}
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
    for name, (_, purpose) in COMMANDS.items():
        chosen.add_parser(name, help=purpose, add_help=False)
    if not given:
        parser.print_help()
        return 0
    command = parser.parse_args(given[:1]).command
    sys.argv[0] = f"fidip {command}"  # what the command's own parser calls itself
    module, function = COMMANDS[command][0].split(":")
    status: int = getattr(importlib.import_module(module), function)(given[1:])
    return status


def console() -> None:
    """Run the installed script ``fidip``."""
    exit_on_error(main)


def _fail(message: str, status: int) -> int:
    sys.stderr.write(" ".join(message.split()) + "\n")
    return status
