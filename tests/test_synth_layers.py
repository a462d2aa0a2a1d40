"""The shape of infantsynth: who may import whom, what it takes from fidip, and names that are told apart."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from infantsynth.commands import COMMANDS

PACKAGE = Path(__file__).parents[1] / "syn_generation" / "infantsynth"
MODULES = sorted(PACKAGE.rglob("*.py"))
ORDER = ("spec", "body", "priors", "poses", "appearance", "render", "annotate", "scene", "shards", "dataset", "overlay",
         "image_set", "turntable", "motion", "fit", "commands")  # fmt: skip
FIDIP = {"skeleton", "geometry", "errors", "pixels", "progress", "runtime", "annotations", "__version__"}


def imported(path, package):
    """First-level parts of a package that a module imports, at the top or inside functions."""
    parts = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            parts |= {f"{node.module}.{alias.name}".split(".")[1] for alias in node.names
                      if node.module.split(".")[0] == package}  # fmt: skip
    return parts


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path):
    here = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert imported(path, "fidip") <= FIDIP
    if here == "__init__":
        assert not imported(path, "infantsynth")
        return
    upward = {part for part in imported(path, "infantsynth") if ORDER.index(part) > ORDER.index(here)}
    assert not upward


def test_modules_have_names_of_their_own():
    names = Counter(path.stem for path in MODULES if path.stem != "__init__")
    assert [name for name, count in names.items() if count > 1] == []


def test_the_table_of_commands_loads_nothing_and_names_modules_that_are_there():
    code = "import sys, infantsynth.commands; print([m for m in ('numpy', 'torch', 'fidip.runtime') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          env={"PYTHONPATH": f"{PACKAGE.parent}:{PACKAGE.parents[1] / 'lib'}"})  # fmt: skip
    assert done.stdout == "[]\n"
    for module, purpose in COMMANDS.values():
        assert (PACKAGE.parent / f"{module.replace('.', '/')}.py").is_file() and purpose[0].islower()
