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
"""Actions that decide about money: texts are read strictly for them."""

WORDS: Final = tuple(dict.fromkeys(word for one in PREFERENCES for word in one.words))
"""What arguments of preferences may say."""

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
"""Begins the names of what help says of each action, in the order in which it says it."""
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
"""What a text of each reply may name. Those that begin with ``help_`` or ``word_``, and ``none``,
are no replies but words inside of others: of help, for choices, for an empty list."""


if TYPE_CHECKING:
    Action: TypeAlias = str
    Word: TypeAlias = str
    ReplyName: TypeAlias = str
else:
    # The rules file takes these names and no others.
    Action, Word, ReplyName = Literal[ACTIONS], Literal[WORDS], Literal[tuple(REPLIES)]


class Commands(Struct, frozen=True, gc=False):
    """Keywords, words of arguments, and replies."""

    keywords: dict[str, tuple[str, ...]]
    """By action."""
    shown: dict[str, dict[str, str]]
    """By locale and action: the keyword that texts name; else it is the action's first."""
    words: dict[str, tuple[str, ...]]
    """What arguments may say for each word of :data:`WORDS`."""
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
