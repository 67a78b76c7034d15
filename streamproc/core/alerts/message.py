"""Messages that pass the gate, and the speakers that make them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.rules.sending import Spoken
from streamproc.core.state.account import Account
from streamproc.core.state.effects import Cause, Effect
from streamproc.core.state.gate import Mark, Waiting
from streamproc.core.state.moment import Moment


class Speaker(NamedTuple):
    """One kind of messages. ``find``, ``is_true`` and ``say`` are functions of these alone."""

    name: str
    """Kept in state records: it never changes."""
    find: Callable[[Rulebook, str], Spoken | None]
    """The rule of an id, or None if it is gone."""
    is_true: Callable[[Moment, Spoken, Mark], bool]
    """Whether a reason still holds."""
    say: Callable[[Moment, Spoken, Mark, list[str], int], list[Effect]]
    """The message about a mark: rule, mark, recipients (at least one), start of the cycle that it
    belongs to (ms). The account may note that it was told."""
    recipients: Callable[[Account, Spoken, Mark], list[str]]
    """Whom it goes to now, at least one; empty text is the account's own number."""
    order: Callable[[Spoken, Mark], int] | None = None
    """Of the marks of one rule about one thing, the highest is told, and the others only if it is
    not true any more. None: a later mark takes the place of an earlier one for good."""
    is_alone: bool = False
    """Each of its messages is about something of its own, and is never told with others."""


Speakers = Mapping[str, Speaker]


def rule_of(*kinds: type) -> Callable[[Rulebook, str], Spoken | None]:
    """A speaker's ``find`` for rules of these types, by id among all rules."""

    def find(rules: Rulebook, rule_id: str) -> Spoken | None:
        rule = rules.rules_by_id.get(rule_id)
        return rule if isinstance(rule, kinds) else None

    return find


class Message(NamedTuple):
    """Something to say about one thing; its marks are true now."""

    speaker: Speaker
    rule: Spoken
    mark: Mark
    cause: Cause
    lower: tuple[Mark, ...] = ()
    """Marks about the same thing that this one supersedes."""


class Candidate(NamedTuple):
    """A message on its way, held back before (``is_held``) or new."""

    speaker: Speaker
    rule: Spoken
    waiting: Waiting
    is_held: bool

    @property
    def bucket(self) -> str:
        return self.waiting.mark.bucket


def entry_of(waiting: Waiting, rules: Rulebook, speakers: Speakers) -> Candidate | None:
    """A held message; None if nobody says it any more."""
    speaker = speakers.get(waiting.speaker)
    if speaker is None:
        return None
    rule = speaker.find(rules, waiting.rule)
    return None if rule is None else Candidate(speaker, rule, waiting, True)


def recipients_left(entry: Candidate, account: Account) -> list[str]:
    """Whom a message still has to go to."""
    waiting = entry.waiting
    found = entry.speaker.recipients(account, entry.rule, waiting.mark)
    return [to for to in found if to not in waiting.told] if waiting.told else found
