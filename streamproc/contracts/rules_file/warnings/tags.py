"""Languages and currencies that do not exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any

from streamproc.contracts.rules_file.format.locales import locale_problem
from streamproc.contracts.rules_file.read.field_lines import Path
from streamproc.contracts.rules_file.warnings.subject import Subject, Warned

_ALSO_CALLED = {"RMB": "CNY", "NTD": "TWD", "STG": "GBP", "NIS": "ILS"}


def unknown_locales(subject: Subject) -> Warned:
    """Language tags that CLDR does not know. In names they are an error already."""
    for path, tag in _tags(subject):
        problem = locale_problem(tag)
        if problem:
            yield path, problem


def unknown_currency(subject: Subject) -> Warned:
    """A currency code that is not in ISO 4217, or that is not in use any more."""
    code = subject.file.currency
    known, used = _currencies()
    if code not in known:
        near = [_ALSO_CALLED[code]] if code in _ALSO_CALLED else _near(code, used)
        meant = f"; did you mean {near[0]}?" if near else ""
        yield ("currency",), f"ISO 4217 has no currency {code!r}{meant}"
    elif code not in used:
        yield ("currency",), f"{code} is not in use any more"


def _near(code: str, used: list[str]) -> list[str]:
    """Similar codes, those with the same beginning first: most errors are in the last letter."""
    found = get_close_matches(code, used, 20, 0.6)
    return sorted(found, key=lambda one: (one[:2] != code[:2], one[:1] != code[:1]))


def _tags(subject: Subject) -> Iterator[tuple[Path, str]]:
    file = subject.file
    yield ("default_locale",), file.default_locale
    owners: list[tuple[Path, Mapping[str, Any]]] = [
        *((("rules", index, "texts"), rule.texts) for index, rule in enumerate(file.rules)),
        *((("notices", index, "texts"), one.texts) for index, one in enumerate(file.notices)),
    ]
    if file.commands is not None:
        owners += [
            (("commands", "texts", reply), texts) for reply, texts in file.commands.texts.items()
        ]
        owners.append((("commands", "shown"), file.commands.shown))
    for path, words in owners:
        for tag in words:
            yield (*path, tag), tag


@cache
def _currencies() -> tuple[frozenset[str], list[str]]:
    """All currencies that ever existed, and those in use today."""
    from babel.core import get_global
    from babel.numbers import list_currencies

    used = {
        code
        for entries in get_global("territory_currencies").values()
        for code, _begin, end, is_tender in entries
        if end is None and is_tender
    }
    return frozenset(list_currencies()), sorted(used)
