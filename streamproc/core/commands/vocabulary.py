"""The words of two-way SMS: what the rules file says of commands."""

from __future__ import annotations

from typing import Final, Literal, get_args

from msgspec import Struct

from streamproc.core.notices.catalogue import Notice
from streamproc.core.texts.vocabulary import EVERYWHERE, Kind, Vocabulary

Action = Literal[
    "overview",
    "balance",
    "data_left",
    "thresholds",
    "quiet_hours",
    "schedule",
    "unsubscribe",
    "unsubscribe_all",
    "confirm",
    "refuse",
    "stop",
    "start",
    "help",
]
ACTIONS: Final[tuple[str, ...]] = get_args(Action)

ANSWERS: Final = frozenset({"confirm", "refuse"})
"""Actions that decide about money: texts are read strictly for them."""

Word = Literal["default", "off", "day", "week", "month"]
WORDS: Final[tuple[str, ...]] = get_args(Word)

_FIGURES: Final[Vocabulary] = {
    "plan": Kind.TEXT,
    "services": Kind.TEXT,
    "remaining": Kind.BYTES,
    "used": Kind.BYTES,
    "granted": Kind.BYTES,
    "overage": Kind.BYTES,
    "cost": Kind.MONEY,
    "cycle_end": Kind.INSTANT,
    "last_day": Kind.DATE,
    "as_of": Kind.INSTANT,
}
_LIST: Final[Vocabulary] = {"services": Kind.TEXT, "unsubscribe": Kind.TEXT}
_QUESTION: Final[Vocabulary] = {"service": Kind.TEXT, "price": Kind.MONEY}

ReplyName = Literal[
    "overview",
    "balance",
    "data_left",
    "thresholds",
    "thresholds_set",
    "thresholds_reset",
    "quiet_hours",
    "quiet_hours_set",
    "quiet_hours_off",
    "quiet_hours_reset",
    "schedule",
    "schedule_set",
    "schedule_off",
    "schedule_reset",
    "services",
    "no_services",
    "not_listed",
    "unsubscribed",
    "confirmed",
    "refused",
    "nothing_asked",
    "which_one",
    "stopped",
    "stopped_all",
    "started",
    "started_all",
    "help",
    "none",
    "word_default",
    "word_off",
    "word_day",
    "word_week",
    "word_month",
]
_NAMED: Final[dict[ReplyName, Vocabulary]] = {
    "overview": {**_FIGURES, "buckets": Kind.TEXT, "unsubscribe": Kind.TEXT},
    "balance": {**_FIGURES, "buckets": Kind.TEXT},
    "data_left": {**_FIGURES, "buckets": Kind.TEXT, "percent": Kind.COUNT},
    "thresholds": {"thresholds": Kind.TEXT, "keyword": Kind.TEXT},
    "thresholds_set": {"thresholds": Kind.TEXT},
    "thresholds_reset": {},
    "quiet_hours": {"quiet_hours": Kind.TEXT, "keyword": Kind.TEXT},
    "quiet_hours_set": {"quiet_hours": Kind.TEXT},
    "quiet_hours_off": {},
    "quiet_hours_reset": {},
    "schedule": {"schedule": Kind.TEXT, "keyword": Kind.TEXT},
    "schedule_set": {"schedule": Kind.TEXT},
    "schedule_off": {},
    "schedule_reset": {},
    "services": _LIST,
    "no_services": {},
    "not_listed": _LIST,
    "unsubscribed": {"services": Kind.TEXT},
    "confirmed": _QUESTION,
    "refused": _QUESTION,
    "nothing_asked": {},
    "which_one": {"questions": Kind.TEXT, "yes": Kind.TEXT},
    "stopped": {"category": Kind.TEXT, "start": Kind.TEXT},
    "stopped_all": {"start": Kind.TEXT},
    "started": {"category": Kind.TEXT},
    "started_all": {},
    "help": {f"{action}_keyword": Kind.TEXT for action in ACTIONS},
    "none": {},
    "word_default": {},
    "word_off": {},
    "word_day": {},
    "word_week": {},
    "word_month": {},
}
REPLIES: Final[dict[ReplyName, Vocabulary]] = {
    name: {**EVERYWHERE, **named} for name, named in _NAMED.items()
}
"""What a text of each reply may name. The last are no replies but words inside of others: for an
empty list, and for choices."""


class Commands(Struct, frozen=True, gc=False):
    """Keywords, words of arguments, and replies."""

    keywords: dict[str, tuple[str, ...]]
    """By action."""
    shown: dict[str, dict[str, str]]
    """By locale and action: the keyword that texts name; else it is the action's first."""
    words: dict[str, tuple[str, ...]]
    """What arguments may say for ``default``, ``off``, ``day``, ``week`` and ``month``."""
    categories: dict[str, tuple[str, ...]]
    """Keywords of categories, by id; the id itself is always one."""
    category_names: dict[str, dict[str, str]]
    """What texts call a category, by id and locale; else by the first of its keywords."""
    replies: dict[str, Notice]
    max_replies: int
    window_ms: int
    """At most ``max_replies`` in any such span; what is asked is done all the same."""
