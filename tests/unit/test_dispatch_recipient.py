"""A pool's reminder is sent to the member it names, and matched with that member's receipts."""

from __future__ import annotations

from typing import Any

from streamproc.contracts.records.codec import decode_reminder, encode_effect
from streamproc.dispatch.model import Origin, Outgoing
from streamproc.dispatch.outcome_records import facts_of
from tests.support.scheduler import HASHES, START_MS, TOPIC, reminder

POOL, MEMBER = "family-4711", "8613800000002"


def message(**fields: Any) -> Outgoing:
    one = decode_reminder(encode_effect(reminder(subscriber=POOL, **fields)))
    return Outgoing(one.id, one, Origin(TOPIC, 0, 0, START_MS), 0, 0, START_MS, START_MS + 1)


def test_it_goes_to_the_recipient() -> None:
    assert message(recipient=MEMBER).subscriber == MEMBER
    assert facts_of(message(recipient=MEMBER), HASHES).peer == HASHES.of(MEMBER)


def test_without_recipient_it_goes_to_the_subscriber() -> None:
    assert message().subscriber == POOL
    assert facts_of(message(), HASHES).peer == HASHES.of(POOL)
