"""What is left of an SMS that a subscriber wrote: the command, and nothing else.

A command consists of words of the rules file and of small numbers, so it can stay. Any other text
can say anything about anybody. It becomes a text that the worker treats in the same way.
"""

from __future__ import annotations

from streamproc.core.commands.arguments import Command
from streamproc.core.commands.folding import loose, strict
from streamproc.core.commands.parsing import grammar_of
from streamproc.core.rules.commands import ANSWERS
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.subscribers import SHORTEST

WITHHELD = ("withheld", "?", "...")
"""The first one that is not a command of the rules file is used."""


class SmsWords:
    """Reads SMS as a worker with these rules does."""

    def __init__(self, rules: Rulebook) -> None:
        self._commands = rules.commands
        self._grammar = None if self._commands is None else grammar_of(rules, self._commands)
        self._unknown = next(
            (one for one in WITHHELD if self._grammar is None or self._parse(one) is None), ""
        )

    def kept(self, text: str, subscriber: str) -> str:
        """The text without everything but its command. ``subscriber`` is who wrote it."""
        if self._commands is None or self._grammar is None:
            return self._unknown
        command = self._parse(text)
        if command is not None:
            return self._of_command(command, text, subscriber)
        if self._grammar.is_nearly_an_answer(text):
            for keyword in (one for name in ANSWERS for one in self._commands.keywords[name]):
                quoted = f'"{keyword}"'
                if self._parse(quoted) is None and self._grammar.is_nearly_an_answer(quoted):
                    return quoted
        return self._unknown

    def _parse(self, text: str) -> Command | None:
        return None if self._grammar is None else self._grammar.parse(text)

    def _of_command(self, command: Command, text: str, subscriber: str) -> str:
        """The command in its shortest form; unknown words if its numbers can be a phone number."""
        # Invisible characters can hide anything, so the folded form is written.
        folded = strict(text) if command.action in ANSWERS else loose(text)
        if not _can_be_a_number(folded):
            return folded if self._parse(folded) == command else self._keyword(command)
        return self._keyword(command, subscriber)

    def _keyword(self, command: Command, subscriber: str = "") -> str:
        """The keyword with its numbers in ascending order, which is not the order of a phone
        number."""
        assert self._commands is not None
        numbers = sorted(command.numbers)
        digits = "".join(map(str, numbers))
        if subscriber and any(part in digits for part in _parts(subscriber)):
            numbers = []
        wanted = Command(command.action, command.word, tuple(numbers))
        for keyword in self._commands.keywords[command.action]:
            plain = " ".join((keyword, command.word, *map(str, numbers))).strip()
            if self._parse(plain) == wanted:
                return plain
        return self._unknown


def _can_be_a_number(text: str) -> bool:
    return sum(one.isnumeric() for one in text) >= SHORTEST


def _parts(subscriber: str) -> list[str]:
    """The runs of a number that would identify it."""
    return [subscriber[at : at + SHORTEST] for at in range(len(subscriber) - SHORTEST + 1)]
