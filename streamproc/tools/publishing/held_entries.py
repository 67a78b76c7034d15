"""Counts the accounts that hold what new rules lack: their next cycle would grant nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec

from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state import account as account_row
from streamproc.core.state.account import Account
from streamproc.engine.changelog import is_row
from streamproc.engine.rows import DUE_BYTES
from streamproc.kafka.errors import MissingTopicError
from streamproc.kafka.settings import Broker
from streamproc.tools.replay.sources import TopicSource
from streamproc.worker.what_rules_lack import sources_of, what_rules_lack


def lacking(account: Account, rules: Rulebook, sources: set[str]) -> Iterator[str]:
    """What an account has and the rules lack, in words. ``sources``: ``sources_of`` the rules."""
    yield from (f"{kind} {name!r}" for kind, name in what_rules_lack(account, rules, sources))


def holders(broker: Broker, changelog: str, rules: Rulebook) -> Counter[str]:
    """How many accounts hold each thing that the rules lack, by its words.

    It reads the whole changelog, and remembers only accounts that hold some. Raises ``TopicError``.
    """
    try:
        source = TopicSource(broker, changelog)
    except MissingTopicError:
        return Counter()  # no worker has ever run
    sources = sources_of(rules)
    found: dict[bytes, tuple[str, ...]] = {}
    for record in source.records(source.begin()):
        if record.key is None or not is_row(record.key):
            continue
        what = () if record.value is None else _lacking_in(record.value, rules, sources)
        if what:
            found[record.key] = what
        else:
            found.pop(record.key, None)
    return Counter(one for held in found.values() for one in held)


def _lacking_in(row: bytes, rules: Rulebook, sources: set[str]) -> tuple[str, ...]:
    try:
        account = account_row.unpack(row[DUE_BYTES:])
    except msgspec.DecodeError:
        return ()  # `verify` tells such rows
    return tuple(lacking(account, rules, sources))
