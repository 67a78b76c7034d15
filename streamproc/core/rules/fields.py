"""Fields that many entries of a rules file have: their types and bounds."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

LOCALE_PATTERN = r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$"
Locale = Annotated[
    str,
    Meta(
        pattern=LOCALE_PATTERN,
        description="a language tag such as en or zh-CN",
    ),
]
MAX_WORD_LENGTH = 100
Word = Annotated[
    str,
    Meta(
        pattern=r"^\s*\S",
        max_length=MAX_WORD_LENGTH,
        description=f"words, 1 to {MAX_WORD_LENGTH} characters",
    ),
]
Names = dict[Locale, Word]
"""What customers read instead of an id, by locale."""
Id = Annotated[
    str,
    Meta(
        pattern=r"^[^\s#\x00-\x1f\x7f]{1,64}$",
        description="an id of 1 to 64 characters without spaces or #",
    ),
]
"""``#`` is not allowed: it ends the id in the names of buckets (``day-1gb#3``)."""
Count = Annotated[int, Meta(ge=1, le=2**53 - 1)]
Natural = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Priority = Annotated[int, Meta(ge=0, le=1000)]
YEAR_SECONDS = 366 * 86_400
Channel = Annotated[
    str, Meta(pattern=r"^[a-z][a-z0-9_]{0,31}$", description="a channel such as push")
]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}$", description="a currency code such as CNY")]
Seconds = Annotated[int, Meta(ge=0, le=YEAR_SECONDS)]
Days = Annotated[int, Meta(ge=1, le=3660)]
BucketKind = Literal["allowance", "pack", "topup", "rollover", "unlimited", "member"]
BucketKinds = Annotated[frozenset[BucketKind], Meta(min_length=1)]
EndingKind = Literal["allowance", "pack", "topup", "rollover", "unlimited"]
EndingKinds = Annotated[frozenset[EndingKind], Meta(min_length=1)]
"""Kinds of things that can end with a cycle. A member's cap is none of them: it begins again."""
ExpiringKind = Literal["pack", "topup", "rollover"]
ExpiringKinds = Annotated[frozenset[ExpiringKind], Meta(min_length=1)]
"""Kinds of buckets that have an end of their own."""
BucketIds = Annotated[frozenset[Id], Meta(min_length=1)]
"""Ids of allowances and packs."""
Percent = Annotated[int, Meta(ge=1, le=100)]
PercentLeft = Annotated[int, Meta(ge=0, le=99)]
MuchPercent = Annotated[int, Meta(ge=1, le=100_000)]
Instant = Annotated[
    str,
    Meta(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)$",
        description="an instant such as 2026-01-31T16:00:00Z",
    ),
]
ClockTime = Annotated[
    str,
    Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description='a time of day such as "09:00"'),
]
CalendarDay = Annotated[
    str,
    Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", description='a day such as "2026-12-24"'),
]
Segment = Annotated[str, Meta(min_length=1, max_length=64)]
WindowSeconds = Annotated[int, Meta(ge=0, le=43_200)]
"""At most half a day. With a longer window a daily reminder could arrive on the next day."""


class Strict(Struct, forbid_unknown_fields=True, frozen=True):
    """An entry of the rules file. An unknown field is an error."""


class QuietHoursEntry(Strict, frozen=True):
    start: ClockTime
    end: ClockTime


class TextEntry(Strict, frozen=True):
    """A text with fields that few texts need. Most texts are a plain string."""

    text: str
    max_segments: Annotated[int, Meta(ge=1, le=10)] = 1
    """How many SMS parts the text may need; ``streamproc texts lint`` checks it."""
    channels: dict[Channel, str] = {}
    """Other words for channels other than SMS."""


Words = str | Annotated[dict[Locale, Word], Meta(min_length=1)]
"""One text for all languages, or one for each locale. The plain string has no bounds here: msgspec
0.22 reads beyond its memory if a union has a bounded string and a mapping. ``words_problems``
checks the bounds."""
Texts = Annotated[dict[Locale, str | TextEntry], Meta(min_length=1)]


class SpokenEntry(Strict, frozen=True, tag_field="kind", kw_only=True):
    id: Id
    texts: Texts
    category: Id
    mandatory: bool = False
    priority: Priority = 5
    ttl_seconds: Annotated[int, Meta(ge=1, le=YEAR_SECONDS)] = 86_400
