"""The list of preferences: what subscribers may choose, and what the rules file says of each.

These follow the list:

- the choices in the state that end with a contract;
- the commands and replies of two-way SMS;
- the event ``account.preferences_set``;
- the interface to the compiled part;
- the table in docs.

``core/commands/preferences`` has one module for each preference, which applies the choice
(docs/recipes/preference.md).
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from streamproc.core.rules.placeholders import Kind, Vocabulary


class Preference(Struct, frozen=True, kw_only=True):
    """One thing that subscribers choose by SMS, and some of them also in an app."""

    action: str
    """The command that sets it."""
    says: str
    """What subscribers choose, as part of a sentence."""
    arguments: str
    """What may follow the keyword."""
    example: str
    """An SMS that chooses something."""
    tries: tuple[str, ...]
    """What SMS of the workload have after the keyword."""
    sample: tuple[int, ...] | str
    """A value for previews of texts: percentages, or words with ``{word_...}`` filled in."""
    words: tuple[str, ...] = ()
    """The arguments that are words; the rules file lists spellings of each."""
    answers: dict[str, Vocabulary]
    """Replies by the end of their name: ``""`` reports the present setting, then ``set``,
    ``off``..."""
    state: tuple[str, ...]
    """The fields of ``state.account.RareState`` that hold the choice. Their defaults mean "as the
    rules say"."""
    event: tuple[str, ...] = ()
    """The fields of ``account.preferences_set`` that choose it; empty if only an SMS can
    choose it."""
    bears_on_usage: bool = False
    """Whether reminders about usage depend on it. Then the compiled part leaves usage events of
    subscribers who chose it to the core."""

    @property
    def replies(self) -> dict[str, Vocabulary]:
        """The names of the replies, with the placeholders that each may use."""
        return {f"{self.action}_{end}".rstrip("_"): known for end, known in self.answers.items()}


def _answers(shown: str, *ends: str) -> dict[str, Vocabulary]:
    """The replies of most preferences: the present setting, the new setting, the return to the
    default."""
    now: Vocabulary = {shown: Kind.TEXT, "keyword": Kind.TEXT}
    return {"": now, "set": {shown: Kind.TEXT}, **{end: {} for end in ends}}


PREFERENCES: Final = (
    Preference(
        action="thresholds",
        says="at which percentages of use they are reminded",
        arguments="up to 5 percentages, or `DEFAULT`",
        example="阈值 50、80%",
        tries=(" 50 80", "90%、100%", " DEFAULT", ""),
        sample=(50, 80),
        words=("default",),
        answers=_answers("thresholds", "reset"),
        state=("own_percents",),
        event=("own_percents",),
        bears_on_usage=True,
    ),
    Preference(
        action="quiet_hours",
        says="when they get no message that can wait",
        arguments="from-to, `OFF` or `DEFAULT`",
        example="MDR 22:30-7",
        tries=(" 22-7", "23:30-06:00", " OFF", "默认", ""),
        sample="22:00-07:30",
        words=("default", "off"),
        answers=_answers("quiet_hours", "off", "reset"),
        state=("quiet_minutes",),
    ),
    Preference(
        action="schedule",
        says="how often summaries come, and at what time",
        arguments="`DAILY`, `WEEKLY` or `MONTHLY` and a time, `OFF` or `DEFAULT`",
        example="定期提醒 每周 9:00",
        tries=(" WEEKLY 9:00", "每天", " OFF", " DEFAULT", ""),
        sample="{word_week} 09:00",
        words=("default", "off", "day", "week", "month"),
        answers=_answers("schedule", "off", "reset"),
        state=("summary_every", "summary_minute"),
        event=("summary_every", "summary_at"),
    ),
)

CHOSEN: Final = tuple(name for one in PREFERENCES for name in one.state)
"""The fields of the state that hold choices."""
CHOSEN_BESIDE_USAGE: Final = tuple(
    name for one in PREFERENCES if not one.bears_on_usage for name in one.state
)
"""The fields that do not affect usage events."""
