"""Checks every text with extreme figures: for errors, and for its length.

With the *usual* figures of ``samples.py`` a text must keep its budget of segments. With the
*extreme* ones it must at least be renderable.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from streamproc.core.rules.rulebook import Rulebook, TextOptions
from streamproc.core.texts.catalogue import compiled_for
from streamproc.core.texts.formats import formats
from streamproc.core.texts.samples import LocaleWords, Sample, owners_of, samples
from streamproc.core.texts.segments import segments
from streamproc.core.texts.template import Text

SMS: Final = "sms"
MAX_SEGMENTS: Final = 255
"""A message with more parts cannot be numbered."""

_NUMBERS: Final = (0, 1, 2, 3, 5, 6, 10, 11, 12, 20, 21, 22, 25, 100, 101, 102, 103, 111, 365)
"""One number for each plural form of every language."""


class Rendered(NamedTuple):
    """A text with one sample's figures."""

    sample: Sample
    text: str
    encoding: str
    segments: int


class Checked(NamedTuple):
    """A text of a rule, all its renderings, and what is wrong with it."""

    rule: str
    locale: str
    channel: str
    max_segments: int
    rendered: list[Rendered]
    problems: list[str]

    @property
    def longest(self) -> Rendered:
        """The longest of the usual renderings."""
        usual = [one for one in self.rendered if one.sample.is_usual]
        return max(usual, key=lambda one: (one.segments, len(one.text)))


def check(rules: Rulebook, locales: Collection[str] = ()) -> list[Checked]:
    """Every text of rules, notices and replies in the rulebook; in these locales only, if any are
    given."""
    found = []
    words: dict[str, LocaleWords] = {}
    for owner in owners_of(rules):
        for locale, template in owner.texts.items():
            if locales and locale not in locales:
                continue
            options = rules.text_options.get((owner.key, locale), TextOptions())
            channels = {SMS: template, **options.channels}
            if locale not in words:
                words[locale] = LocaleWords(locale, rules)
            figures = samples(owner, words[locale])
            for channel, source in channels.items():
                is_sms = channel == SMS
                text = compiled_for(source, locale, owner.known, rules, is_sms=is_sms)
                is_limited = is_sms and owner.has_budget
                budget = options.max_segments if is_limited else MAX_SEGMENTS
                found.append(_checked(owner.name, text, channel, budget, figures))
    return found


def _checked(
    rule: str, text: Text, channel: str, max_segments: int, figures: list[Sample]
) -> Checked:
    rendered = []
    problems = list(_missing_forms(text))
    for sample in figures:
        shown = text.render(sample.figures)
        encoding, parts = segments(shown)
        rendered.append(Rendered(sample, shown, encoding, parts))
        if not shown.strip():
            problems.append(f"is empty with {sample.name} figures")
        allowed = max_segments if sample.is_usual else MAX_SEGMENTS
        if parts > allowed:
            problems.append(
                f"needs {parts} segments ({len(shown)} characters, {encoding}) with "
                f"{sample.name} figures, may have {allowed}: {shown}"
            )
    return Checked(rule, text.locale, channel, max_segments, rendered, problems)


def _missing_forms(text: Text) -> Iterator[str]:
    """Plural forms that whole numbers have in the language, and that the text has no words for.

    A text with only the form ``other`` does without the others on purpose.
    """
    shown = formats(text.locale, "XXX")
    for name, kind, keys in text.branches:
        if kind == "select" or not any(key.isalpha() for key in keys - {"other"}):
            continue
        form = shown.ordinal_form if kind == "selectordinal" else shown.plural_form
        missing = {form(number) for number in _NUMBERS} - keys
        if missing:
            yield f"{{{name}, {kind}}} has no words for {', '.join(sorted(missing))}"
