"""The differences between two states of one subscriber, without showing the subscriber."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from msgspec import structs

from streamproc.core.privacy import mask
from streamproc.core.state.account import Account, Bucket

SCHEDULE = frozenset({"clock_ms", "next_due_ms", "rules_id"})
"""Fields that depend on the times at which timers ran and on the rules, not on events."""
_OPAQUE = {"seen_ids": "event ids", "held": "held events", "seen_marks": "marks of event ids"}
"""Fields of which only the size is shown: they can contain numbers, or mean nothing to a reader."""
_BY_ID = ("buckets", "ended")


@dataclass
class Difference:
    """A subscriber whose stored state differs from the recalculation."""

    subscriber: str
    """Masked number."""
    partition: int
    fields: list[str] = field(default_factory=list)
    """``field: in the changelog, from the input``."""

    def __str__(self) -> str:
        return f"{self.subscriber} (partition {self.partition}): {'; '.join(self.fields)}"


def difference(
    key: bytes, partition: int, kept: Account | None, rebuilt: Account | None
) -> Difference | None:
    """Compare the changelog's state with the rebuilt one; None if they are equal."""
    found = Difference(mask(key.decode(errors="replace")), partition)
    if kept is None or rebuilt is None:
        if kept is rebuilt:
            return None
        where = "input" if kept is None else "changelog"
        found.fields.append(f"only the {where} has it")
        return found
    found.fields += [
        text for name in Account.__struct_fields__ for text in _field(name, kept, rebuilt)
    ]
    return found if found.fields else None


def differing_fields(kept: Account, rebuilt: Account) -> set[str]:
    """The names of fields that differ."""
    return {
        name for name in Account.__struct_fields__ if getattr(kept, name) != getattr(rebuilt, name)
    }


def differ_by_clock(kept: Account, rebuilt: Account) -> bool:
    """Whether the states differ in nothing but what the partition's clock decided when the same
    events arrived: timers, the weeks of event ids, and which usage was late."""
    fields = differing_fields(kept, rebuilt) - SCHEDULE
    return (
        fields <= {"seen_marks", "history"}
        and sum(kept.seen_marks[1::2]) == sum(rebuilt.seen_marks[1::2])
        and _without_lateness(kept) == _without_lateness(rebuilt)
    )


def _without_lateness(account: Account) -> list[Any]:
    return [structs.replace(one, late_bytes=0) for one in account.history]


def _field(name: str, kept: Account, rebuilt: Account) -> Iterator[str]:
    one, other = getattr(kept, name), getattr(rebuilt, name)
    if one == other:
        return
    if name in _OPAQUE:
        yield f"{name}: {len(one)} and {len(other)} long, {_OPAQUE[name]} differ"
    elif name in _BY_ID:
        yield from _buckets(name, one, other)
    elif name == "history":
        yield f"history: {_told(one)} instead of {_told(other)}"
    else:
        yield f"{name}: {one} instead of {other}"


def _buckets(name: str, kept: list[Bucket], rebuilt: list[Bucket]) -> Iterator[str]:
    left, right = {one.id: one for one in kept}, {one.id: one for one in rebuilt}
    for bucket_id in sorted(left.keys() | right.keys()):
        one, other = left.get(bucket_id), right.get(bucket_id)
        if one is None or other is None:
            yield f"{name} {bucket_id}: {'missing' if one is None else 'too much'}"
            continue
        for part in Bucket.__struct_fields__:
            mine, theirs = getattr(one, part), getattr(other, part)
            if mine != theirs:
                yield f"{name} {bucket_id} {part}: {mine} instead of {theirs}"
    if left == right:
        yield f"{name}: in another order"


def _told(cycles: list[Any]) -> str:
    told = [f"{one.used_bytes} of {one.granted_bytes} bytes used" for one in cycles]
    return ", ".join(told) or "none"
