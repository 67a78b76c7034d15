"""Reads SMS of subscribers by hand: tries every way to split one into a keyword and the rest.

For answers, widths, case and spaces are made equal. All other SMS are also read without signs
around them, accents, and invisible characters.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple
from unicodedata import category, digit, normalize

from streamproc.core.rules.rulebook import Rulebook

_BETWEEN = ",、;/+& "
_DASHES = "-~‐‒–—―−〜至到"
_ACCENTS = (
    "\u0300-\u036f \u0591-\u05c7 \u064b-\u065f \u0670-\u0670 \u20d0-\u20ff "
    "\ufe00-\ufe0f \ufe20-\ufe2f \U0001d165-\U0001d1ad"
)
_ALIKE = str.maketrans(
    "łđøıىیکة٪،؛", "ldoiييكه%,;", "ـ\u115f\u1160" + "".join(map(chr, range(0xE0100, 0xE01F0)))
)
_PICTURES = "™ℹⓂ㊗㊙№゛゜" + "".join(map(chr, range(0x1F200, 0x1F266)))


_WORDS = {
    "thresholds": ("default",),
    "quiet_hours": ("default", "off"),
    "schedule": ("default", "off", "day", "week", "month"),
}
"""The words that can be arguments of choices."""


class Meant(NamedTuple):
    """Action, word and numbers of an SMS."""

    action: str
    word: str = ""
    numbers: tuple[int, ...] = ()


def meaning(text: str, rules: Rulebook) -> Meant | None:
    """What an SMS asks for; None if it is not a command."""
    commands = rules.commands
    assert commands is not None
    answers, others = _splits(_narrow(text), 0), _splits_behind_signs(_plain(text))
    found: list[tuple[int, Meant]] = []
    for action, keywords in commands.keywords.items():
        for keyword in keywords:
            if action in ("confirm", "refuse"):
                key = _narrow(keyword).replace(" ", "")
                meant = [_answer(action, rest) for rest in answers[key]]
            else:
                key = _tight(keyword)
                meant = [_argument(action, rest, rules) for rest in others[key]]
            found += [(len(key), one) for one in meant if one is not None]
    return max(found, key=lambda one: one[0])[1] if found else None


def seems_an_answer(text: str, rules: Rulebook) -> bool:
    """Whether an SMS would be an answer if signs and the like were ignored."""
    assert rules.commands is not None
    others = _splits_behind_signs(_plain(text))
    return any(
        not rest or _digits(rest, 3) is not None
        for action in ("confirm", "refuse")
        for keyword in rules.commands.keywords[action]
        for rest in others[_tight(keyword)]
    )


def _narrow(text: str) -> str:
    return " ".join(normalize("NFKC", normalize("NFKC", text).casefold()).split())


def _plain(text: str) -> str:
    """The text without accents, foreign digits and invisible characters."""
    pictured = "".join(" " if char in _PICTURES else char for char in text)
    letters = normalize("NFKD", normalize("NFKD", pictured).casefold()).translate(_ALIKE)
    return " ".join(normalize("NFC", "".join(map(_seen, letters))).split())


def _seen(char: str) -> str:
    if char.isspace():
        return " "
    if category(char) == "Nd":
        return str(digit(char))
    is_accent = any(part[0] <= char <= part[2] for part in _ACCENTS.split())
    return "" if is_accent or category(char) in ("Cc", "Cf", "Cs") else char


def _tight(text: str) -> str:
    return _plain(text).replace(" ", "")


def _is_word(char: str) -> bool:
    return char.isalnum() or category(char).startswith("M")


def _splits(text: str, start: int) -> defaultdict[str, list[str]]:
    """The rest behind each place, by the text before the place without spaces."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for at in range(start, len(text) + 1):
        found[text[start:at].replace(" ", "")].append(text[at:].strip())
    return found


def _splits_behind_signs(text: str) -> defaultdict[str, list[str]]:
    """The same, from every place up to the first word, also without the signs around the rest."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for start in range(len(text) + 1):
        for before, rests in _splits(text, start).items():
            found[before] += [one for rest in rests for one in (rest, _without_signs(rest))]
        if start < len(text) and _is_word(text[start]):
            break
    return found


def _without_signs(text: str) -> str:
    words = [at for at, char in enumerate(text) if _is_word(char)]
    return text[words[0] : words[-1] + 1] if words else ""


def _answer(action: str, rest: str) -> Meant | None:
    """A word alone, or with one number that may have a plus before it."""
    if not rest:
        return Meant(action)
    bare = rest[1:].strip() if rest[0] == "+" else rest
    ascii_digits = "".join(str(digit(char)) if category(char) == "Nd" else char for char in bare)
    number = _digits(ascii_digits, 3)
    return None if number is None else Meant(action, "", (number,))


def _argument(action: str, rest: str, rules: Rulebook) -> Meant | None:
    if not rest:
        return Meant(action)
    if action in ("stop", "start"):
        return _category(action, rest, rules)
    if action == "unsubscribe":
        numbers = _numbers(rest)
        return None if numbers is None else Meant(action, "", tuple(dict.fromkeys(numbers)))
    for word in _WORDS.get(action, ()):
        if _tight(rest) in map(_tight, rules.commands.words[word]):  # type: ignore[union-attr]
            return Meant(action, word)
    if action == "thresholds":
        return _percents(rest)
    if action == "quiet_hours":
        return _span(rest)
    return _timing(rest, rules) if action == "schedule" else None


def _category(action: str, rest: str, rules: Rulebook) -> Meant | None:
    assert rules.commands is not None
    for one in rules.categories:
        called = rules.commands.category_names.get(one, {})
        names = (one, *rules.commands.categories.get(one, ()), *called.values())
        if _tight(rest) in map(_tight, names):
            return Meant(action, one)
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
    # A percent sign belongs to digits, with at most one space in between.
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
    """Minutes after midnight for ``7``, ``22`` or ``22:30``."""
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
                    minute = _minute(_without_signs(rest[at:]))
                    if minute is not None:
                        return Meant("schedule", word, (minute,))
    return None
