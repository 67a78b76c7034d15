"""Hypothesis strategies: documents drawn from the types, and faults put into valid documents."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone
from functools import cache
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from streamproc.core.state.effects import Cause
from streamproc.core.state.events import (
    PreferencesSet,
    ProfileChanged,
    ToppedUp,
    UsageRecorded,
    UsageRefunded,
)

JsonStrategy = st.SearchStrategy[Any]

_ORIGIN = ("event_id", "source", "topic", "partition", "offset")
_ALTERNATIVES: dict[type, tuple[tuple[str, ...], ...]] = {
    UsageRecorded: (("total_bytes",), ("uplink_bytes", "downlink_bytes")),
    UsageRefunded: ((), ("of_source", "of_id")),
    ToppedUp: (("pack",), ("granted_bytes",), ("granted_bytes", "expires_time")),
    ProfileChanged: (("time_zone",), ("segments",), ("time_zone", "locale", "segments")),
    PreferencesSet: (("summary_every",), ("summary_every", "summary_at"), ("own_percents",)),
    Cause: (_ORIGIN, ("due_time",), (*_ORIGIN, "due_time")),
}
"""Optional fields that depend on each other: which come together."""

OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(
    lambda minutes: timezone(timedelta(minutes=minutes))
)
INSTANTS = st.datetimes(timezones=st.just(UTC) | OFFSETS)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
INSTANT_TEXTS = st.from_regex(
    r"\A[0-2][0-9]{3}-[01][0-9]-[0-3][0-9][T_tx][0-2][0-9]:[0-6][0-9]:[0-6][0-9]"
    r"(\.[0-9]{0,9})?(Z|z|[+-][0-2][0-9]:?[0-6][0-9]|)\n?\Z"
)


@cache
def instances(kind: type[msgspec.Struct]) -> st.SearchStrategy[msgspec.Struct]:
    """Instances of a struct type, from everything its annotations and checks allow."""
    return _structs(inspect.type_info(kind))


@cache
def documents(kind: type[msgspec.Struct]) -> JsonStrategy:
    """The same as JSON documents."""
    return instances(kind).map(lambda one: msgspec.json.decode(msgspec.json.encode(one)))


@st.composite
def faulty(draw: st.DrawFn, kind: type[msgspec.Struct]) -> Any:
    """A document that some change may have made invalid, or not."""
    document = draw(documents(kind))
    place: Any = document
    while True:
        name = draw(st.sampled_from(sorted(place)))
        inner = place[name]
        if isinstance(inner, list) and inner:
            inner = inner[0]
        if not isinstance(inner, dict) or not inner or draw(st.booleans()):
            break
        place = inner
    change = draw(st.sampled_from((_nudge, _nudge, _nudge, _drop, _replace, _add)))
    change(draw, place, name)
    return document


def _drop(draw: st.DrawFn, place: dict[str, Any], name: str) -> None:
    del place[name]


def _replace(draw: st.DrawFn, place: dict[str, Any], name: str) -> None:
    place[name] = draw(JSON)


def _add(draw: st.DrawFn, place: dict[str, Any], name: str) -> None:
    place[draw(st.sampled_from(("extra", name.upper(), "")) | st.text(max_size=8))] = draw(JSON)


def _nudge(draw: st.DrawFn, place: dict[str, Any], name: str) -> None:
    """Something near the limits of what is allowed."""
    value = place[name]
    if isinstance(value, bool) or value is None:
        place[name] = draw(SCALARS)
    elif isinstance(value, int):
        near = st.sampled_from((-1, 0, 1, 31, 32, 255, 256, 1000, 1001, 2**31, 2**32, 2**53))
        place[name] = draw(near) + draw(st.integers(-1, 1))
    elif isinstance(value, str):
        longer = st.sampled_from(
            ("", value[:2], value * 40, f"{value}\n", f" {value}", f"{value}é")
        )
        place[name] = draw(longer | INSTANT_TEXTS if value[10:11] == "T" else longer)


def _structs(info: Any) -> st.SearchStrategy[Any]:
    cls = info.cls
    fields = {field.name: _of(field.type) for field in info.fields}
    required = {field.name for field in info.fields if field.required}
    alternatives = _ALTERNATIVES.get(cls, ((),))
    bound = {name for names in alternatives for name in names}
    free = {name: one for name, one in fields.items() if name not in required | bound}
    return st.one_of(
        [
            st.fixed_dictionaries(
                {name: fields[name] for name in (*sorted(required), *names)}, optional=free
            )
            for names in alternatives
        ]
    ).map(lambda chosen: cls(**chosen))


def _of(info: Any) -> st.SearchStrategy[Any]:  # one branch for each sort of type
    match info:
        case inspect.StrType(pattern=str() as pattern):
            return st.from_regex(pattern, fullmatch=True)
        case inspect.StrType():
            return st.text(min_size=info.min_length or 0, max_size=min(info.max_length or 200, 200))
        case inspect.IntType():
            return st.integers(info.ge, info.le)
        case inspect.BoolType():
            return st.booleans()
        case inspect.NoneType():
            return st.none()
        case inspect.DateTimeType():
            return INSTANTS
        case inspect.LiteralType():
            return st.sampled_from(info.values)
        case inspect.ListType():
            return st.lists(_of(info.item_type), max_size=3)
        case inspect.DictType():
            return st.dictionaries(_of(info.key_type), _of(info.value_type), max_size=3)
        case inspect.UnionType():
            return st.one_of([_of(one) for one in info.types])
        case inspect.StructType():
            return _structs(info)
    raise NotImplementedError(info)


__all__ = ["INSTANTS", "INSTANT_TEXTS", "JSON", "documents", "faulty", "instances"]
