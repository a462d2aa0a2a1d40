"""MkDocs hooks: publish documents of the repository's folders as pages, and make links between them work."""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
# documents outside docs/ by the page that they become
DOCUMENTS = {
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
    "NOTICE.md": "project/notice.md",
    "examples/README.md": "project/examples.md",
    "data/README.md": "project/data.md",
    "models/README.md": "project/models.md",
    "output/README.md": "project/output.md",
    "log/README.md": "project/log.md",
    "README.md": "index.md",
}
LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")


def on_files(files: Any, config: Any) -> Any:
    """Add the documents outside docs/, except the README, whose page is docs/index.md."""
    for source, page in DOCUMENTS.items():
        if source != "README.md":
            files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def title(document: Path) -> str:
    """Return the heading of a document, or its name when there is no such document."""
    if not document.is_file():
        return document.name
    return document.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Rewrite links between documents to links between pages, named by their titles; other links become text."""
    sources = {uri: name for name, uri in DOCUMENTS.items() if uri != "index.md"}
    here = sources.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def replace(match: re.Match[str]) -> str:
        text, target = match.groups()
        name, _, fragment = target.partition("#")
        if not name or re.match(r"[a-z]+:", target):
            return match.group()
        wanted = posixpath.normpath(posixpath.join(posixpath.dirname(here), name))
        uri = DOCUMENTS.get(wanted) or wanted.removeprefix("docs/")
        if not wanted.startswith("docs/") and wanted not in DOCUMENTS:
            return text
        if re.fullmatch(r"[\w./-]+\.md", text):  # a file's name says nothing on a site
            text = title(ROOT / wanted)
        link = posixpath.relpath(uri, posixpath.dirname(page.file.src_uri) or ".")
        return f"[{text}]({link}{'#' + fragment if fragment else ''})"

    parts = re.split(r"(^```.*?^```)", markdown, flags=re.MULTILINE | re.DOTALL)  # leave code as it is
    return "".join(part if part.startswith("```") else LINK.sub(replace, part) for part in parts)
