"""Reads an SMS into a command: exact keywords, in all ways in which a phone can write them.

Differences of width, case, spaces, accents, signs around a word and invisible characters do not
matter. Another word matters: ``STOP IT`` is not ``STOP``. Answers to questions are read strictly:
to confirm a charge, an SMS contains only the word and the number, and may differ only in width,
case and spaces. The longest keyword whose rest is a valid argument wins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from weakref import WeakKeyDictionary

from streamproc.core.commands.arguments import NUMBER, SEPARATORS, Command, after
from streamproc.core.commands.folding import (
    begin_of,
    is_sign,
    loose,
    squeezed,
    strict,
    trimmed,
    with_ascii_digits,
)
from streamproc.core.commands.preferences import HANDLERS
from streamproc.core.rules.commands import ANSWERS, Commands
from streamproc.core.rules.rulebook import Rulebook


class Grammar:
    """The commands of one rulebook, ready to be matched."""

    def __init__(self, commands: Commands, categories: tuple[str, ...]) -> None:
        self.keywords = sorted(
            (
                (
                    strict(keyword).replace(" ", "") if action in ANSWERS else squeezed(keyword),
                    action,
                )
                for action, keywords in commands.keywords.items()
                for keyword in keywords
            ),
            # The longest keyword is tried first, because a short one may be the beginning of it.
            key=lambda one: (-len(one[0]), one),
        )
        self.answers = [
            squeezed(keyword) for action in sorted(ANSWERS) for keyword in commands.keywords[action]
        ]
        self.words = {
            word: tuple(map(squeezed, spellings)) for word, spellings in commands.words.items()
        }
        self.categories = {
            squeezed(name): category
            for category in reversed(categories)
            for name in commands.names_of(category)
        }

    def parse(self, text: str) -> Command | None:
        """The command of an SMS; None if it is not a command."""
        answer, shown = strict(text), loose(text)
        begin = begin_of(shown)
        for keyword, action in self.keywords:
            rests = (
                _rests_of_answer(keyword, answer)
                if action in ANSWERS
                else _rests_of_command(keyword, shown, begin)
            )
            for rest in rests:
                command = _ARGUMENTS[action](self, action, rest)
                if command is not None:
                    return command
        return None

    def is_nearly_an_answer(self, text: str) -> bool:
        """Whether an SMS that is not a command would be an answer if answers were read loosely."""
        shown = loose(text)
        begin = begin_of(shown)
        return any(
            not rest or NUMBER.fullmatch(rest)
            for keyword in self.answers
            for rest in _rests_of_command(keyword, shown, begin)
        )


_grammars: WeakKeyDictionary[Rulebook, Grammar] = WeakKeyDictionary()


def grammar_of(rules: Rulebook, commands: Commands) -> Grammar:
    """The grammar of a rulebook, built once."""
    found = _grammars.get(rules)
    if found is None:
        found = _grammars[rules] = Grammar(commands, rules.categories)
    return found


def _rests_of_answer(keyword: str, text: str) -> Iterator[str]:
    """The possible rests after an answer's word: nothing, or its number. Texts show it after a plus
    sign."""
    rest = after(keyword, text)
    if rest is not None:
        yield with_ascii_digits(rest.strip().removeprefix("+").lstrip() or rest.strip())


def _rests_of_command(keyword: str, text: str, begin: int) -> Iterator[str]:
    """The possible rests after a keyword in a text whose leading signs end at ``begin``: as it is,
    and without the signs around it. A keyword can begin with a sign itself."""
    for start in range(begin + 1) if is_sign(keyword[0]) else (begin,):
        rest = after(keyword, text[start:])
        if rest is not None:
            yield rest.strip()
            yield trimmed(rest)


def _nothing(grammar: Grammar, action: str, rest: str) -> Command | None:
    return None if rest else Command(action)


def _list_numbers(grammar: Grammar, action: str, rest: str) -> Command | None:
    if not rest:
        return Command(action)
    parts = SEPARATORS.split(rest)
    if not all(NUMBER.fullmatch(part) for part in parts):
        return None
    return Command(action, "", tuple(dict.fromkeys(map(int, parts))))


def _one_number(grammar: Grammar, action: str, rest: str) -> Command | None:
    if rest and not NUMBER.fullmatch(rest):
        return None
    return Command(action, "", (int(rest),) if rest else ())


def _category(grammar: Grammar, action: str, rest: str) -> Command | None:
    if not rest:
        return Command(action)
    category = grammar.categories.get(rest.replace(" ", ""))
    return None if category is None else Command(action, category)


def _preference(grammar: Grammar, action: str, rest: str) -> Command | None:
    return HANDLERS[action].parse(grammar.words, rest) if rest else Command(action)


_ARGUMENTS: dict[str, Callable[[Grammar, str, str], Command | None]] = {
    "overview": _nothing,
    "balance": _nothing,
    "data_left": _nothing,
    **dict.fromkeys(HANDLERS, _preference),
    "unsubscribe": _list_numbers,
    "unsubscribe_all": _nothing,
    "confirm": _one_number,
    "refuse": _one_number,
    "stop": _category,
    "start": _category,
    "help": _nothing,
}
