"""The manual pages of the commands: ``python -m tests.support.man_pages FOLDER`` writes them."""

from __future__ import annotations

import sys
from pathlib import Path

from click_man.core import generate_man_page

from streamproc import __version__
from tests.support.command_pages import REGISTRY, context_of


def write(folder: Path) -> list[Path]:
    """Write a page for each command, as ``man -M FOLDER`` finds them."""
    section = folder / "man1"
    section.mkdir(parents=True, exist_ok=True)
    made = []
    for words in REGISTRY.commands:
        made.append(section / f"{'-'.join(('streamproc', *words))}.1")
        page = generate_man_page(context_of(words), version=__version__)
        made[-1].write_text(page, encoding="utf-8")
    return made


if __name__ == "__main__":
    write(Path(sys.argv[1]))
