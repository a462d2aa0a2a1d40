"""The documentation, checked without mkdocs: navigation, links, generated pages, first sentences."""

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
OUTSIDE = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("[!.]*/README.md"))]


class Loader(yaml.SafeLoader):
    """Reads mkdocs.yml, whose tags for Python objects do not matter here."""


Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: suffix)
SITE = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader)  # noqa: S506 -- no objects are made


def module(path):
    """Import a script by its path."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def published():
    """Documents outside docs/ by the page that they become: the table of docs/site_hooks.py, which needs mkdocs."""
    text = (DOCS / "site_hooks.py").read_text(encoding="utf-8")
    table = re.search(r"^DOCUMENTS = \{\n(.*?)^\}", text, flags=re.MULTILINE | re.DOTALL)[1]
    return dict(re.findall(r'"([^"]+)": "([^"]+)"', table))


def entries(nav):
    """All pages of a navigation, in its order."""
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav
    return [page for part in parts for page in entries(part)]


def headings(path):
    """The anchors of a page, as mkdocs and GitHub make them."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    found = re.findall(r"^#+ +(.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def test_every_page_is_in_the_navigation_once():
    listed = entries(SITE["nav"])
    assert len(listed) == len(set(listed))
    pages = {path.relative_to(DOCS).as_posix() for path in PAGES}
    assert set(listed) == pages | set(published().values())


def test_the_site_asks_no_other_host():
    """Fonts of another host are off, and no plugin is used that loads scripts, which Material's offline does."""
    plugins = [one if isinstance(one, str) else next(iter(one)) for one in SITE["plugins"]]
    assert SITE["theme"]["font"] is False
    assert set(plugins) == {"search", "mkdocstrings"}
    assert not {"extra_javascript", "extra_css", "extra"} & SITE.keys()


def test_published_documents_exist():
    assert [name for name in published() if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("path", [*PAGES, *OUTSIDE], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_point_to_something(path):
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, fragment = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        inside = file.is_relative_to(ROOT)
        if not (inside and file.exists()) or (fragment and fragment not in headings(file)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(DOCS).as_posix())
def test_pages_begin_with_what_the_reader_can_do(path):
    title, _, rest = path.read_text(encoding="utf-8").partition("\n")
    first = rest.strip().split("\n\n")[0]
    assert title.startswith("# ")
    assert re.match(r"(After|From) this (page|tutorial) you (can|have)\b", first), first


def test_generated_pages_are_up_to_date():
    for path, content in module(DOCS / "write_reference.py").PAGES.items():
        assert path.read_text(encoding="utf-8") == content(), "run python docs/write_reference.py"


def test_command_page_escapes_what_markdown_would_swallow():
    cell = module(DOCS / "write_reference.py").cell
    assert cell("a <split> of `<raw>` a|b") == "a &lt;split> of `<raw>` a\\|b"


def test_command_page_shows_alternatives_in_every_renderer():
    code = module(DOCS / "write_reference.py").code
    assert code("--model NAME|FILE") == "<code>--model NAME&#124;FILE</code>"
    assert code("--out DIR") == "`--out DIR`"


def test_api_pages_name_code_that_exists():
    for path in sorted((DOCS / "api").glob("*.md")):
        for name in re.findall(r"^::: ([\w.]+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE):
            parts = name.split(".")
            files = [ROOT / "lib" / Path(*parts[:i]) for i in range(len(parts), 0, -1)]
            found = next(f for f in files if f.with_suffix(".py").exists() or (f / "__init__.py").exists())
            source = found.with_suffix(".py") if found.with_suffix(".py").exists() else found / "__init__.py"
            rest = parts[len(found.relative_to(ROOT / "lib").parts) :]
            text = source.read_text(encoding="utf-8")
            assert all(re.search(rf"^(def|class) {one}\b", text, flags=re.MULTILINE) for one in rest), name
