"""The rules file of a running worker: loaded at start, picked up or refused when it changes."""

from __future__ import annotations

from pathlib import Path

import structlog

from streamproc.contracts.rulesfile import RulesError, default_rulebook, load_rulebook
from streamproc.core.rulebook import Rulebook

log = structlog.get_logger(__name__)


class RulesFile:
    """A rulebook that follows its file."""

    def __init__(self, path: Path | None) -> None:
        """Raises ``RulesError`` if the file is wrong: nothing starts with wrong rules."""
        self.path = path
        self._text = ""
        self.rulebook = self._load() if path else default_rulebook()

    def refresh(self) -> Rulebook | None:
        """The new rulebook if the file changed for the better; a wrong file is logged once."""
        if self.path is None:
            return None
        before = self._text
        try:
            if self._read() == before:
                return None
            rulebook = self._load()
        except RulesError as error:
            log.error("changed rules refused, keeping the old ones", problems=str(error))
            return None
        log.info("changed rules taken over", file=str(self.path))
        self.rulebook = rulebook
        return rulebook

    def _read(self) -> str:
        assert self.path is not None
        try:
            return self.path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RulesError(f"{self.path}: cannot be read: {error}") from error

    def _load(self) -> Rulebook:
        self._text = self._read()
        return load_rulebook(self._text, str(self.path))
