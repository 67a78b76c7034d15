"""The compiled plain case of usage, if it is installed (``native/``); the core decides all else.

It applies usage that nothing special happens to, writing byte for byte what the core would write
(tests/property holds them together), and leaves every other record to the core. Usage that crosses
thresholds is plain under rules whose messages change no account; the core then tells of it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from streamproc.contracts.records.codec import MAX_RECORD_BYTES
from streamproc.core.alerts.speakers import after_plain_usage
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import Account
from streamproc.core.state.effects import Cause, Effect
from streamproc.core.usage.charging import crossed_from
from streamproc.errors import StreamprocError
from streamproc.worker.native_bridge.known_rules import known
from streamproc.worker.settings import Native

INTERFACE = 10
"""What the compiled part and this module agree on. Raised with every change of either side's part:
an older build, left in an environment, would write wrong states."""

try:
    import streamproc_native
except ImportError:  # not built here: the same results, slower
    streamproc_native = None


class NativeMissingError(StreamprocError):
    """The compiled part was demanded and is not installed, or is one of another release."""


def is_native(choice: Native) -> bool:
    """Whether the compiled part is used.

    Raises :class:`NativeMissingError` for a vain ``on``, and for a build of another release.
    """
    if choice == "off":
        return False
    if streamproc_native is None:
        if choice == "on":
            raise NativeMissingError("streamproc_native is not installed: pip install ./native")
        return False
    if getattr(streamproc_native, "INTERFACE", 1) != INTERFACE:
        # Not passed over in silence: a worker would be half as fast for no visible reason.
        raise NativeMissingError(
            "streamproc_native is of another release: pip install ./native, or --native off"
        )
    return True


def plain_usage(rules: Rulebook, *, event_clock: bool) -> Any:
    """``apply(records, start, stored, changed, told, topic, partition, clock_ms)``, which returns
    ``(next, clock_ms, crossed)``.

    ``told`` gets (key, reminder, audit record) of all that the compiled part tells of itself.
    ``crossed`` is None, or the fields of a :class:`Crossed`: then the record before ``next`` is
    applied, and has to be told of.
    """
    return streamproc_native.PlainUsage(known(rules), event_clock, MAX_RECORD_BYTES)


class Crossed(NamedTuple):
    """Usage that was applied and crossed thresholds, in the order of ``native/src/lib.rs``."""

    event_id: str
    source: str
    time_ms: int
    received_ms: int
    used_bytes: int
    overage_bytes: int
    """Of these, what no bucket covered."""
    buckets: list[tuple[int, int]]
    """Position of a bucket in which thresholds were crossed, and what was used of it before."""


def effects_of(
    crossed: Crossed,
    account: Account,
    key: bytes,
    topic: str,
    partition: int,
    offset: int,
    rules: Rulebook,
) -> list[Effect]:
    """What the core says of it; ``account`` is the one afterwards."""
    cause = Cause(crossed.event_id, crossed.source, topic, partition, offset)
    as_of_ms = max(account.clock_ms, crossed.received_ms)
    found = [
        crossed_from(account.buckets[position], used_bytes, rules)
        for position, used_bytes in crossed.buckets
    ]
    return after_plain_usage(
        account,
        key.decode(),
        found,
        crossed.used_bytes,
        crossed.overage_bytes,
        as_of_ms,
        cause,
        rules,
    )
