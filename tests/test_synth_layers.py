"""The shape of infantsynth: names that are told apart, and a table of commands that loads nothing."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

from infantsynth.commands import COMMANDS

PACKAGE = Path(__file__).parents[1] / "syn_generation" / "infantsynth"
MODULES = sorted(PACKAGE.rglob("*.py"))


def test_modules_have_names_of_their_own():
    names = Counter(path.stem for path in MODULES if path.stem != "__init__")
    assert [name for name, count in names.items() if count > 1] == []


def test_the_table_of_commands_loads_nothing_and_names_modules_that_are_there():
    code = "import sys, infantsynth.commands; print([m for m in ('numpy', 'torch', 'fidip.environment') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          env={"PYTHONPATH": f"{PACKAGE.parent}:{PACKAGE.parents[1] / 'lib'}"})  # fmt: skip
    assert done.stdout == "[]\n"
    for module, purpose in COMMANDS.values():
        assert (PACKAGE.parent / f"{module.replace('.', '/')}.py").is_file() and purpose[0].islower()
