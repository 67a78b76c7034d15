"""Which of several locales is best for a reader, and words in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from streamproc.core.rules.wording import Wording

_TAG: Final = re.compile(r"[a-z]{2,8}(-[a-z0-9]{1,8})*")
_OTHER_NAMES: Final = {"iw": "he", "in": "id", "ji": "yi", "no": "nb", "tl": "fil"}
"""Languages that have two codes."""
_ALSO_READ: Final = {
    "nn": ("nb",),
    "nb": ("nn", "da"),
    "da": ("nb",),
    "bs": ("hr", "sr-latn"),
    "hr": ("bs", "sr-latn"),
    "sr": ("bs", "hr"),
    "be": ("ru",),
    "kk": ("ru",),
    "ky": ("ru",),
    "tg": ("ru",),
    "ca": ("es",),
    "eu": ("es",),
    "gl": ("es",),
    "ast": ("es",),
    "oc": ("fr",),
    "br": ("fr",),
    "co": ("fr",),
    "lb": ("de", "fr"),
    "gsw": ("de",),
    "nds": ("de",),
    "fy": ("nl",),
    "yue": ("zh-hant", "zh"),
    "wuu": ("zh",),
    "cy": ("en",),
    "ga": ("en",),
    "gd": ("en",),
    "mt": ("en",),
    "fil": ("en",),
    "ckb": ("ar",),
    "ug": ("zh",),
    "bo": ("zh",),
}
"""Other languages that readers of a language can read, if there is nothing in their own; best
first."""
_NOT_MIXED: Final = {"hans", "hant"}


def is_same_script(one: str, other: str) -> bool:
    """Whether two locales are of one language, and written in one script."""
    a, b = _tag(one), _tag(other)
    return one == other or (bool(a.language) and a[:2] == b[:2])


def script_of(locale: str) -> str:
    """The script of a locale, in lower case (``latn``); empty if it is unknown."""
    return _tag(locale).script


class _Tag(NamedTuple):
    """The parts of a language tag, all in lower case; an unknown part is empty."""

    language: str
    script: str
    region: str


def best_locale(available: Iterable[str], wanted: str, default: str) -> str:
    """The best locale for a reader of ``wanted``; ``default`` is the default locale of the rules.

    In this order:

    1. the same tag;
    2. the same language and script (``zh-HK`` reads ``zh-TW``), the nearest of several (``es-MX``
       reads ``es-US``);
    3. the same language;
    4. a language that these readers can read, too;
    5. the default, if its script is theirs or their language is unknown;
    6. English;
    7. any locale in their script;
    8. the default, else the first.
    """
    known = tuple(available)
    return wanted if wanted in known else _best(known, wanted, default)


@lru_cache(maxsize=20_000)
def _best(known: tuple[str, ...], wanted: str, default: str) -> str:
    reader = _tag(wanted)
    tags = {one: _tag(one) for one in reversed(known)}
    of_language = _in_language(known, tags, reader)
    if of_language:
        return of_language[0]
    for other in _ALSO_READ.get(reader.language, ()):
        found = _in_language(known, tags, _tag(other))
        if found:
            return found[0]
    fallbacks = [default] if default in known else _in_language(known, tags, _tag(default))
    if reader.script and not any(tags[one].script == reader.script for one in fallbacks[:1]):
        english = [one for one in known if tags[one].language == "en"]
        readable = [one for one in known if tags[one].script == reader.script]
        fallbacks = [*english, *readable, *fallbacks]
    return fallbacks[0] if fallbacks else known[0]


def _in_language(known: tuple[str, ...], tags: Mapping[str, _Tag], reader: _Tag) -> list[str]:
    """The locales in a reader's language, best first."""
    same = [one for one in known if reader.language and tags[one].language == reader.language]
    return sorted(
        same, key=lambda one: (tags[one].script != reader.script, *_distance(tags[one], reader))
    )


def _distance(one: _Tag, reader: _Tag) -> tuple[int, int, bool]:
    """The distance of two tags of one language in CLDR's tree of locales.

    It counts the steps up from the reader, then down to the other. Of equal distances, the country
    with most of the readers is nearer.
    """
    ours, others = _ancestors(reader), _ancestors(one)
    up = next(place for place, parent in enumerate(ours) if parent in others)
    return (
        up,
        others.index(ours[up]),
        one.region != (reader.region or _likely(reader.language).region),
    )


def _ancestors(tag: _Tag) -> list[str]:
    """The country of a tag, its parents, and last the language itself: mx, 419, none."""
    from babel.core import get_global

    parents = get_global("parent_exceptions")
    script, found, region = tag.script.title(), [], tag.region
    while region and region not in found:
        found.append(region)
        for name in (
            f"{tag.language}_{region.upper()}",
            f"{tag.language}_{script}_{region.upper()}",
        ):
            if name in parents:
                region = parents[name].rpartition("_")[2].lower()
                break
    return [*found, ""]


@lru_cache(maxsize=20_000)
def _tag(text: str) -> _Tag:
    plain = text.strip().replace("_", "-").lower()
    if _TAG.fullmatch(plain) is None:
        return _Tag("", "", "")
    language, *rest = plain.split("-")
    language = _OTHER_NAMES.get(language, language)
    script = next((one for one in rest[:1] if len(one) == 4 and one.isalpha()), "")
    after = rest[1:] if script else rest
    region = next((one for one in after[:1] if re.fullmatch("[a-z]{2}|[0-9]{3}", one)), "")
    return _Tag(language, script or _likely(language, region).script, region)


def _likely(language: str, region: str = "") -> _Tag:
    """A language with the script and country of most of its readers."""
    from babel.core import get_global

    known = get_global("likely_subtags")
    found = known.get(f"{language}_{region.upper()}") or known.get(language)
    if found is None:
        return _Tag(language, "", "")
    _, script, country = found.lower().split("_")
    return _Tag(language, script, country)


def name_locale(wanted: str, text_locale: str) -> str:
    """The locale of the names that a text in ``text_locale`` shows to a reader of ``wanted``.

    Simplified and Traditional characters are not mixed in one text.
    """
    return text_locale if _is_mixed(wanted, text_locale) else wanted


def best_name(names: Mapping[str, str], locale: str, default: str) -> str:
    """The name for a locale; ``names`` has at least one. An English name is better than one in the
    other kind of Chinese characters."""
    found = best_locale(names, locale, default)
    if _is_mixed(found, locale):
        found = next((one for one in names if _tag(one).language == "en"), found)
    return names[found]


def _is_mixed(one: str, other: str) -> bool:
    return {script_of(one), script_of(other)} == _NOT_MIXED


def in_locale(words: Mapping[str, str], locale: str, default: str) -> str:
    """The word for a locale; ``words`` has at least one. ``default`` is the default locale of the
    rules."""
    return words[best_locale(words, locale, default)]


def given_in(wording: Wording, locale: str, default: str) -> dict[str, str]:
    """The values of ``placeholders.EVERYWHERE`` in a locale, as far as the rules give them."""
    words = {"brand": wording.brand, "care": wording.care}
    return {name: best_name(texts, locale, default) for name, texts in words.items() if texts}
