"""Teaches the compiled part to make messages itself: words of texts, offsets of zones.

Only the core knows texts and zones. But the result for one message is valid for others. On one day,
for buckets with bytes left or for empty ones, most texts are literals and figures
(``core/texts/flat.py``). An offset is valid for a whole day. The compiled part fills in the figures
(``native/src/telling.rs``). It leaves any text that is not of this simple form to the core.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from streamproc.contracts.records.codec import encode_effect
from streamproc.core.instants import DAY_MINUTES, DAY_MS
from streamproc.core.rules.placeholders import REMINDER
from streamproc.core.rules.rulebook import Rulebook, UsageRule
from streamproc.core.schedule.calendar import local_minute, offset_of_day_in_zone_ms
from streamproc.core.state.account import ROLLOVER, Account
from streamproc.core.texts.catalogue import text_of
from streamproc.core.texts.flat import flat_pieces
from streamproc.core.texts.formats import PLAIN_LANGUAGES, formats
from streamproc.core.texts.locales import name_locale
from streamproc.core.texts.naming import kind_name, name_in
from streamproc.core.texts.packaged_words import BUCKET_KINDS
from streamproc.core.texts.segments import GSM_BASIC, segments


class Figure(IntEnum):
    """The placeholders that the compiled part can fill in. It leaves any other one to the core."""

    BUCKET = 0
    USED = 1
    GRANTED = 2
    REMAINING = 3
    OVERAGE = 4
    PERCENT = 5
    THRESHOLD = 6
    AS_OF = 7
    AS_OF_CLOCK = 8
    """``texts.flat.CLOCK``."""


_FIGURES: Final = {one.name.lower(): one for one in Figure}
_MOST_TAUGHT: Final = 100_000


@dataclass(frozen=True)
class TaughtText:
    """A text of one rule in one locale: literals, each with the figure after it."""

    locale: str
    """The locale of the text, as JSON."""
    is_ucs2: bool
    """Whether the literals need UCS-2; otherwise they are in the plain part of GSM-7."""
    pieces: list[tuple[str, Figure | None]]
    names: dict[str, str | None]
    """Names of packs and allowances by id, if they have names; None: the name is not simple."""
    kind_names: dict[str, str | None]
    """Names of other buckets, by kind."""


class Teacher:
    """Teaches one ``PlainUsage`` what it lacked for a message that the core had to make."""

    def __init__(self, plain: Any, rules: Rulebook) -> None:
        self._plain = plain
        self._rules = rules
        self._taught: set[tuple[int, str, str]] = set()
        """Local days with a locale, and UTC days with a zone."""

    def teach(self, account: Account, as_of_ms: int) -> None:
        """Teach everything for messages in the account's locale, and on its clocks of that day."""
        taught = self._taught
        if len(taught) > _MOST_TAUGHT:
            taught.clear()
        local_day = local_minute(as_of_ms, account.time_zone) // DAY_MINUTES
        if (local_day, account.locale, "") not in taught:
            taught.add((local_day, account.locale, ""))
            self._teach_words(account.locale, local_day)
        utc_day = as_of_ms // DAY_MS
        if (utc_day, "", account.time_zone) not in taught:
            taught.add((utc_day, "", account.time_zone))
            offset_ms = offset_of_day_in_zone_ms(utc_day, account.time_zone)
            if offset_ms is not None:
                self._plain.learn_offset(account.time_zone, utc_day, offset_ms)

    def _teach_words(self, locale: str, local_day: int) -> None:
        for number, rule in enumerate(self._rules.usage_rules):
            for is_empty in (False, True):
                words = words_of(rule, locale, local_day, self._rules, is_empty=is_empty)
                if words is not None:
                    self._plain.learn_words(number, locale, local_day, is_empty, words)


def words_of(
    rule: UsageRule, locale: str, local_day: int, rules: Rulebook, *, is_empty: bool
) -> TaughtText | None:
    """A rule's text for a locale and day, if it has the simple form."""
    if rules.wording.has_binary_units:
        return None
    text = text_of(rule.id, rule.texts, REMINDER, locale, rules)
    if (
        text.channels
        or text.is_transliterated
        or text.locale.partition("-")[0].lower() not in PLAIN_LANGUAGES
    ):
        return None
    pieces = flat_pieces(text, formats(text.locale, rules.currency), local_day, is_empty=is_empty)
    if pieces is None or not {name for _, name in pieces if name is not None} <= _FIGURES.keys():
        return None
    named_in = name_locale(locale, text.locale)
    literals = "".join(literal for literal, _ in pieces)
    if any(char < " " or char in '"\\' or char > "\uffff" for char in literals):
        return None  # JSON escapes these characters, or SMS counts them twice
    is_ucs2 = segments(literals)[0] == "ucs2"
    if not is_ucs2 and not all(char.isascii() and char in GSM_BASIC for char in literals):
        return None
    return TaughtText(
        encode_effect(text.locale).decode(),
        is_ucs2,
        [(literal, None if name is None else _FIGURES[name]) for literal, name in pieces],
        {
            source: _simple(name_in(names, source, named_in, rules), is_ucs2=is_ucs2)
            for source, names in rules.source_names.items()
        },
        {
            **{
                kind: _simple(kind_name(kind, named_in, rules), is_ucs2=is_ucs2)
                for kind in BUCKET_KINDS
            },
            ROLLOVER: None,  # composed of two names, and rare
        },
    )


def _simple(name: str, *, is_ucs2: bool) -> str | None:
    """A name, if it changes neither the encoding of its text nor the count of its characters."""
    if any(char in '"\\' or not " " <= char <= "\uffff" for char in name):
        return None
    return name if is_ucs2 or all(char in GSM_BASIC for char in name) else None
