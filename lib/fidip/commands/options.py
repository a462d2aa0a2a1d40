"""Options that several commands share, and the config that they ask for."""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from fidip.skeleton import COCO17

if TYPE_CHECKING:
    from fidip.config import Settings

KEY = re.compile(r"[A-Z][A-Z0-9_]*(\.[A-Z0-9_]+)*")


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add the options of a command that a config drives, and KEY VALUE."""
    parser.add_argument(
        "--cfg",
        type=Path,
        required=True,
        metavar="FILE",
        help="read the config from this YAML file; a name below experiments/ is enough",
    )
    add_setting(
        parser,
        "LOG_DIR",
        "--log-dir",
        "--logDir",
        metavar="DIR",
        text="write TensorBoard files of a training to this folder",
    )
    add_setting(
        parser,
        "DATA_DIR",
        "--data-dir",
        "--dataDir",
        metavar="DIR",
        text="put this folder in front of relative paths of data and weights",
    )
    add_setting(
        parser, "DEVICE", "--device", metavar="NAME", text="use this device: auto, cpu, cuda, cuda:1 or mps"
    )
    parser.add_argument(
        "opts", nargs="*", metavar="KEY VALUE", help="override keys of the config, e.g. TRAIN.LR 1e-4"
    )


def add_setting(parser: argparse.ArgumentParser, key: str, *names: str, metavar: str, text: str) -> None:
    """Add an option that sets a key of the config (default: the config's value)."""
    parser.add_argument(
        *names, dest=key, default="", metavar=metavar, help=f"{text} (default: {key} of the config)"
    )


def add_number(
    place: "argparse._ActionsContainer", name: str, default: float, text: str, metavar: str = "N"
) -> None:
    """Add an option for a number to a parser or a group; its help names the default."""
    help_text = f"{text} (default: {default:g})"
    place.add_argument(name, type=type(default), default=default, metavar=metavar, help=help_text)


def add_skeleton(parser: argparse.ArgumentParser) -> None:
    """Add the option for the keypoints of annotations."""
    parser.add_argument(
        "--skeleton",
        default=COCO17.name,
        metavar="NAME|YAML",
        help="read annotations with these keypoints: a name, or a YAML file (default: %(default)s)",
    )


def add_annotations(parser: argparse.ArgumentParser) -> None:
    """Add --annotations, the ground truth."""
    parser.add_argument(
        "--annotations",
        type=Path,
        required=True,
        metavar="JSON",
        help="read the ground truth from this COCO JSON",
    )


def config_from(args: argparse.Namespace) -> "Settings":
    """Load the config of --cfg with what options and KEY VALUE override."""
    from fidip.config import load_settings

    return load_settings(args.cfg, [*settings_of(args), *args.opts])


def settings_of(args: argparse.Namespace) -> list[str]:
    """Return the keys and values that ``add_setting`` options override."""
    given = {key: value for key, value in vars(args).items() if KEY.fullmatch(key) and value}
    return [text for pair in given.items() for text in pair]


def free_overrides(args: argparse.Namespace, *options: str) -> argparse.Namespace:
    """Move KEY VALUE pairs from lists of words to ``opts``.

    An option, or a positional argument, with any number of words takes the pairs that follow it for its own.

    Args:
        args: parsed arguments, changed in place. ``opts`` may be missing.
        options: names of those that are lists of words.

    Returns:
        The same arguments.
    """
    for option in options:
        words = getattr(args, option)
        begin = next((i for i, word in enumerate(words) if is_key(word)), len(words))
        args.opts = [*words[begin:], *getattr(args, "opts", ())]
        setattr(args, option, words[:begin])
    return args


def is_key(word: str) -> bool:
    """Tell whether a word names a key of the config, and no file."""
    from fidip.config import defaults

    return bool(KEY.fullmatch(word)) and word.partition(".")[0] in defaults() and not Path(word).exists()
