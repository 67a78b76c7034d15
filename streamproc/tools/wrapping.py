"""Breaks a text into lines of a phone, measured in cells, by the rules of its language."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.cells import cell_len

_CLOSING = r"[,。、:;)】%，：；）！？」』》.!?]"
# Parts that must not be broken (an amount with its unit, a word, a date), or single characters
# after which a line can end. Closing punctuation stays with the part before it.
_UNBROKEN = re.compile(rf"[\d.]+ [kMGT]?B{_CLOSING}?|[^\s⺀-￯]+{_CLOSING}?|[^\s]{_CLOSING}?|\s+")


def lines_of(text: str, width: int) -> list[str]:
    """A text in lines of at most ``width`` cells. Chinese can break anywhere, figures cannot."""
    return [line for paragraph in text.split("\n") for line in _lines(paragraph, width)]


def _lines(paragraph: str, width: int) -> list[str]:
    lines = [""]
    free = width
    for piece in _pieces(paragraph, width):
        size = cell_len(piece)
        if size > free:
            lines.append("")
            free = width
        if piece.isspace() and not lines[-1]:
            continue
        lines[-1] += piece
        free -= size
    return [line.rstrip() for line in lines]


def _pieces(paragraph: str, width: int) -> Iterator[str]:
    for piece in _UNBROKEN.findall(paragraph):
        while cell_len(piece) > width:  # longer than a line, so it is broken
            cut = next(n for n in range(len(piece), 0, -1) if cell_len(piece[:n]) <= width)
            yield piece[:cut]
            piece = piece[cut:]
        yield piece
