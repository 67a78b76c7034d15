"""The gate that every outgoing message passes (laws 14 and 16).

Who has something to say hands over :class:`Message` s (:func:`submit`). The gate drops what the
subscriber opted out of, and sends the rest or holds it back: in quiet hours, under a frequency
cap, in a rule's cool-down, or while it waits for others to be told together with. What is held
lies in ``Extra.waiting`` and is due at its ``until_ms``; then (:func:`release`) its
:class:`Speaker` is asked whether it is still true, and says it with figures as of then. Every
delay and every drop is audited. Nothing is lost otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from streamproc.core.alerts.delays import Delay, earliest, note_sent, tidy
from streamproc.core.alerts.policy import PLAIN, UNRESTRICTED, Spoken, urgency
from streamproc.core.alerts.records import audit_marks, cause_of_release, refused
from streamproc.core.alerts.state import Mark, Waiting
from streamproc.core.effects import Cause, Effect
from streamproc.core.instants import NEVER_MS
from streamproc.core.model import Account, drop_empty_extra, extra_of
from streamproc.core.rulebook import Rulebook


class Speaker(NamedTuple):
    """One kind of messages. ``find``, ``is_true`` and ``say`` are functions of these alone."""

    name: str
    """Kept in state records: it never changes."""
    find: Callable[[Rulebook, str], Spoken | None]
    """The rule of an id, or None if it is gone."""
    is_true: Callable[[Account, Spoken, Mark, int, Rulebook], bool]
    """Whether a reason still holds at an instant (ms)."""
    say: Callable[[Account, str, Spoken, list[Mark], int, int, Cause, Rulebook], list[Effect]]
    """The message about marks: account, subscriber, rule, marks (at least one), start of the cycle
    it belongs to (ms), instant that its figures are of (ms), cause, rules. The account may note
    that it was told."""
    is_of_one_mark: bool = False
    """Each of its marks is a message of its own, which a cap counts: they wait one by one."""


Speakers = Mapping[str, Speaker]


def rule_of(*kinds: type) -> Callable[[Rulebook, str], Spoken | None]:
    """A speaker's ``find`` for rules of these types, by id among all rules."""

    def find(rules: Rulebook, rule_id: str) -> Spoken | None:
        rule = rules.rules_by_id.get(rule_id)
        return rule if isinstance(rule, kinds) else None

    return find


class Message(NamedTuple):
    """Something to say; its marks are true now."""

    speaker: Speaker
    rule: Spoken
    marks: list[Mark]
    cause: Cause


class _Entry(NamedTuple):
    """A message on its way, held back before (``is_held``) or new."""

    speaker: Speaker
    rule: Spoken
    waiting: Waiting
    is_held: bool


def submit(
    account: Account,
    subscriber: str,
    messages: list[Message],
    at_ms: int,
    rules: Rulebook,
    speakers: Speakers,
    wall_ms: int = 0,
) -> list[Effect]:
    """Let messages of one instant through the gate; the effects say what became of each.

    ``wall_ms`` is later than ``at_ms`` if nobody worked in between: then the gate looks at it, so
    that a worker that comes back at night wakes nobody.
    """
    out: list[Effect] = []
    entries: list[_Entry] = []
    if len(messages) > 1:
        messages = sorted(messages, key=lambda one: urgency(one.rule))
    is_simple = (
        rules.alerts is UNRESTRICTED
        and account.extra is None
        and all(one.rule.policy is PLAIN for one in messages)
    )
    for speaker, rule, marks, cause in messages:
        if not _is_wanted(account, subscriber, rule, marks, at_ms, cause, out):
            continue
        start_ms = account.cycle_start_ms
        if is_simple:
            out.extend(speaker.say(account, subscriber, rule, marks, start_ms, at_ms, cause, rules))
            continue
        waiting = Waiting(speaker.name, rule.id, list(marks), at_ms, at_ms, start_ms, cause)
        entries.append(_Entry(speaker, rule, waiting, False))
    if entries:
        _pass(account, subscriber, entries, at_ms, max(at_ms, wall_ms), rules, speakers, out)
    return out


