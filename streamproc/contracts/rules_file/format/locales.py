"""Language tags of a rules file, and words by locale."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache, lru_cache
from typing import Any

from streamproc.contracts.rules_file.read.field_lines import Path
from streamproc.core.rules.as_written import entries
from streamproc.core.rules.fields import LOCALE_PATTERN

MOST_LOCALES = 256
"""In one file. The formats of each take some milliseconds, and just so many are kept."""
_BY_LOCALE = frozenset(
    ("texts", "names", "topup_names", "rollover_names", "category_names", "shown", "brand", "care")
)
"""Fields with locales in them, at whatever depth."""

_NO_LANGUAGES = frozenset(("mis", "mul", "und", "zxx"))
"""Codes that mean "no language" or "several languages"."""


def place_of_too_many(data: Mapping[str, Any]) -> Path | None:
    """The place of the first locale that is one too many; None if there are few enough.

    It is asked before anything else is checked, because each locale costs time.
    """
    seen: set[str] = set()
    for path, tag in _tags_in(data, (), within=False):
        seen.add(tag)
        if len(seen) > MOST_LOCALES:
            return path
    return None


def _tags_in(node: Any, path: Path, *, within: bool) -> Iterator[tuple[Path, str]]:
    """Everything that can be a language tag, and what looks like one beside it."""
    if isinstance(node, dict):
        for name, value in node.items():
            if within and re.search(LOCALE_PATTERN, name) is not None:
                yield (*path, name), name
            yield from _tags_in(value, (*path, name), within=within or name in _BY_LOCALE)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _tags_in(value, (*path, index), within=within)


@lru_cache(maxsize=2 * MOST_LOCALES)
def locale_problem(tag: str) -> str | None:
    """Why a locale does not exist, with a proposal if possible; None if CLDR knows it."""
    languages, scripts, regions = _known()
    language, *rest = tag.split("-")
    lowered = language.lower()
    if lowered not in languages:
        near = get_close_matches(lowered, sorted(languages - _NO_LANGUAGES), 1, 0.8)
        meant = _language_of(language, rest) or near
        return _unknown(f"no language {language!r}", ["-".join([*meant, *rest])] if meant else [])
    for part in rest:
        if len(part) == 4 and part.isalpha() and part.title() not in scripts:
            return _unknown(f"no script {part!r}", get_close_matches(part.title(), scripts, 1))
        if len(part) == 2 and part.upper() not in regions:
            meant = [f"{language}-{one}" for one in _regions_now(part.upper())]
            return _unknown(f"no country {part!r}", meant)
        if len(part) == 1:
            break  # extensions and private use
    return None


def _unknown(what: str, meant: list[str]) -> str:
    return f"there is {what}" + (f"; did you mean {meant[0]}?" if meant else "")


def _regions_now(region: str) -> list[str]:
    """The present codes of a region. Many people write ``UK``; CLDR's code is GB."""
    from babel.core import get_global

    return list(get_global("territory_aliases").get(region, ()))[:1]


def _language_of(country: str, rest: list[str]) -> list[str]:
    """The language that was meant, if the tag is a country (``cn``, ``jp``) or an English name."""
    from babel.core import Locale, get_global

    for code, name in Locale("en").languages.items():
        if name == country.title():
            return [code]
    likely = get_global("likely_subtags").get(f"und_{country.upper()}")
    if likely is None or rest:
        return []
    language, _, region = likely.split("_")
    return [language, region] if language == "zh" else [language]


@cache
def _known() -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Languages, scripts and countries that CLDR knows."""
    from babel.core import Locale, get_global

    english = Locale("en")
    aliases = get_global("language_aliases")
    languages = {one.partition("_")[0].lower() for one in (*english.languages, *aliases)}
    return frozenset(languages), frozenset(english.scripts), frozenset(english.territories)


def names_problems(data: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Names in locales that do not exist, and allowances with different names."""
    for path, names in _all_names(data):
        for locale in names if isinstance(names, dict) else ():
            if not isinstance(locale, str) or re.search(LOCALE_PATTERN, locale) is None:
                continue  # its wrong type is reported elsewhere
            if problem := locale_problem(locale):
                yield (*path, locale), problem
    seen: dict[Any, Any] = {}
    for number, plan in entries(data, "plans"):
        for index, one in entries(plan, "allowances"):
            name, names = one.get("id"), one.get("names")
            if isinstance(name, str) and names and seen.setdefault(name, names) != names:
                path = ("plans", number, "allowances", index, "names")
                yield path, f"{name!r} has other names in another plan"


def _all_names(data: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    for section in ("plans", "packs", "services", "roaming_zones"):
        for index, one in entries(data, section):
            yield (section, index, "names"), one.get("names")
    for number, plan in entries(data, "plans"):
        for index, one in entries(plan, "allowances"):
            yield ("plans", number, "allowances", index, "names"), one.get("names")
    for field in ("topup_names", "rollover_names", "brand", "care"):
        yield (field,), data.get(field)
    commands = data.get("commands")
    categories = commands.get("category_names") if isinstance(commands, dict) else None
    for category, names in categories.items() if isinstance(categories, dict) else ():
        yield ("commands", "category_names", category), names
