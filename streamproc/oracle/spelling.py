"""Texts of subscribers read by hand: every way to split one into a keyword and the rest."""

from __future__ import annotations

from typing import NamedTuple
from unicodedata import normalize

from streamproc.core.rulebook import Rulebook

_BETWEEN = ",、;/ "
_DASHES = "-~–—至到"


class Meant(NamedTuple):
    """Action, word and numbers of a text."""

    action: str
    word: str = ""
    numbers: tuple[int, ...] = ()


def meaning(text: str, rules: Rulebook) -> Meant | None:
    """What a text asks for; None if it is no command."""
    commands = rules.commands
    assert commands is not None
    plain = " ".join(normalize("NFKC", text).lower().split())
    splits = {_tight(plain[:at]): plain[at:].strip() for at in range(len(plain), -1, -1)}
    found: list[tuple[int, Meant]] = []
    for action, keywords in commands.keywords.items():
        for keyword in keywords:
            key = _tight(keyword)
            if key in splits:
                meant = _argument(action, splits[key], rules)
                if meant is not None:
                    found.append((len(key), meant))
    return max(found, key=lambda one: one[0])[1] if found else None


def _tight(text: str) -> str:
    return normalize("NFKC", text).lower().replace(" ", "")


def _argument(action: str, rest: str, rules: Rulebook) -> Meant | None:
    if not rest:
        return Meant(action)
    if action in ("stop", "start"):
        return _category(action, rest, rules)
    if action == "unsubscribe":
        numbers = _numbers(rest)
        return None if numbers is None else Meant(action, "", tuple(dict.fromkeys(numbers)))
    if action in ("confirm", "refuse"):
        number = _digits(rest, 3)
        return None if number is None else Meant(action, "", (number,))
    if action not in ("thresholds", "quiet_hours", "schedule"):
        return None
    for word in ("default", "off", "day", "week", "month"):
        if _tight(rest) in map(_tight, rules.commands.words[word]):  # type: ignore[union-attr]
            allowed = {"thresholds": ("default",), "quiet_hours": ("default", "off")}
            if word in allowed.get(action, (word,)):
                return Meant(action, word)
    if action == "thresholds":
        return _percents(rest)
    if action == "quiet_hours":
        return _span(rest)
    return _timing(rest, rules)


def _category(action: str, rest: str, rules: Rulebook) -> Meant | None:
    assert rules.commands is not None
    for category in rules.categories:
        names = (category, *rules.commands.categories.get(category, ()))
        if _tight(rest) in map(_tight, names):
            return Meant(action, category)
    return None


def _digits(text: str, most: int) -> int | None:
    is_number = 0 < len(text) <= most and all(char in "0123456789" for char in text)
    return int(text) if is_number else None


def _numbers(rest: str) -> list[int] | None:
    if rest[0] in _BETWEEN or rest[-1] in _BETWEEN:
        return None
    for char in _BETWEEN:
        rest = rest.replace(char, " ")
    found = [_digits(part, 3) for part in rest.split()]
    return None if None in found else [one for one in found if one is not None]


def _percents(rest: str) -> Meant | None:
    # A percent sign belongs to digits, with at most a space in between.
    bare = ""
    for at, char in enumerate(rest):
        if char == "%":
            if at == 0 or rest[:at].rstrip(" ")[-1:] not in tuple("0123456789"):
                return None
            if at + 1 < len(rest) and rest[at + 1] not in _BETWEEN:
                return None
            continue
        bare += char
    bare = bare.strip(" ")
    values = sorted(set(_numbers(bare) or ())) if bare else []
    if not values or len(values) > 5 or values[0] < 1 or values[-1] > 100:
        return None
    return Meant("thresholds", "", tuple(values))


def _minute(text: str) -> int | None:
    """Minutes after midnight of ``7``, ``22`` or ``22:30``."""
    hours, colon, minutes = text.partition(":")
    hour = _digits(hours, 2)
    minute = (_digits(minutes, 2) if len(minutes) == 2 else None) if colon else 0
    if hour is None or minute is None or minute > 59 or hour * 60 + minute > 1440:
        return None
    return (hour * 60 + minute) % 1440


def _span(rest: str) -> Meant | None:
    places = [at for at, char in enumerate(rest) if char in _DASHES]
    if len(places) != 1:
        return None
    start = _minute(rest[: places[0]].strip())
    end = _minute(rest[places[0] + 1 :].strip())
    if start is None or end is None or start == end:
        return None
    return Meant("quiet_hours", "", (start, end))


def _timing(rest: str, rules: Rulebook) -> Meant | None:
    assert rules.commands is not None
    for word in ("day", "week", "month"):
        for spelling in rules.commands.words[word]:
            for at in range(len(rest)):
                if _tight(rest[:at]) == _tight(spelling):
                    minute = _minute(rest[at:].strip())
                    if minute is not None:
                        return Meant("schedule", word, (minute,))
    return None
