"""Hook of the site: pages that stand beside the code, and links that leave docs/.

The README of a package, the changelog and others stay beside what they are about. The site shows
them too, under ``code/``, and a link from a page to one of them leads there. A link to any other
file outside docs/ (an example, a test) is shown as its path: the site needs no repository.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
OUTSIDE = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "native/*.md",
    "schemas/README.md",
    "streamproc/**/*.md",
    "tests/README.md",
)
LINK = re.compile(r"(?<=\]\()([^)\s#]+)(#[^)\s]*)?(?=\))")
FETCHED = re.compile(r"""(?:\bsrc=|<link[^>]+href=)["']?((?:https?:)?//[^"'> ]+)""")
"""What a browser would load from another host."""
WITH_WORDS = re.compile(r"\[([^\]]+)\]\(([^)\s#]+)(?:#[^)\s]*)?\)")


def outside() -> dict[str, str]:
    """The page of the site for each path in the repository."""
    found = [path for pattern in OUTSIDE for path in ROOT.glob(pattern)]
    names = [path.relative_to(ROOT).as_posix() for path in found]
    return {name: f"code/{name}" for name in sorted(names)}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Name the pages beside the code, and those of the commands, in the navigation, unless
    mkdocs.yml does."""
    named = str(config.nav)
    for name, page in outside().items():
        if f"'{page}'" not in named:
            is_code = name.startswith(("streamproc/", "native/"))
            title = name.removesuffix("/README.md").removesuffix(".md")
            _chapter(config.nav, "Packages" if is_code else "Project").append({title: page})
    for path in sorted((ROOT / "docs" / "commands").glob("*.md")):
        title = {"index": "Overview", "environment": "Environment"}.get(path.stem, path.stem)
        entry = {title: f"commands/{path.name}"}
        chapter = _chapter(config.nav, "Commands")
        chapter.insert(0, entry) if path.stem == "index" else chapter.append(entry)
    return config


def _chapter(nav: Any, title: str) -> list[Any]:
    """The entries under ``title``, wherever it stands."""
    for entry in nav:
        for name, inside in entry.items() if isinstance(entry, dict) else ():
            if name == title and isinstance(inside, list):
                return inside
            if isinstance(inside, list) and (found := _chapter(inside, title)) is not None:
                return found
    return None  # type: ignore[return-value]


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that stand outside docs/."""
    for name, page in outside().items():
        content = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=content))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links between places in the repository into links between pages of the site."""
    pages = outside()
    here = page.file.src_uri
    place = {to: name for name, to in pages.items()}.get(here, f"docs/{here}")

    def turned(found: re.Match[str]) -> str:
        words, target = found[1], found[2]
        if re.match(r"[a-z]+:", target):
            return found[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(place), target))
        to = pages.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
        if to is None or files.get_file_from_path(to) is None:
            return words if words.startswith("`") else f"{words} (`{path}`)"
        relative = posixpath.relpath(to, posixpath.dirname(here) or ".")
        link = LINK.sub(lambda one: f"{relative}{one[2] or ''}", found[0])
        if words.endswith(".md"):  # a name of a file says less than the title of the page
            return link.replace(f"[{words}]", f"[{_title(path)}]", 1)
        return link

    return WITH_WORDS.sub(turned, markdown)


def _title(path: str) -> str:
    first = (ROOT / path).read_text(encoding="utf-8").split("\n", 1)[0]
    return first.removeprefix("# ")


def on_nav(nav: Any, *, config: MkDocsConfig, files: Files) -> Any:
    """Every page has a place in the navigation."""
    shown = {page.file.src_uri for page in nav.pages}
    missing = [one.src_uri for one in files.documentation_pages() if one.src_uri not in shown]
    if missing:
        raise PluginError(f"mkdocs.yml: nav lacks {', '.join(sorted(missing))}")
    return nav


def on_post_build(config: MkDocsConfig) -> None:
    """Refuse a site that would fetch something from elsewhere."""
    for page in Path(config.site_dir).rglob("*.html"):
        fetched = FETCHED.findall(page.read_text(encoding="utf-8"))
        if fetched:
            raise PluginError(f"{page}: fetches {fetched[0]}")
