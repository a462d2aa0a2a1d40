"""Documents that cannot go stale unnoticed: links, commands, names of code, versions, scripts."""

import importlib
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*/README.md")])
SCRIPTS = sorted([*(ROOT / "tools").glob("*.py"), *(ROOT / "syn_generation").glob("*.py")])
# absolute paths of a machine: the home, temporary and mount folders of Linux, macOS and Windows
MACHINE_PATH = re.compile(r"(?<![\w.~:/-])/(?:home|Users|root|tmp|work|mnt|opt|var)/[\w.]|[A-Z]:\\Users\\")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def anchors(path: Path) -> set[str]:
    """The link targets that a Markdown renderer makes of the headings."""
    headings = re.findall(r"^#+ +(.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def run(*command: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a command in ``folder``; raises CalledProcessError when it fails."""
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)


def tracked_files() -> list[Path]:
    """Files that git has or would take; skips the test outside a checkout."""
    try:
        listing = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [path for name in listing.split("\0") if name and (path := ROOT / name).is_file()]


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_relative_links_point_to_something(path):
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, fragment = link.partition("#")
        file = (path.parent / target).resolve() if target else path
        if not file.exists() or (fragment and fragment not in anchors(file)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_named_scripts_configs_and_code_exist(path):
    text = path.read_text(encoding="utf-8")
    files = re.findall(r"\b(?:tools|syn_generation|experiments|lib|tests|docs)/[\w./-]+\.\w+", text)
    assert [name for name in files if not (ROOT / name).exists()] == []
    assert [name for name in re.findall(r"`(fidip(?:\.\w+)+)`", text) if not resolves(name)] == []


def resolves(name: str) -> bool:
    """Whether a dotted name is a module or something in one."""
    try:
        importlib.import_module(name)
    except ImportError:
        module, _, attribute = name.rpartition(".")
        try:
            return hasattr(importlib.import_module(module), attribute)
        except ImportError:
            return False
    return True


def test_resolves_tells_names_apart():
    assert resolves("fidip.errors.DataError")
    assert not resolves("fidip.errors.NoSuchError")
    assert not resolves("fidip.nothing.here")


def test_machine_path_pattern():
    for text in ("see /home/anna/x", "'/tmp/a'", "(/Users/b/c)", r"D:\Users\e"):
        assert MACHINE_PATH.search(text), text
    for text in ("https://a.org/home/x", "/output/*", "data/tmp/x", "~/work/x", "/home"):
        assert not MACHINE_PATH.search(text), text


def test_no_file_holds_a_path_of_a_machine():
    found = []
    for path in tracked_files():
        if path == Path(__file__).resolve() or b"\0" in (content := path.read_bytes()):
            continue
        lines = content.decode("utf-8", errors="replace").splitlines()
        found += [
            f"{name_of(path)}:{number}"
            for number, line in enumerate(lines, start=1)
            if MACHINE_PATH.search(line)
        ]
    assert found == []


def test_versions_and_licence_agree():
    version = re.search(r'^version = "(.+)"$', read("pyproject.toml"), flags=re.MULTILINE)[1]
    citation = yaml.safe_load(read("CITATION.cff"))
    assert citation["version"] == version
    assert citation["license"] == "MIT"
    assert read("LICENSE").startswith("MIT License\n")
    assert 'license = "MIT"' in read("pyproject.toml")


def test_every_direct_dependency_is_constrained():
    def names(lines):
        return {re.match(r"[\w.-]+", line)[0].lower().replace("_", "-") for line in lines}

    pinned = names(line for line in read("constraints.txt").splitlines() if line and not line.startswith("#"))
    project = read("pyproject.toml")
    required = re.search(r"^dependencies = \[\n(.*?)^\]", project, flags=re.DOTALL | re.MULTILINE)[1]
    extras = re.findall(r"^(?:dev|synth|analysis) = \[(.*?)\]", project, flags=re.DOTALL | re.MULTILINE)
    assert len(extras) == 3
    assert names(re.findall(r'"([^"]+)"', "".join([required, *extras]))) - pinned == set()


def test_conda_environment_uses_the_same_installation():
    environment = yaml.safe_load(read("fidip_env.yml"))
    assert environment["name"] == "fidip"
    assert environment["dependencies"][-1] == {
        "pip": ["-c constraints.txt", "-e .[dev,synth,analysis,media,deploy,serve]"]
    }


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_scripts_explain_themselves(path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(path), "--help"])
    spec = importlib.util.spec_from_file_location("__main__", path)
    with pytest.raises(SystemExit) as stop:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert stop.value.code == 0
    assert "usage:" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_scripts_run_from_another_folder(path, tmp_path):
    assert run(sys.executable, str(path), "--help", folder=tmp_path).stdout.startswith(f"usage: {path.name}")


def test_lib_makefile_has_nothing_to_do():
    assert "nothing to compile" in run("make", folder=ROOT / "lib").stdout


def test_a_built_package_holds_all_code_configs_and_weights(tmp_path):
    """From a copy without leftovers of earlier builds, which would hide what is missing."""
    for path in tracked_files():
        part = path.relative_to(ROOT)
        if part.parts[0] in ("lib", "experiments") or len(part.parts) == 1:
            (tmp_path / part).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / part).write_bytes(path.read_bytes())
    run(sys.executable, "-W", "ignore", "setup.py", "-q", "build", "--build-lib", "built", folder=tmp_path)
    built = tmp_path / "built" / "fidip"
    for folder, place, suffixes in (
        ("lib/fidip", built, (".py", ".md", ".safetensors", ".npz")),
        ("experiments", built / "experiments", (".yaml",)),
    ):
        wanted = {
            p.relative_to(tmp_path / folder) for p in (tmp_path / folder).rglob("*") if p.suffix in suffixes
        }
        found = {p.relative_to(place) for p in place.rglob("*") if p.suffix in suffixes}
        assert wanted and wanted - found == set()
