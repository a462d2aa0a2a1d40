"""The edge between library and terminal.

Arguments come in; one-line errors and an exit status go out. Nothing heavy is imported here: a command's module is loaded when the command is run.
"""

import argparse
import importlib
import os
import sys
import textwrap
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any

from fidip.errors import FidipError, Interrupted, message_of

# name -> (module with register(parser) and run(args), what it does); names of two words are listed together
COMMANDS: Mapping[str, tuple[str, str]] = {
    "predict": ("fidip.commands.predict", "estimate keypoints in images and videos"),
    "serve": ("fidip.commands.serve", "run a local web app that does the same"),
    "movement": ("fidip.commands.movement", "measure the movement in the poses of a video"),
    "weights": ("fidip.commands.weights", "list the packaged models with licence, size and score"),
    "export": ("fidip.commands.export", "export a model (bundle, ONNX or OpenVINO)"),
    "train": ("fidip.commands.train", "train a network from a config, then test it"),
    "test": ("fidip.commands.test", "test a checkpoint or packaged weights"),
    "evaluate": ("fidip.commands.evaluate", "score a file of COCO keypoint results"),
    "compare": ("fidip.commands.compare", "compare results with intervals and paired tests"),
    "report": ("fidip.commands.report", "write an HTML report on one or several runs"),
    "domain-gap": (
        "fidip.commands.domain_gap",
        "measure the gap between two domains in a network's features",
    ),
    "tables": ("fidip.commands.tables", "run the rows of a published table beside the published values"),
    "audit": ("fidip.commands.audit", "find faults and leaks in annotations and images"),
    "convert": ("fidip.commands.convert", "convert annotations (Label Studio, CVAT, DeepLabCut)"),
    "prepare syrip": ("fidip.commands.prepare_syrip", "unpack SyRIP and check that it is complete"),
    "prepare mini-rgbd": ("fidip.commands.prepare_mini_rgbd", "prepare MINI-RGBD for training"),
    "prepare adults": ("fidip.commands.prepare_adults", "join data sets of adults to pretrain a network"),
    "prepare pretraining": (
        "fidip.commands.prepare_pretraining",
        "make the set that pretrains the domain classifier",
    ),
    "benchmark step": ("fidip.commands.benchmark_step", "time a training step beside the published one"),
    "benchmark backends": (
        "fidip.commands.benchmark_backends",
        "time inference in PyTorch, onnxruntime and OpenVINO",
    ),
}
GROUP = "fidip.commands"  # of entry points: further packages' tables like COMMANDS
SHELLS = ("bash", "zsh", "tcsh")
TITLE = "Estimate the 17 COCO keypoints of infants in images and videos; train and test such networks."
EXAMPLES = """examples:
  fidip predict baby.mp4                  keypoints of the infant in a video: table and overlay video
  fidip predict photos/ --export coco     keypoints in a folder of images, as COCO JSON
  fidip serve                             the same in your browser, on this machine only

Every command documents its options: fidip predict --help
"""


class HelpFormatter(argparse.HelpFormatter):
    """Fill paragraphs to the width of the terminal; leave indented lines alone."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        parts = text.strip().split("\n\n")
        return "\n\n".join(part if "\n " in part else textwrap.fill(part, width) for part in parts)


def exit_on_error(main: Callable[[], int]) -> None:
    """Run ``main`` and exit with its status; print a FidipError as one line, status 2."""
    try:
        status = main()
        sys.stdout.flush()
        sys.exit(status)
    except FidipError as error:
        sys.exit(_fail(f"error: {message_of(error)}", 2))
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
    """Run the command that the first arguments name; without any, print help."""
    given = sys.argv[1:] if argv is None else argv
    commands = all_commands()
    for words in (2, 1):
        name = " ".join(given[:words])
        if name in commands:
            return run(commands[name][0], given[words:], prog=f"fidip {name}")
    group = f"{given[0]} " if given and any(name.startswith(f"{given[0]} ") for name in commands) else ""
    parser = _overview(commands, group)
    rest = given[1:] if group else given
    if rest:
        parser.parse_args(rest)  # prints help, or refuses
    parser.print_help()
    return 0


def run(module: str, argv: list[str] | None = None, prog: str | None = None, **settings: Any) -> int:
    """Parse the arguments of one command and run it.

    Args:
        module: module with ``register(parser)`` and ``run(args) -> status``. Its docstring describes the command, and
            ends with examples.
        argv: arguments (default: those of the process).
        prog: name of the command in its help (default: the script's name).
        settings: values in the namespace that no option sets.

    Returns:
        The exit status.
    """
    command = importlib.import_module(module)
    description, title, examples = (command.__doc__ or "").partition("\nExamples:\n")
    parser = argparse.ArgumentParser(
        prog=prog,
        description=description,
        epilog=title.strip().lower() + "\n" + examples,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    command.register(parser)
    parser.set_defaults(parser=parser, **settings)
    status: int = command.run(parser.parse_intermixed_args(argv))
    return status


def script(name: str, **settings: Any) -> None:
    """Run the command ``name`` as a script, then exit; see ``run``."""
    exit_on_error(lambda: run(all_commands()[name][0], **settings))


def console() -> None:
    """Run the installed script ``fidip``."""
    exit_on_error(main)


class _PrintCompletion(argparse.Action):
    """Print the completion script of a shell, and exit."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: Any = None
    ) -> None:
        from fidip.completion import completion_script

        sys.stdout.write(completion_script(all_commands(), values))
        parser.exit()


def _overview(commands: Mapping[str, tuple[str, str]], group: str) -> argparse.ArgumentParser:
    """Make a parser that lists commands: those of a group, or all with the group "".

    Args:
        commands: module and purpose by name.
        group: beginning of the names to list, with a space at its end.
    """
    parser = argparse.ArgumentParser(
        prog=f"fidip {group}".strip(),
        description="" if group else TITLE,
        epilog=f"Every command documents its options: fidip {group}COMMAND --help" if group else EXAMPLES,
        formatter_class=HelpFormatter,
    )
    if not group:
        parser.add_argument(
            "--print-completion",
            action=_PrintCompletion,
            choices=SHELLS,
            metavar="SHELL",
            help=f"print the completion script of a shell: {', '.join(SHELLS)}",
        )
    chosen = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, (_, purpose) in commands.items():
        if name.startswith(group):
            chosen.add_parser(name.removeprefix(group), help=purpose, add_help=False)
    return parser


def _fail(message: str, status: int) -> int:
    sys.stderr.write(" ".join(message.split()) + "\n")
    return status
