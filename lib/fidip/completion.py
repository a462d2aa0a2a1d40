"""Shell completion of every command, option, choice and path."""

import argparse
import importlib
from collections.abc import Mapping
from pathlib import Path

from fidip.errors import ConfigError


def completion_script(commands: Mapping[str, tuple[str, str]], shell: str) -> str:
    """Return the script that teaches a shell to complete ``fidip``.

    Args:
        commands: module and purpose of each command by its name.
        shell: "bash", "zsh" or "tcsh".

    Raises:
        ConfigError: without the package shtab.
    """
    try:
        shtab = importlib.import_module("shtab")
    except ImportError as gone:
        raise ConfigError("--print-completion needs the package shtab: pip install shtab") from gone
    root = argparse.ArgumentParser("fidip")
    places = {"": root.add_subparsers()}
    for name, (module, purpose) in commands.items():
        group, _, last = name.rpartition(" ")
        if group not in places:
            parts = ", ".join(
                part.removeprefix(group).strip() for part in commands if part.startswith(f"{group} ")
            )
            places[group] = places[""].add_parser(group, help=f"{group}: {parts}").add_subparsers()
        parser = places[group].add_parser(last, help=purpose)
        importlib.import_module(module).register(parser)
        for action in parser._actions:
            if action.type is Path:
                action.complete = shtab.DIR if action.metavar == "DIR" else shtab.FILE  # type: ignore[attr-defined]
    return str(shtab.complete(root, shell)) + "\n"