def release(
    account: Account,
    subscriber: str,
    at_ms: int,
    wall_ms: int,
    rules: Rulebook,
    speakers: Speakers,
) -> list[Effect]:
    """Send what was held until ``at_ms`` and is still true; ``wall_ms`` as in :func:`submit`."""
    out: list[Effect] = []
    entries: list[_Entry] = []
    for waiting in _waiting_of(account):
        if waiting.until_ms <= at_ms:
            entry = _judge(account, subscriber, waiting, at_ms, rules, speakers, out)
            if entry is not None:
                entries.append(entry)
    if entries:
        _pass(account, subscriber, entries, at_ms, max(at_ms, wall_ms), rules, speakers, out)
    tidy(account, at_ms, rules)
    return out


def next_release_ms(account: Account) -> int:
    """When a held message is due; NEVER_MS if none is held."""
    return min((one.until_ms for one in _waiting_of(account)), default=NEVER_MS)


def forget_all(account: Account, subscriber: str, at_ms: int, cause: Cause) -> list[Effect]:
    """The contract is over: nothing that waits, or was remembered for rules, is of use any more."""
    out: list[Effect] = []
    for waiting in _waiting_of(account):
        audit_marks("no_longer_true", subscriber, waiting, waiting.marks, at_ms, cause, out)
    extra = account.extra
    if extra is not None:
        extra.waiting, extra.sent_ms, extra.cooling = [], [], {}
        extra.alarms, extra.speeds, extra.foretold, extra.used_ms = [], {}, {}, 0
        extra.own_thresholds = {}
        drop_empty_extra(account)
    return out


def _waiting_of(account: Account) -> list[Waiting]:
    return account.extra.waiting if account.extra is not None else []


def _is_wanted(
    account: Account,
    subscriber: str,
    rule: Spoken,
    marks: list[Mark],
    at_ms: int,
    cause: Cause,
    out: list[Effect],
) -> bool:
    """Opting out and validity; what they stop is audited once, by its first mark."""
    policy = rule.policy
    if rule.category in account.opted_out and not rule.mandatory:
        out.append(refused("opted_out", subscriber, rule, marks[0], at_ms, cause))
        return False
    if policy is not PLAIN and not policy.valid_from_ms <= at_ms < policy.valid_until_ms:
        out.append(refused("out_of_validity", subscriber, rule, marks[0], at_ms, cause))
        return False
    return True


def _judge(
    account: Account,
    subscriber: str,
    waiting: Waiting,
    at_ms: int,
    rules: Rulebook,
    speakers: Speakers,
    out: list[Effect],
) -> _Entry | None:
    """A held message with what is still true of it; None (and audited) if that is nothing."""
    cause = cause_of_release(waiting, at_ms)
    entry = _entry_of(waiting, rules, speakers)
    true: list[Mark] = []
    if entry is not None:
        speaker, rule = entry.speaker, entry.rule
        true = [one for one in waiting.marks if speaker.is_true(account, rule, one, at_ms, rules)]
    false = [one for one in waiting.marks if one not in true]
    audit_marks("no_longer_true", subscriber, waiting, false, at_ms, cause, out)
    waiting.marks = true
    if (
        entry is not None
        and true
        and _is_wanted(account, subscriber, entry.rule, true, at_ms, cause, out)
    ):
        return entry
    _forget(account, waiting)
    return None


def _entry_of(waiting: Waiting, rules: Rulebook, speakers: Speakers) -> _Entry | None:
    """A held message; None if nobody says it any more."""
    speaker = speakers.get(waiting.speaker)
    if speaker is None:
        return None
    rule = speaker.find(rules, waiting.rule)
    return None if rule is None else _Entry(speaker, rule, waiting, True)


