"""The manual pages of the commands: ``python -m tests.support.man_pages FOLDER`` writes them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from click_man.core import generate_man_page

from streamproc import __version__
from tests.support.command_pages import REGISTRY, context_of

_UNWRAPPED = re.compile(r"\x08\n(.*?)(?=\n\.(?:SH|PP)|\Z)", re.DOTALL)


def write(folder: Path) -> list[Path]:
    """Write a page for each command, as ``man -M FOLDER`` finds them."""
    section = folder / "man1"
    section.mkdir(parents=True, exist_ok=True)
    made = []
    for words in REGISTRY.commands:
        made.append(section / f"{'-'.join(('streamproc', *words))}.1")
        page = generate_man_page(context_of(words), version=__version__)
        made[-1].write_text(_with_lines_kept(page), encoding="utf-8")
    return made


def _with_lines_kept(page: str) -> str:
    """The page with the paragraphs of ``\\b``, such as examples, in lines as they were written.

    click-man leaves the mark of click there, and man joins the lines.
    """
    return _UNWRAPPED.sub(lambda found: f".nf\n{found[1]}\n.fi", page)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
