"""The words of two-way SMS: what the rules file says of commands."""

from __future__ import annotations

from typing import Final, Literal, get_args

from msgspec import Struct

from streamproc.core.notices.catalogue import Notice

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

Word = Literal["default", "off", "day", "week", "month"]
WORDS: Final[tuple[str, ...]] = get_args(Word)

_FIGURES = frozenset(
    {"plan", "services", "remaining", "used", "granted", "overage", "cost", "cycle_end", "as_of"}
)
_LIST = frozenset({"services", "unsubscribe"})
_QUESTION = frozenset({"service", "price"})

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
REPLIES: Final[dict[ReplyName, frozenset[str]]] = {
    "overview": _FIGURES | {"buckets", "unsubscribe"},
    "balance": _FIGURES | {"buckets"},
    "data_left": _FIGURES | {"buckets", "percent"},
    "thresholds": frozenset({"thresholds", "keyword"}),
    "thresholds_set": frozenset({"thresholds"}),
    "thresholds_reset": frozenset(),
    "quiet_hours": frozenset({"quiet_hours", "keyword"}),
    "quiet_hours_set": frozenset({"quiet_hours"}),
    "quiet_hours_off": frozenset(),
    "quiet_hours_reset": frozenset(),
    "schedule": frozenset({"schedule", "keyword"}),
    "schedule_set": frozenset({"schedule"}),
    "schedule_off": frozenset(),
    "schedule_reset": frozenset(),
    "services": _LIST,
    "no_services": frozenset(),
    "not_listed": _LIST,
    "unsubscribed": frozenset({"services"}),
    "confirmed": _QUESTION,
    "refused": _QUESTION,
    "nothing_asked": frozenset(),
    "which_one": frozenset({"questions", "yes"}),
    "stopped": frozenset({"category", "start"}),
    "stopped_all": frozenset({"start"}),
    "started": frozenset({"category"}),
    "started_all": frozenset(),
    "help": frozenset({f"{action}_keyword" for action in ACTIONS}),
    "none": frozenset(),
    "word_default": frozenset(),
    "word_off": frozenset(),
    "word_day": frozenset(),
    "word_week": frozenset(),
    "word_month": frozenset(),
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
    """Names of categories, by id; the id itself is always one, the first is shown."""
    replies: dict[str, Notice]
    max_replies: int
    window_ms: int
    """At most ``max_replies`` in any such span; what is asked is done all the same."""
