"""The text for a subscriber: the best locale of those there are, compiled once per rulebook."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from streamproc.core.rulebook import Rulebook
from streamproc.core.texts.formats import babel_locale
from streamproc.core.texts.template import Text, compile_text
from streamproc.core.texts.vocabulary import Vocabulary

_MAX_PREPARED: Final = 20_000
"""Locales come with activations, so nobody bounds how many spellings of them there are."""


def text_of(
    owner: str, texts: Mapping[str, str], known: Vocabulary, wanted: str, rules: Rulebook
) -> Text:
    """The text of ``owner`` (an id, unique among all that have texts) for a locale.

    ``texts`` are templates by language tag, at least one, known to be right. Raises
    :class:`streamproc.core.texts.template.TextError` if they are not.
    """
    prepared = rules.prepared
    found: Text | None = prepared.get((owner, wanted))
    if found is None:
        if len(prepared) >= _MAX_PREPARED:
            prepared.clear()
        locale = best_locale(texts, wanted, rules.default_locale)
        found = prepared.get((owner, locale))
        if found is None or found.locale != locale:
            found = compile_text(texts[locale], locale, known, rules.currency)
            options = rules.text_options.get((owner, locale))
            if options is not None:
                found.channels = {
                    channel: compile_text(template, locale, known, rules.currency).render
                    for channel, template in options.channels.items()
                }
        prepared[owner, wanted] = found
    return found


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
