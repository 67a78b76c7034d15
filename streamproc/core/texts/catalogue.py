"""The text for a subscriber: the best locale of those there are, compiled once per rulebook."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from streamproc.core.rulebook import Rulebook
from streamproc.core.texts.locales import best_locale, given_in
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
            given = given_in(rules.wording, locale, rules.default_locale)
            compiled = partial(
                compile_text,
                locale=locale,
                known=known,
                currency=rules.currency,
                given=given,
                is_narrow=rules.wording.has_narrow_signs,
            )
            found = compiled(texts[locale])
            options = rules.text_options.get((owner, locale))
            if options is not None:
                found.channels = {
                    channel: compiled(template).render
                    for channel, template in options.channels.items()
                }
        prepared[owner, wanted] = found
    return found
