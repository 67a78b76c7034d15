"""Storms: reminders of one instant get different instants within a window.

The place in the window depends only on subscriber, rule and planned instant. So every run, replay
and cluster sends the same text (law 5), and no subscriber is always the last.
"""

from __future__ import annotations

from hashlib import blake2b

from streamproc.core.rules.rulebook import TimedRule


def sent_ms(rule: TimedRule, subscriber: str, planned_ms: int, before_ms: int) -> int:
    """When a reminder planned for an instant is sent: in its rule's window, before ``before_ms``.

    If the window is too long it is shortened, if necessary to nothing.
    """
    total = rule.spread_after_ms + rule.spread_ms
    if not total:
        return planned_ms
    room = before_ms - planned_ms
    if room <= 1:
        return planned_ms
    begin, length = rule.spread_after_ms, rule.spread_ms
    if total >= room:
        begin = begin * (room - 1) // total
        length = room - 1 - begin
    identity = f"{subscriber}\0{rule.id}\0{planned_ms}".encode()
    place = int.from_bytes(blake2b(identity, digest_size=8).digest(), "big")
    return planned_ms + begin + (place * length >> 64)
