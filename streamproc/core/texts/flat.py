"""A text about one bucket on a known day, reduced to literals and figures.

For a given day, all messages take the same branch and show the same date. The rest is so simple
that the compiled part can fill it in (``worker/native_bridge/taught_words.py``).
"""

from __future__ import annotations

from typing import Any, Final

from streamproc.core.instants import DAY_MINUTES
from streamproc.core.texts.formats import Formats
from streamproc.core.texts.template import Pieces, Text

CLOCK: Final = "as_of_clock"
"""It replaces a placeholder: the time of day of ``{as_of}`` as ``09:05``."""
_TOLD_APART: Final = frozenset(("=0", "unlimited", "other"))
"""Branches that can be chosen without the plural forms of the language."""


def flat_pieces(text: Text, shown: Formats, local_day: int, *, is_empty: bool) -> Pieces | None:
    """The pieces; None if the text depends on more of a message than these arguments.

    ``local_day`` is the day of ``{as_of}``, in days since 1970-01-01. ``is_empty`` says that no
    bytes remain in the bucket, which has a limit.
    """
    flat = _Flat(shown, local_day, is_empty=is_empty)
    if not flat.add(text.nodes):
        return None
    pieces = flat.pieces()
    # Two full stops in a row would become one (``template.py``), which the compiled
    # part does not do.
    return None if any(".." in literal for literal, _ in pieces) else pieces


class _Flat:
    def __init__(self, shown: Formats, local_day: int, *, is_empty: bool) -> None:
        self._shown = shown
        self._local_day = local_day
        self._is_empty = is_empty
        self._pieces: list[tuple[str, str | None]] = []
        self._literal = ""

    def pieces(self) -> Pieces:
        return (*self._pieces, (self._literal, None))

    def add(self, nodes: list[Any]) -> bool:
        """Add the nodes; returns whether all of them are simple."""
        return all(self._add(node) for node in nodes)

    def _add(self, node: Any) -> bool:
        if isinstance(node, str):
            self._literal += node
            return True
        name, form = node.get("name"), node.get("type")
        if form is None and name is not None:
            self._figure(name)
            return True
        if (name, form) == ("remaining", "plural"):
            options = node["options"]
            if node.get("offset") or not options.keys() <= _TOLD_APART:
                return False
            return self.add(options["=0" if self._is_empty and "=0" in options else "other"])
        if (name, form) == ("as_of", "date"):
            show = self._shown.instant("date", node.get("format") or "medium")
            self._literal += show(self._local_day * DAY_MINUTES)
            return True
        if (name, form) == ("as_of", "time") and self._is_plain_clock(
            node.get("format") or "short"
        ):
            self._figure(CLOCK)
            return True
        return False

    def _figure(self, name: str) -> None:
        self._pieces.append((self._literal, name))
        self._literal = ""

    def _is_plain_clock(self, style: str) -> bool:
        show = self._shown.instant("time", style)
        return [show(minute) for minute in (0, 547, 1399)] == ["00:00", "09:07", "23:19"]
