"""Messages that pass the gate, and the speakers that make them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from msgspec import UNSET

from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.rules.sending import Spoken
from streamproc.core.state.effects import Cause, Effect
from streamproc.core.state.message_memory import Mark, Waiting
from streamproc.core.state.moment import Moment
from streamproc.core.usage.dedupe import digest


def arming_of(moment: Moment) -> int:
    """The arming of a mark about the whole account.

    The instant alone is not enough. Many events of a subscriber can arrive in one millisecond, for
    example after an outage, and each can reach the same threshold again. So can the ends of several
    packs that became known too late.
    """
    event_id, source, account = moment.cause.event_id, moment.cause.source, moment.account
    if event_id is UNSET or source is UNSET:
        # Each end leaves one bucket less, and only a grant adds one.
        source, event_id = str(account.grants), str(len(account.buckets))
    return moment.now_ms ^ int.from_bytes(digest(source, event_id)) >> 1


class Speaker(NamedTuple):
    """One kind of messages. ``find``, ``is_true`` and ``say`` depend on their arguments alone."""

    name: str
    """State records hold it, so it must never change."""
    find: Callable[[Rulebook, str], Spoken | None]
    """The rule with an id, or None if it is gone."""
    is_true: Callable[[Moment, Spoken, Mark], bool]
    """Whether a reason still holds."""
    say: Callable[[Moment, Spoken, Mark, list[str], int], list[Effect]]
    """Makes the message of a mark. Arguments: moment, rule, mark, recipients (at least one), start
    (ms) of the cycle that it belongs to. It can store in the account that the message was sent."""
    recipients: Callable[[Moment, Spoken, Mark], list[str]]
    """The recipients of now, at least one; an empty text is the account's own number."""
    order: Callable[[Spoken, Mark], int] | None = None
    """Among the marks of one rule about one thing, the message is about the highest; the others are
    used only if that is not true any more. None: a later mark always replaces an earlier one."""
    is_alone: bool = False
    """Each of its messages is about a thing of its own and is never merged with others."""


Speakers = Mapping[str, Speaker]


def rule_of(*kinds: type) -> Callable[[Rulebook, str], Spoken | None]:
    """A speaker's ``find`` for rules of these types, by id among all rules."""

    def find(rules: Rulebook, rule_id: str) -> Spoken | None:
        rule = rules.rules_by_id.get(rule_id)
        return rule if isinstance(rule, kinds) else None

    return find


class Message(NamedTuple):
    """A message about one thing. Its mark is true now."""

    speaker: Speaker
    rule: Spoken
    mark: Mark
    cause: Cause
    lower: tuple[Mark, ...] = ()
    """Marks about the same thing that this one supersedes."""


class Candidate(NamedTuple):
    """A message in the gate: new, or held before (``is_held``)."""

    speaker: Speaker
    rule: Spoken
    waiting: Waiting
    is_held: bool

    @property
    def bucket(self) -> str:
        return self.waiting.mark.bucket


def entry_of(waiting: Waiting, rules: Rulebook, speakers: Speakers) -> Candidate | None:
    """A held message; None if its rule or speaker is gone."""
    speaker = speakers.get(waiting.speaker)
    if speaker is None:
        return None
    rule = speaker.find(rules, waiting.rule)
    return None if rule is None else Candidate(speaker, rule, waiting, True)


def recipients_left(entry: Candidate, moment: Moment) -> list[str]:
    """The recipients that have not got a message yet."""
    waiting = entry.waiting
    found = entry.speaker.recipients(moment, entry.rule, waiting.mark)
    return [to for to in found if to not in waiting.told] if waiting.told else found
