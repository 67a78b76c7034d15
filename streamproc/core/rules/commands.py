"""Words of two-way SMS: the ``commands`` of the rules file."""

from __future__ import annotations

from typing import Final, Literal, get_args

from msgspec import Struct

from streamproc.core.rules.notices import Notice
from streamproc.core.rules.placeholders import EVERYWHERE, Kind, Vocabulary

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
    "plan": Kind.NAME,
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
_QUESTION: Final[Vocabulary] = {"service": Kind.NAME, "price": Kind.MONEY}
_STOPPED: Final[Vocabulary] = {"category": Kind.NAME, "start": Kind.TEXT}
_LEFT: Final[Vocabulary] = {"categories": Kind.TEXT, "start": Kind.TEXT}
_HELP: Final[Vocabulary] = {"keyword": Kind.TEXT}

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
    "unclear_answer",
    "stopped",
    "stopped_except",
    "stopped_all",
    "started",
    "started_all",
    "started_except",
    "still_stopped",
    "not_offered",
    "help",
    "help_overview",
    "help_balance",
    "help_data_left",
    "help_thresholds",
    "help_quiet_hours",
    "help_schedule",
    "help_unsubscribe",
    "help_stop",
    "help_start",
    "none",
    "word_default",
    "word_off",
    "word_day",
    "word_week",
    "word_month",
    "word_month_start",
    "word_month_middle",
    "word_month_end",
    "word_cycle_start",
    "word_cycle_middle",
    "word_cycle_end",
]
HELP: Final = "help_"
"""Begins the names of what help says of each action, in the order in which it says it."""
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
    "unclear_answer": {"questions": Kind.TEXT, "yes": Kind.TEXT, "no": Kind.TEXT},
    "stopped": _STOPPED,
    "stopped_except": _STOPPED,
    "stopped_all": {"start": Kind.TEXT},
    "started": {"category": Kind.NAME},
    "started_all": {},
    "started_except": _LEFT,
    "still_stopped": _LEFT,
    "not_offered": {"keyword": Kind.TEXT, "help": Kind.TEXT},
    "help": {"commands": Kind.TEXT, **{f"{action}_keyword": Kind.TEXT for action in ACTIONS}},
    "help_overview": _HELP,
    "help_balance": _HELP,
    "help_data_left": _HELP,
    "help_thresholds": _HELP,
    "help_quiet_hours": _HELP,
    "help_schedule": _HELP,
    "help_unsubscribe": _HELP,
    "help_stop": _HELP,
    "help_start": _HELP,
    "none": {},
    "word_default": {},
    "word_off": {},
    "word_day": {},
    "word_week": {},
    "word_month": {},
    "word_month_start": {},
    "word_month_middle": {},
    "word_month_end": {},
    "word_cycle_start": {},
    "word_cycle_middle": {},
    "word_cycle_end": {},
}
REPLIES: Final[dict[ReplyName, Vocabulary]] = {
    name: {**EVERYWHERE, **named} for name, named in _NAMED.items()
}
"""What a text of each reply may name. Those that begin with ``help_`` or ``word_``, and ``none``,
are no replies but words inside of others: of help, for choices, for an empty list."""


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

    def names_of(self, category: str) -> tuple[str, ...]:
        """By what texts may call a category: its keywords, its names in all locales, its id."""
        names = self.category_names.get(category, {}).values()
        return *self.categories.get(category, ()), *names, category
