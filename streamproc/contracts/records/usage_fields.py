"""The fields of a usage event as senders give them. All code that lists them uses this list.

They are the fields of the struct ``core.state.events.UsageRecorded`` (docs/recipes/usage-field.md).
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

from msgspec import NODEFAULT
from msgspec.inspect import IntType, StructType, type_info

from streamproc.core.state.events import SubscriberEvent, UsageRecorded

Sort = Literal["bytes", "number", "text"]


class UsageField(NamedTuple):
    """A field that an event can lack."""

    name: str
    sort: Sort
    default: Any
    """None: the field can be left out."""
    says: str
    """What the field means, as a sentence."""


def _common() -> set[str]:
    """The fields that every event of a subscriber has."""
    return set.intersection(*(set(one.__struct_fields__) for one in get_args(SubscriberEvent)))


def _fields() -> tuple[UsageField, ...]:
    found = type_info(UsageRecorded)
    assert isinstance(found, StructType)
    return tuple(
        UsageField(
            one.name,
            _sort(one.name, one.type),
            None if one.default is NODEFAULT else one.default,
            UsageRecorded.SAYS[one.name],
        )
        for one in found.fields
        if one.name not in _common()
    )


def _sort(name: str, kind: Any) -> Sort:
    if not isinstance(kind, IntType):
        return "text"
    return "bytes" if name.endswith("_bytes") else "number"


USAGE_FIELDS = _fields()