def _pass(
    account: Account,
    subscriber: str,
    entries: list[_Entry],
    at_ms: int,
    wall_ms: int,
    rules: Rulebook,
    speakers: Speakers,
    out: list[Effect],
) -> None:
    """Send or hold, the most urgent first: a cap lets through what matters most."""
    bundles: dict[str, list[_Entry]] = {}
    for number, entry in enumerate(sorted(entries, key=lambda one: urgency(one.rule))):
        # Without a group each is alone: two packs that end at one instant are two messages. In a
        # group they are one, which names both.
        bundle = bundles.setdefault(entry.rule.policy.group or f"#{number}", [])
        same = next((one for one in bundle if one.rule.id == entry.rule.id), None)
        if same is not None:
            same.waiting.marks.extend(entry.waiting.marks)
        else:
            bundle.append(entry)
    for key, bundle in bundles.items():
        _join_held(account, subscriber, bundle, at_ms, out)
        delays = [
            earliest(account, one.rule, one.waiting.since_ms, wall_ms, rules) for one in bundle
        ]
        if min(one.until_ms for one in delays) > wall_ms:
            for entry, delay in zip(bundle, delays, strict=True):
                _hold(account, subscriber, entry, delay, at_ms, out)
            continue
        # One of them may go: what waits of the same group goes with it.
        taken = {id(one.waiting) for one in bundle}
        for waiting in _waiting_of(account).copy():
            if id(waiting) in taken:
                continue
            held = _entry_of(waiting, rules, speakers)
            if held is None or held.rule.policy.group != key:
                continue
            other = _judge(account, subscriber, waiting, at_ms, rules, speakers, out)
            if other is not None:
                bundle.append(other)
        _send(account, subscriber, bundle, at_ms, rules, out)


def _join_held(
    account: Account, subscriber: str, bundle: list[_Entry], at_ms: int, out: list[Effect]
) -> None:
    """Put new messages to those of the same rule that wait already."""
    for index, (speaker, rule, waiting, is_held) in enumerate(bundle):
        if is_held:
            continue
        for held in _waiting_of(account):
            if held.speaker == speaker.name and held.rule == rule.id:
                over = {one.bucket for one in waiting.marks}
                if speaker.is_of_one_mark and held.marks[0].bucket not in over:
                    continue
                gone = [one for one in held.marks if one.bucket in over]
                audit_marks("superseded", subscriber, held, gone, at_ms, waiting.cause, out)
                held.marks = [one for one in held.marks if one.bucket not in over]
                held.marks += waiting.marks
                held.cycle_start_ms, held.cause = waiting.cycle_start_ms, waiting.cause
                bundle[index] = _Entry(speaker, rule, held, False)


def _hold(
    account: Account,
    subscriber: str,
    entry: _Entry,
    delay: Delay,
    at_ms: int,
    out: list[Effect],
) -> None:
    why, until_ms = delay
    waiting = entry.waiting
    waiting.until_ms = until_ms
    extra = extra_of(account)
    if not any(one is waiting for one in extra.waiting):
        extra.waiting.append(waiting)
    account.next_due_ms = min(account.next_due_ms, until_ms)
    cause = cause_of_release(waiting, at_ms) if entry.is_held else waiting.cause
    audit_marks(why, subscriber, waiting, waiting.marks, at_ms, cause, out, until_ms=until_ms)


def _send(
    account: Account,
    subscriber: str,
    bundle: list[_Entry],
    at_ms: int,
    rules: Rulebook,
    out: list[Effect],
) -> None:
    """Say the most urgent of a bundle; the others are told with it."""
    bundle.sort(key=lambda one: urgency(one.rule))
    for entry in bundle[1:]:
        cause = entry.waiting.cause
        audit_marks("merged", subscriber, entry.waiting, entry.waiting.marks, at_ms, cause, out)
    speaker, rule, waiting, is_held = bundle[0]
    cause = cause_of_release(waiting, at_ms) if is_held else waiting.cause
    out.extend(
        speaker.say(
            account, subscriber, rule, waiting.marks, waiting.cycle_start_ms, at_ms, cause, rules
        )
    )
    for entry in bundle:
        _forget(account, entry.waiting)
    note_sent(account, [entry.rule for entry in bundle], at_ms, rules)


def _forget(account: Account, waiting: Waiting) -> None:
    if account.extra is not None:
        account.extra.waiting = [one for one in account.extra.waiting if one is not waiting]
