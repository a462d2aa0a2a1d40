"""The shape of the code: who may import whom, who may read a config, how long things may be."""

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "lib" / "fidip"
MODULES = sorted(PACKAGE.rglob("*.py"))
CODE = [
    *MODULES,
    *(
        path
        for folder in ("tools", "syn_generation", "tests")
        for path in sorted((ROOT / folder).rglob("*.py"))
    ),
]

LAYERS = (
    (
        "errors",
        "config",
        "registry",
        "skeleton",
        "geometry",
        "runtime",
        "annotations",
        "pixels",
        "progress",
        "packaged",
        "cli",  # imports commands by their names
        "completion",
    ),
    ("codec", "losses", "models"),
    ("data", "tasks", "evaluation", "statistics", "inference", "domain_gap"),
    ("checkpoint", "engine"),
    ("build", "report"),
    ("gap", "media"),
    ("benchmark", "testing"),
    ("training",),
    ("tables",),
    ("commands", "__main__"),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
CONFIG_READERS = ("config", "build")
NO_HOME = ("utils", "util", "common", "helpers", "helper", "misc")  # names that say nothing
MAX_FILE, MAX_FUNCTION = 401, 61  # lines, exclusive


def part_of(path: Path) -> str:
    """The first level below fidip: a module or a sub-package; __init__ for the package itself."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_parts(source: str) -> set[str]:
    """First-level parts of fidip that a source text imports, at the top or inside functions."""
    parts = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: write absolute imports"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        parts |= {name.split(".")[1] for name in names if name.startswith("fidip.")}
    return parts - {"__version__"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_imported_parts_sees_every_form():
    source = "import fidip.a\nfrom fidip.b.c import d\nfrom fidip import e, __version__\ndef f():\n    import fidip.g.h\n"
    assert imported_parts(source) == {"a", "b", "e", "g"}
    with pytest.raises(AssertionError, match="line 1: write absolute imports"):
        imported_parts("from .b import d")


def test_every_part_has_a_level():
    unknown = {part_of(path) for path in MODULES} - LEVEL.keys() - {"__init__"}
    assert not unknown, f"give {sorted(unknown)} a place in LAYERS"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_down(path):
    here = part_of(path)
    imported = imported_parts(path.read_text(encoding="utf-8")) - {here}
    if here == "__init__":
        assert not imported, "the package itself imports nothing: importing it must stay cheap"
        return
    upward = sorted(part for part in imported if LEVEL[part] > LEVEL[here])
    assert not upward, f"{here} (level {LEVEL[here]}) imports upward: {upward}"


def test_parts_do_not_import_each_other_in_a_circle():
    graph: dict[str, set[str]] = {}
    for path in MODULES:
        here = part_of(path)
        graph.setdefault(here, set()).update(imported_parts(path.read_text(encoding="utf-8")) - {here})
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_no_module_is_a_drawer_for_everything():
    assert [name_of(path) for path in CODE if path.stem in NO_HOME or path.parent.name in NO_HOME] == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_build_and_config_read_keys(path):
    if part_of(path) in CONFIG_READERS:
        return
    lines = path.read_text(encoding="utf-8").splitlines()
    readers = [number for number, line in enumerate(lines, start=1) if re.search(r"\bcfg\.[A-Z]", line)]
    assert readers == [], f"lines {readers} read config keys; take typed arguments instead"


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_files_and_functions_are_short(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < MAX_FILE
    functions = [
        n for n in ast.walk(ast.parse(text)) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    long = {
        n.name: n.end_lineno - n.lineno + 1 for n in functions if n.end_lineno - n.lineno + 1 >= MAX_FUNCTION
    }
    assert long == {}, f"functions of {MAX_FUNCTION} lines or more: {long}"
