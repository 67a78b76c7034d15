"""Fills fixed values of the rules file, such as the sender, into the nodes of a template.

These values are the same in all texts of a locale, so a select on one always takes the same branch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from streamproc.core.rules.placeholders import EVERYWHERE
from streamproc.core.texts.grammar import TextError

_NOT_GIVEN: Final = "none"
"""The branch of a select for a value that the rules file does not give."""


class Filler:
    """``given`` has the words by placeholder, as they are shown, as far as the rules file gives
    them. ``check`` is called with the name and type of each placeholder, ``check_branch`` with the
    nodes of branches that are never taken. Both raise :class:`TextError`."""

    def __init__(
        self,
        known: Mapping[str, Any],
        given: Mapping[str, str],
        check: Callable[[str, str | None], None],
        check_branch: Callable[[list[Any]], Any],
    ) -> None:
        self._fixed = EVERYWHERE.keys() & known.keys()
        self._given = given
        self._check = check
        self._check_branch = check_branch

    def fill(self, nodes: list[Any], *, is_shown: bool = True) -> list[Any]:
        """The nodes with words filled in. ``is_shown`` is false in a branch that is never taken."""
        found: list[Any] = []
        for node in nodes:
            if isinstance(node, str) or node.get("hash"):
                found.append(node)
                continue
            name, form, options = node["name"], node.get("type"), node.get("options")
            if name in self._fixed:
                self._check(name, form)
                found += (
                    [self._word(name, is_shown=is_shown)]
                    if form is None
                    else self._chosen(name, options, is_shown=is_shown)
                )
                continue
            if options:
                filled = {key: self.fill(one, is_shown=is_shown) for key, one in options.items()}
                node = {**node, "options": filled}
            found.append(node)
        return found

    def _word(self, name: str, *, is_shown: bool) -> str:
        word = self._given.get(name, "")
        if is_shown and not word:
            raise TextError(f"{{{name}}} is shown, and the rules give no {name}")
        return word

    def _chosen(self, name: str, options: dict[str, list[Any]], *, is_shown: bool) -> list[Any]:
        word = self._given.get(name, _NOT_GIVEN)
        taken = word if word in options else "other"
        for key, nodes in options.items():
            if key != taken:
                self._check_branch(self.fill(nodes, is_shown=False))
        return self.fill(options[taken], is_shown=is_shown)
