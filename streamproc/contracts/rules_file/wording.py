"""Words of a rules file that do not belong to a plan, service or rule, in the form of the core."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from streamproc.contracts.rules_file.format.entries import RulesFormat
from streamproc.contracts.rules_file.read.field_lines import Path
from streamproc.core.rules.as_written import items
from streamproc.core.rules.fields import MAX_WORD_LENGTH, Words
from streamproc.core.rules.placeholders import EVERYWHERE
from streamproc.core.rules.wording import Wording
from streamproc.core.texts.locales import in_locale, script_of


def wording_of(file: RulesFormat) -> Wording:
    default = file.default_locale
    return Wording(
        _by_locale(file.brand, default),
        _by_locale(file.care, default),
        dict(file.topup_names),
        dict(file.rollover_names),
        file.currency_display == "narrow",
        file.byte_units == "binary",
        frozenset(map(str, file.transliterate)),
    )


def _by_locale(words: Words | None, default: str) -> dict[str, str]:
    if words is None:
        return {}
    return {default: words} if isinstance(words, str) else dict(words)


def words_problems(data: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Problems with words that are the same in every language, and with their letters."""
    for name in EVERYWHERE:
        words = data.get(name)
        if isinstance(words, str) and not 0 < len(words.strip()) <= MAX_WORD_LENGTH:
            yield (name,), f"must be words, 1 to {MAX_WORD_LENGTH} characters"
    for place, locale in enumerate(items(data, "transliterate")):
        if isinstance(locale, str) and script_of(locale) not in ("", "latn"):
            yield ("transliterate", place), f"texts in {locale} are not in Latin letters"


class Given:
    """The file's values for the placeholders that all texts have, as the operator wrote them."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        default = data.get("default_locale")
        self._default = default if isinstance(default, str) else "en"
        self._words = {name: self._read(data.get(name)) for name in EVERYWHERE}

    def in_locale(self, locale: str) -> dict[str, str]:
        """Values by placeholder, as far as the file gives them."""
        return {
            name: in_locale(words, locale, self._default)
            for name, words in self._words.items()
            if words
        }

    def _read(self, words: Any) -> dict[str, str]:
        """Values of a wrong type are skipped: they are reported elsewhere."""
        if isinstance(words, str):
            return {self._default: words}
        found = words.items() if isinstance(words, dict) else ()
        return {a: b for a, b in found if isinstance(a, str) and isinstance(b, str)}
