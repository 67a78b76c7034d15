"""Which of some locales is best for a reader, and words of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from streamproc.core.texts.formats import babel_locale
from streamproc.core.texts.wording import Wording


def best_locale(available: Iterable[str], wanted: str, default: str) -> str:
    """Exact, then same language and script, then same language, then the default, then the first.

    Script before country: a reader in Hong Kong (``zh-HK``) is better served by ``zh-TW``.
    """
    known = list(available)
    if wanted in known:
        return wanted
    language = wanted.partition("-")[0].lower()
    same = [one for one in known if language and one.partition("-")[0].lower() == language]
    if len(same) > 1:
        script = babel_locale(wanted).script
        written = [one for one in same if babel_locale(one).script == script]
        same = written or same
    if same:
        return same[0]
    return default if default in known else known[0]


def in_locale(words: Mapping[str, str], locale: str, default: str) -> str:
    """The word for a locale, of at least one; ``default`` is the rules' own locale."""
    return words[best_locale(words, locale, default)]


def given_in(wording: Wording, locale: str, default: str) -> dict[str, str]:
    """The values of ``vocabulary.EVERYWHERE`` in a locale, those that there are."""
    words = {"brand": wording.brand, "care": wording.care}
    return {name: in_locale(texts, locale, default) for name, texts in words.items() if texts}
