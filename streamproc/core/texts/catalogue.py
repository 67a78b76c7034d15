"""The text for a subscriber: in the best available locale, compiled once per rulebook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from streamproc.core.rules.placeholders import Vocabulary
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.texts.formats import Formats, formats
from streamproc.core.texts.letters import plain_letters
from streamproc.core.texts.locales import best_locale, given_in
from streamproc.core.texts.template import Text, compile_text

_MAX_PREPARED: Final = 20_000
"""Locales come with activations, so the number of different spellings has no natural limit."""


def text_of(
    owner: str, texts: Mapping[str, str], known: Vocabulary, wanted: str, rules: Rulebook
) -> Text:
    """The text of ``owner`` (an id, unique among all that have texts) for a locale.

    ``texts`` are valid templates by language tag, at least one. Raises
    :class:`streamproc.core.texts.template.TextError` if a template is not valid.
    """
    prepared = rules.prepared
    found: Text | None = prepared.get((owner, wanted))
    if found is None:
        if len(prepared) >= _MAX_PREPARED:
            prepared.clear()
        locale = best_locale(texts, wanted, rules.default_locale)
        found = prepared.get((owner, locale))
        if found is None or found.locale != locale:
            found = compiled_for(texts[locale], locale, known, rules)
            options = rules.text_options.get((owner, locale))
            if options is not None:
                found.channels = {
                    channel: compiled_for(template, locale, known, rules, is_sms=False).render
                    for channel, template in options.channels.items()
                }
        prepared[owner, wanted] = found
    return found


def compiled_for(
    template: str, locale: str, known: Vocabulary, rules: Rulebook, *, is_sms: bool = True
) -> Text:
    """A template compiled with the options of the rules. Only an SMS is written without
    diacritics."""
    wording = rules.wording
    given = given_in(wording, locale, rules.default_locale)
    shown = formats_under(locale, rules)
    text = compile_text(template, locale, known, rules.currency, given, shown=shown)
    if is_sms and locale in wording.transliterated:
        render = text.render
        text.render = lambda figures: plain_letters(render(figures))
        text.is_transliterated = True
    return text


def formats_under(locale: str, rules: Rulebook) -> Formats:
    """How a locale shows values under these rules."""
    wording = rules.wording
    return formats(
        locale,
        rules.currency,
        is_narrow=wording.has_narrow_signs,
        is_binary=wording.has_binary_units,
    )
