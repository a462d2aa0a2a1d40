"""The shape of the code: how long things may be, and what they may be called. Who imports whom: make lint."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
CODE = [
    path
    for folder in ("lib/fidip", "syn_generation", "tools", "benchmarks", "docs", "examples", "tests")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
NO_HOME = ("utils", "util", "common", "helpers", "helper", "misc")  # names that say nothing
MAX_FILE, MAX_FUNCTION = 400, 60  # lines


def name_of(path):
    return str(path.relative_to(ROOT))


def test_no_module_is_a_drawer_for_everything():
    assert [name_of(path) for path in CODE if path.stem in NO_HOME or path.parent.name in NO_HOME] == []


def test_files_and_functions_are_short():
    long = []
    for path in CODE:
        text = path.read_text(encoding="utf-8")
        if len(text.splitlines()) > MAX_FILE:
            long.append(name_of(path))
        for node in ast.walk(ast.parse(text)):
            function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            if function and node.end_lineno - node.lineno >= MAX_FUNCTION:
                long.append(f"{name_of(path)}: {node.name}")
    assert not long, f"over {MAX_FILE} lines a file or {MAX_FUNCTION} a function"


def test_imports_are_absolute():
    relative = [
        name_of(path)
        for path in CODE
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []
