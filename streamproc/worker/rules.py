"""The rules file of a running worker: loaded at start; a changed file is loaded or rejected.

The texts directory next to it belongs to it; "the file" means both.

A worker never runs without rules: whatever happens to the file, the last good rules stay in force.
A change is checked when two looks in a row have found the same content. So a half-written file is
neither loaded nor reported.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from errno import ENOTDIR
from pathlib import Path
from typing import NamedTuple, Protocol

import structlog

from streamproc.contracts.rules_file.load import (
    RulesError,
    default_rulebook,
    load_rulebook,
    removed,
)
from streamproc.contracts.rules_file.texts import Content, read
from streamproc.core.rules.rulebook import Rulebook
from streamproc.errors import StreamprocError
from streamproc.printable import printable, printed_name

log = structlog.get_logger(__name__)


NOTHING = Content(b"", {})


class KeptRules(NamedTuple):
    """Rules that were good once."""

    path: Path
    """The name of their file, for messages; it also says whether they are TOML or YAML."""
    content: Content


class InForce(NamedTuple):
    """The rules that a worker has taken from its file."""

    path: Path
    content: Content
    fingerprint: int


class RulesSource(Protocol):
    """Where a worker's rules come from, and what is in force."""

    rulebook: Rulebook
    refusal: str | None
    """Why the newest rules are not in force; None if they are."""
    in_force: InForce | None
    """What was taken from a file; None if the rules are from elsewhere."""

    def refresh(self) -> Rulebook | None:
        """Other rules, if they are in force by now. Call it at regular intervals. Blocking."""


class RulesFile:
    """A rulebook that follows its file."""

    def __init__(
        self,
        path: Path | None,
        last_good: Callable[[], KeptRules | None] | None = None,
        id_key: str = "",
    ) -> None:
        """``id_key``: that of each rulebook (``id_keys.py``).

        Raises ``RulesError`` if the file is wrong: a worker does not start with wrong rules.

        With ``last_good`` it starts with those instead, and says why.
        """
        self._id_key = id_key
        self.path = path
        self.refusal: str | None = None
        """Why the present file is not in force; None if it is."""
        self.in_force: InForce | None = None
        """What was taken from the file; None if the rules are from elsewhere."""
        self._judged: Content | OSError = NOTHING
        """The content (or the failure to read it) that was checked last."""
        self._seen: Content | OSError = NOTHING
        """The content at the last look."""
        if path is None:
            self.rulebook = default_rulebook().keyed(id_key)
            return
        self._judged = self._seen = self._look()
        try:
            self.rulebook = self._loaded(path, self._seen)
        except RulesError as error:
            if last_good is None:
                raise
            self.rulebook = self._good_before(path, last_good, error)
        else:
            assert not isinstance(self._seen, OSError)
            self.in_force = InForce(path, self._seen, self.rulebook.fingerprint)

    def refresh(self) -> Rulebook | None:
        """The new rulebook if the file changed and is good. A wrong file is logged once.

        Call it at regular intervals. A change is noticed at the second call.
        """
        if self.path is None:
            return None
        before, self._seen = self._seen, self._look()
        # A file that just changed may be half written. It counts when two looks find
        # the same content.
        if not _same(self._seen, before) or _same(self._seen, self._judged):
            return None
        self._judged = self._seen
        if self.in_force is not None and self._seen == self.in_force.content:
            self.refusal = None
            log.info(
                "the rules file contains the rules in force again", file=printed_name(self.path)
            )
            return None
        try:
            return self._judge(self.path, self._seen)
        except RulesError as error:
            self._refuse(
                str(error), "the changed rules file was refused; the old rules stay in force"
            )
        return None

    def _refuse(self, problems: str, says: str) -> None:
        self.refusal = problems
        log.error(says, problems=problems)

    def _good_before(
        self, path: Path, last_good: Callable[[], KeptRules | None], refusal: RulesError
    ) -> Rulebook:
        """The last good rules. Raises ``RulesError``."""
        try:
            kept = last_good()
        except StreamprocError as error:
            told = f"{path}:1: the last good rules cannot be read: {error}"
            problem = f"{refusal}\n{printable(told)}"
            raise RulesError(problem) from error
        if kept is None:
            raise RulesError(
                f"{refusal}\n{printed_name(path)}:1: no good rules are kept yet"
            ) from refusal
        rulebook = self._loaded(kept.path, kept.content)
        self._refuse(str(refusal), "the rules file was refused; the last good rules are used")
        return rulebook

    def _loaded(self, path: Path, content: Content | OSError) -> Rulebook:
        if isinstance(content, OSError):
            raise RulesError(_unreadable(path, content)) from content
        try:
            return load_rulebook(content.rules, str(path), content.texts).keyed(self._id_key)
        except RulesError:
            raise
        except Exception as error:
            # A file that our own checks do not survive must not end a worker that has good rules.
            log.exception("a check of the rules file has a fault")
            why = f"cannot be checked ({type(error).__name__}); the log has more"
            raise RulesError(f"{printed_name(path)}:1: {why}") from error

    def _judge(self, path: Path, content: Content | OSError) -> Rulebook:
        rulebook = self._loaded(path, content)
        gone = removed(self.rulebook, rulebook)
        if gone:
            raise RulesError(
                f"{printed_name(path)}:1: {', '.join(gone)}: gone, but subscribers may have it; "
                f"put it back or restart the workers with this file when no subscriber has it"
            )
        self.refusal = None
        self.rulebook = rulebook
        assert not isinstance(content, OSError)
        self.in_force = InForce(path, content, rulebook.fingerprint)
        log.info(
            "the changed rules are in force",
            file=printed_name(path),
            fingerprint=rulebook.fingerprint,
        )
        return rulebook

    def _look(self) -> Content | OSError:
        assert self.path is not None
        texts = self.path.with_suffix(".texts")
        try:
            if os.path.lexists(texts) and not texts.is_dir():
                # A link to a volume that is away must not take the texts out of force.
                raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR), str(texts))
            return read(self.path)
        except OSError as error:
            return error


def _same(one: Content | OSError, other: Content | OSError) -> bool:
    if isinstance(one, OSError) and isinstance(other, OSError):
        return (one.errno, one.filename) == (other.errno, other.filename)
    return one == other


def _unreadable(path: Path, error: OSError) -> str:
    # It may be one of the files of texts.
    name = printed_name(error.filename or path)
    return f"{name}:1: cannot be read: {error.strerror or error}"
