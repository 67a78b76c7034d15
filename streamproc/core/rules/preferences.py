"""What subscribers may choose: the one list of preferences, and what the rules file says of each.

The state's list of choices that end with a contract, the commands and replies of two-way SMS, the
event ``account.preferences_set``, the joint to the compiled part and the table in docs follow it.
What a choice does stands in ``core/commands/preferences``, one module for each
(docs/recipes/preference.md).
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from streamproc.core.rules.placeholders import Kind, Vocabulary


class Preference(Struct, frozen=True, kw_only=True):
    """One thing that subscribers choose by a text, and perhaps by an app."""

    action: str
    """The command by which they do."""
    says: str
    """What they choose, as part of a sentence."""
    arguments: str
    """What may follow the keyword."""
    example: str
    """A text that chooses something."""
    tries: tuple[str, ...]
    """What texts of the workload have behind the keyword."""
    sample: tuple[int, ...] | str
    """What holds in previews of texts: percentages, or words with ``{word_...}`` filled in."""
    words: tuple[str, ...] = ()
    """Those of the arguments that are words; each has spellings in the rules file."""
    answers: dict[str, Vocabulary]
    """Replies by how they end: ``""`` is the one that says what holds, then ``set``, ``off``..."""
    state: tuple[str, ...]
    """The fields of ``state.account.Extra`` that keep it; their defaults are the rules' way."""
    event: tuple[str, ...] = ()
    """The fields of ``account.preferences_set`` that choose it; none: by a text alone."""
    bears_on_usage: bool = False
    """Whether what usage is told depends on it. Then the compiled part leaves the usage of those
    who chose to the core."""

    @property
    def replies(self) -> dict[str, Vocabulary]:
        """The names of the replies, and what each may name."""
        return {f"{self.action}_{end}".rstrip("_"): known for end, known in self.answers.items()}


def _answers(shown: str, *ends: str) -> dict[str, Vocabulary]:
    """Those of most preferences: what holds, what was set, and words that take a choice back."""
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
"""The fields of the state that keep choices."""
CHOSEN_BESIDE_USAGE: Final = tuple(
    name for one in PREFERENCES if not one.bears_on_usage for name in one.state
)
"""Those that usage does not depend on."""
