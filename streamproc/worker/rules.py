"""The rules file of a running worker: loaded at start; a changed file is loaded or rejected.

The texts directory next to it belongs to it; "the file" means both.

A worker never runs without rules: whatever happens to the file, the last good rules stay in force.
A change is checked when two looks in a row have found the same content. So a half-written file is
neither loaded nor reported.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import structlog

from streamproc.contracts.rules_file.load import (
    RulesError,
    default_rulebook,
    load_rulebook,
    removed,
)
from streamproc.contracts.rules_file.texts import Content, read
from streamproc.core.rules.rulebook import Rulebook
from streamproc.private_files import make_private_directory, write_private

log = structlog.get_logger(__name__)


NOTHING = Content(b"", {})


class KeptRules:
    """The last good rules, in a directory, for a start with a wrong file."""

    NAME = "last-good-rules.json"

    def __init__(self, directory: Path) -> None:
        """Raises ``OSError`` if the directory cannot be made."""
        make_private_directory(directory)
        self._path = directory / self.NAME

    def write(self, content: Content) -> None:
        """Keep the content of a good file. A full disk is reported; it stops nothing."""
        try:
            write_private(self._path, msgspec.json.encode(content))
        except OSError as error:
            log.error("the last good rules cannot be kept", problem=error.strerror or str(error))
        except UnicodeError:  # the path of the file is not UTF-8
            log.error("the last good rules cannot be kept", problem="a name is not UTF-8")

    def read(self, path: Path) -> Content:
        """The content that was kept; :data:`NOTHING` if there is none. Raises ``RulesError``."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Content)
        except FileNotFoundError:
            return NOTHING
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            problem = f"{path}:1: was refused, and {self._path} cannot be read ({error})"
            raise RulesError(problem) from None


class RulesFile:
    """A rulebook that follows its file."""

    def __init__(self, path: Path | None, kept: KeptRules | None = None, id_key: str = "") -> None:
        """``id_key``: that of each rulebook (``id_keys.py``).

        Raises ``RulesError`` if the file is wrong: a worker does not start with wrong rules.

        With ``kept`` it starts with the last good ones instead, and says why.
        """
        self._kept = kept
        self._id_key = id_key
        self.path = path
        self.refusal: str | None = None
        """Why the present file is not in force; None if it is."""
        self._in_force = NOTHING
        """The content from which the rulebook was made."""
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
            if kept is None:
                raise
            self._in_force = kept.read(path)
            if self._in_force == NOTHING:
                raise
            self.rulebook = self._loaded(path, self._in_force)
            self._refuse(str(error), "the rules file was refused; the last good rules are used")
        else:
            assert not isinstance(self._seen, OSError)
            self._take(self._seen)

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
        if self._seen == self._in_force:
            self.refusal = None
            log.info("the rules file contains the rules in force again", file=str(self.path))
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

    def _take(self, content: Content) -> None:
        """Note what is in force from now on."""
        self._in_force = content
        if self._kept is not None:
            self._kept.write(content)

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
            problem = f"{path}:1: cannot be checked ({type(error).__name__}); the log has more"
            raise RulesError(problem) from error

    def _judge(self, path: Path, content: Content | OSError) -> Rulebook:
        rulebook = self._loaded(path, content)
        gone = removed(self.rulebook, rulebook)
        if gone:
            raise RulesError(
                f"{path}:1: {', '.join(gone)}: gone, but subscribers may have it; put it back or "
                f"restart the workers with this file when no subscriber has it"
            )
        self.refusal = None
        self.rulebook = rulebook
        assert not isinstance(content, OSError)
        self._take(content)
        log.info("the changed rules are in force", file=str(path), fingerprint=rulebook.fingerprint)
        return rulebook

    def _look(self) -> Content | OSError:
        assert self.path is not None
        try:
            return read(self.path)
        except OSError as error:
            return error


def _same(one: Content | OSError, other: Content | OSError) -> bool:
    if isinstance(one, OSError) and isinstance(other, OSError):
        return one.errno == other.errno
    return one == other


def _unreadable(path: Path, error: OSError) -> str:
    return f"{path}:1: cannot be read: {error.strerror or error}"
