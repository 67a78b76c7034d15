"""Receipts, dead letters and facts, from what the dispatcher knows of a message."""

from __future__ import annotations

from msgspec import UNSET

from streamproc.contracts.records.receipts import DeadLetter, Receipt, ReminderRecord, Status
from streamproc.core.instants import from_ms, to_ms
from streamproc.core.privacy import mask
from streamproc.dispatch.journal import Facts, JournalEntry
from streamproc.dispatch.model import Origin, Outgoing
from streamproc.dispatch.number_hashes import NumberHashes
from streamproc.dispatch.traced import Settled


def facts_of(message: Outgoing, hashes: NumberHashes) -> Facts:
    """What later receipts need, so that they can be written without the reminder."""
    reminder, origin = message.reminder, message.origin
    return Facts(
        # The number that the message is sent to: the delivery receipt will name it.
        reminder.subscriber if message.is_canary else mask(message.subscriber),
        hashes.of(message.subscriber),
        reminder.kind,
        reminder.rule,
        reminder.mandatory,
        message.part_count,
        to_ms(reminder.as_of),
        origin.timestamp_ms,
        origin.topic,
        origin.offset,
    )


def receipt_of(
    message_id: str,
    partition: int,
    entry: JournalEntry,
    status: Status,
    now_ms: int,
    error_class: str = "",
    error_code: str = "",
) -> Receipt:
    """A receipt. Times that would be negative (because clocks differ) count as 0."""
    facts = entry.facts
    assert facts is not None  # every entry of an open message has facts
    reminder_id, _, resend = message_id.partition("~")
    return Receipt(
        reminder_id=reminder_id,
        status=status,
        time=from_ms(now_ms),
        subscriber=facts.subscriber,
        kind=facts.kind,
        rule=facts.rule,
        mandatory=facts.mandatory,
        attempts=entry.attempts,
        parts=facts.parts,
        as_of=from_ms(facts.as_of_ms),
        requested_time=from_ms(facts.requested_ms),
        event_to_status_ms=max(now_ms - facts.as_of_ms, 0),
        reminder_to_status_ms=max(now_ms - facts.requested_ms, 0),
        reminder=ReminderRecord(facts.topic, partition, facts.offset),
        gateway=entry.gateway or UNSET,
        message_ids=[entry.done[part] for part in sorted(entry.done)] or UNSET,
        error_class=error_class or UNSET,
        error_code=error_code or UNSET,
        resend=resend or UNSET,
    )


def settled_of(
    message_id: str, partition: int, entry: JournalEntry, status: Status, since_ms: int
) -> Settled:
    """What the span of a delivery receipt says."""
    facts = entry.facts
    assert facts is not None  # every entry of an open message has facts
    place = facts.topic, partition, facts.offset
    error = "" if status == "delivered" else status
    return Settled(entry.trace_headers, message_id, *place, entry.gateway, status, since_ms, error)


def expired_of(message: Outgoing) -> Settled:
    """What the span says of a message that nobody was in time to send."""
    origin = message.origin
    place = origin.topic, origin.partition, origin.offset
    status = "expired"
    return Settled(
        message.trace, message.id, *place, message.gateway, status, message.read_ms, status
    )


def dead_letter_of(
    message: Outgoing, entry: JournalEntry, reason: str, detail: str, now_ms: int
) -> DeadLetter:
    """The dead letter of a message that the dispatcher does not try to send any more."""
    reminder, origin = message.reminder, message.origin
    return DeadLetter(
        reason=reason,
        detail=detail,
        time=from_ms(now_ms),
        reminder=ReminderRecord(origin.topic, origin.partition, origin.offset),
        attempts=entry.attempts,
        reminder_id=reminder.id,
        subscriber=reminder.subscriber if message.is_canary else mask(reminder.subscriber),
        kind=reminder.kind,
        rule=reminder.rule,
        gateway=entry.gateway or UNSET,
        resend=message.id.partition("~")[2] or UNSET,
    )


def unreadable(origin: Origin, error: Exception, now_ms: int) -> DeadLetter:
    """The dead letter of a record that is not a reminder.

    The path of a validation error names the field. Its message can quote a value, so it
    is not included.
    """
    _, found, path = str(error).rpartition(" - at ")
    detail = f"not as the contract has it, at {path}" if found else "not a reminder at all"
    if isinstance(error, RecursionError):
        detail = "it is nested too deeply"
    return DeadLetter(
        reason="contract_violation",
        detail=detail[:200],
        time=from_ms(now_ms),
        reminder=ReminderRecord(origin.topic, origin.partition, origin.offset),
    )
