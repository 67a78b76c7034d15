"""A text about one bucket on a known day, as literals and figures.

Which branch is taken, and what the day is called, is then the same for all messages. What is left
to be filled in is so simple that the compiled part can do it
(``worker/native_bridge/taught_words.py``).
"""

from __future__ import annotations

from typing import Any, Final

from streamproc.core.instants import DAY_MINUTES
from streamproc.core.texts.formats import Formats
from streamproc.core.texts.template import Pieces, Text

CLOCK: Final = "as_of_clock"
"""In place of a placeholder: the time of day of ``{as_of}`` as ``09:05``."""
_TOLD_APART: Final = frozenset(("=0", "unlimited", "other"))
"""Branches that are known without the language's plural forms."""


def flat_pieces(text: Text, shown: Formats, local_day: int, *, is_empty: bool) -> Pieces | None:
    """None if more has to be known of a message than this.

    ``local_day`` is that of ``{as_of}``, in days since 1970-01-01; ``is_empty``: nothing remains of
    the bucket, which has a limit.
    """
    flat = _Flat(shown, local_day, is_empty=is_empty)
    if not flat.add(text.nodes):
        return None
    pieces = flat.pieces()
    # Two full stops would be one (``template.py``).
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
        """Whether all of the nodes are of the simple kind."""
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
