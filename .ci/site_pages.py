"""Hooks of mkdocs: pages of the site that do not lie in docs/, and links to what lies there.

README.md, CONTRIBUTING.md and CHANGELOG.md become pages. Other files of the repository that a page
links to become pages that show them, so that the site is whole without a server of the repository.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
#: Pages of the site by the file that they show.
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
_LINK = re.compile(r"(?<=\]\()(?!\w+://|#)([^)#\s]+)")


def on_files(files: Files, *, config: Any) -> Files:
    """Add the pages from outside of docs/."""
    texts = {}
    for name, page in PAGES.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        texts[page] = text
        files.append(File.generated(config, page, content=_relinked(text, "", page)))
    for file in files.documentation_pages():
        if file.src_uri not in texts:
            texts[file.src_uri] = (ROOT / "docs" / file.src_uri).read_text(encoding="utf-8")
    for page, text in texts.items():
        folder = "" if page in PAGES.values() else "docs"
        for target in sorted(map(str, _targets(text, folder))):
            shown = _place(target)
            if (ROOT / target).is_file() and files.get_file_from_path(shown) is None:
                files.append(File.generated(config, shown, content=_listing(target)))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Let the links of docs/ lead to pages of the site."""
    if page.file.src_uri in PAGES.values() or page.file.generated_by:
        return markdown
    return _relinked(markdown, "docs", page.file.src_uri)


def _targets(text: str, folder: str) -> set[str]:
    """Files that a text in this folder links to, from the repository's top."""
    return {posixpath.normpath(posixpath.join(folder, link)) for link in _LINK.findall(text)}


def _place(target: str) -> str:
    """Where the site has a file of the repository."""
    if target in PAGES:
        return PAGES[target]
    if target.startswith("docs/"):
        return target.removeprefix("docs/")
    return f"files/{target}.md"


def _relinked(text: str, folder: str, page: str) -> str:
    """A text with its links as the site has them."""

    def relative(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, match[1]))
        return posixpath.relpath(_place(target), posixpath.dirname(page) or ".")

    return _LINK.sub(relative, text)


def _listing(target: str) -> str:
    """A page that shows a file."""
    kind = {".py": "python", ".yaml": "yaml"}.get(Path(target).suffix, "text")
    text = (ROOT / target).read_text(encoding="utf-8")
    return f"# `{target}`\n\n````{kind}\n{text}\n````\n"
