"""Words of two-way SMS: the ``commands`` of the rules file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from msgspec import Struct

from streamproc.core.rules.notices import Notice
from streamproc.core.rules.placeholders import EVERYWHERE, Kind, Vocabulary
from streamproc.core.rules.preferences import PREFERENCES

_CHOICES: Final = tuple(one.action for one in PREFERENCES)
ACTIONS: Final[tuple[str, ...]] = (
    *("overview", "balance", "data_left"),
    *_CHOICES,
    *("unsubscribe", "unsubscribe_all", "confirm", "refuse", "stop", "start", "help"),
)

ANSWERS: Final = frozenset({"confirm", "refuse"})
"""Actions that decide about money. An SMS must match one of their keywords strictly."""

WORDS: Final = tuple(dict.fromkeys(word for one in PREFERENCES for word in one.words))
"""The words that can be arguments of preferences."""

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

HELP: Final = "help_"
"""Prefix of the placeholders of the help reply: one for each action, in the order of the reply."""
_HELP_OF: Final = ("overview", "balance", "data_left", *_CHOICES, "unsubscribe", "stop", "start")
_NAMED: Final[dict[str, Vocabulary]] = {
    "overview": {**_FIGURES, "buckets": Kind.TEXT, "unsubscribe": Kind.TEXT},
    "balance": {**_FIGURES, "buckets": Kind.TEXT},
    "data_left": {**_FIGURES, "buckets": Kind.TEXT, "percent": Kind.COUNT},
    **{name: known for one in PREFERENCES for name, known in one.replies.items()},
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
    **{f"{HELP}{action}": _HELP for action in _HELP_OF},
    "none": {},
    **{f"word_{word}": {} for word in WORDS},
    "word_month_start": {},
    "word_month_middle": {},
    "word_month_end": {},
    "word_cycle_start": {},
    "word_cycle_middle": {},
    "word_cycle_end": {},
}
REPLIES: Final[dict[str, Vocabulary]] = {
    name: {**EVERYWHERE, **named} for name, named in _NAMED.items()
}
"""The placeholders that the text of each reply may use. Entries that begin with ``help_`` or
``word_``, and ``none``, are not replies. They are words inside replies: a line of help, the name of
a choice, an empty list."""


if TYPE_CHECKING:
    Action: TypeAlias = str
    Word: TypeAlias = str
    ReplyName: TypeAlias = str
else:
    # The rules file accepts these names only.
    Action, Word, ReplyName = Literal[ACTIONS], Literal[WORDS], Literal[tuple(REPLIES)]


class Commands(Struct, frozen=True, gc=False):
    """Keywords of commands, words of their arguments, and replies."""

    keywords: dict[str, tuple[str, ...]]
    """Keywords by action."""
    shown: dict[str, dict[str, str]]
    """The keyword that texts show, by locale and action. Default: the first keyword of the
    action."""
    words: dict[str, tuple[str, ...]]
    """The spellings of each word of :data:`WORDS`."""
    categories: dict[str, tuple[str, ...]]
    """Keywords of categories, by category id. The id is always a keyword too."""
    category_names: dict[str, dict[str, str]]
    """Name of a category in texts, by id and locale. Default: the first keyword of the category."""
    replies: dict[str, Notice]
    max_replies: int
    window_ms: int
    """At most ``max_replies`` replies in a window of this length. Commands beyond it are carried
    out without a reply."""

    def names_of(self, category: str) -> tuple[str, ...]:
        """The words that a text may use for a category: its keywords, its names in all locales, its
        id."""
        names = self.category_names.get(category, {}).values()
        return *self.categories.get(category, ()), *names, category
