"""Reads and checks input records by hand, field by field, from the words of the contract."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from streamproc.errors import StreamprocError

MAX_RECORD_BYTES = 1_000_000
MAX_INTEGER = 2**53 - 1

_ATTRIBUTES = ("specversion", "id", "source", "type")

Fields = dict[str, Any]
"""An event: its fields by name; instants are milliseconds since 1970 (UTC)."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:?\d\d)", re.ASCII
)


class NotAnEventError(StreamprocError):
    """The record is not an event; the argument is the reason of the reject."""


class _Wrong(StreamprocError):
    """A field's value does not fit the contract."""


def read(
    value: bytes | None, key: bytes | None, headers: Sequence[tuple[str, bytes | None]] = ()
) -> Fields:
    """The event in a record; raises :class:`NotAnEventError` with the reason."""
    if value is not None and len(value) > MAX_RECORD_BYTES:
        raise NotAnEventError("oversized")
    pairs = _unwrapped(value, headers) if headers else None
    if pairs is None:
        if not value:
            raise NotAnEventError("tombstone" if value is None else "empty")
        pairs = _object(_parse(value))
    kinds = [content for name, content in pairs if name == "type"]
    if not kinds or any(type(kind) is not str for kind in kinds):
        raise NotAnEventError("contract_violation")
    if any(kind not in _EVENTS for kind in kinds):
        raise NotAnEventError("unknown_type")
    event = _checked(kinds[0], pairs)
    if kinds[0] != "clock.advanced" and key != event["subscriber"].encode():
        raise NotAnEventError("key_mismatch")
    return event


def instant_ms(text: str) -> int:
    """Milliseconds since 1970 of an RFC 3339 instant; smaller digits are cut off. Raises
    ValueError."""
    found = _INSTANT.fullmatch(text)
    if found is None:
        raise ValueError("not an instant")
    *numbers, fraction, zone = found.groups()
    year, month, day, hour, minute, second = map(int, numbers)
    # Digits below the microsecond are rounded, as everywhere in the contract.
    micros = (int((fraction or "0")[:7].ljust(7, "0")) + 5) // 10
    since = datetime(year, month, day, hour, minute, second, tzinfo=UTC) - _EPOCH
    since += timedelta(microseconds=micros)
    if zone not in "Zz":
        hours, minutes = int(zone[1:3]), int(zone[-2:])
        if hours > 23 or minutes > 59:
            raise ValueError("not an offset")
        offset = timedelta(hours=hours, minutes=minutes)
        since = since - offset if zone[0] == "+" else since + offset
    return since // timedelta(milliseconds=1)


def _no_constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


def _whole(digits: str) -> int | float:
    # It is far beyond every bound, and Python refuses to convert thousands of digits.
    return int(digits) if len(digits) < 30 else float("inf")


def _parse(value: bytes) -> Any:
    """Parse JSON. An object becomes the tuple of its pairs, so that repeated names stay visible."""
    try:
        text = value.decode("utf-8")
        parsed = json.loads(
            text, object_pairs_hook=tuple, parse_int=_whole, parse_constant=_no_constant
        )
        if "\\u" in text:
            json.dumps(parsed, ensure_ascii=False).encode("utf-8")  # half a surrogate pair
    except (ValueError, RecursionError):
        raise NotAnEventError("malformed_json") from None
    return parsed


def _object(parsed: Any) -> tuple[tuple[str, Any], ...]:
    if not isinstance(parsed, tuple):
        raise NotAnEventError("contract_violation")
    return parsed


def _unwrapped(
    value: bytes | None, headers: Sequence[tuple[str, bytes | None]]
) -> tuple[tuple[str, Any], ...] | None:
    """The plain form of a CloudEvent in either mode of the Kafka binding; None if it is not a
    CloudEvent.

    Encodings that this project does not use (other charsets, Base64 data) are not supported here.
    """
    by_name = {name.lower(): content for name, content in headers if content is not None}
    if by_name.get("content-type", b"").lower().startswith(b"application/cloudevents"):
        if not value:
            return None
        envelope = _parse(value)
        if not isinstance(envelope, tuple):
            raise NotAnEventError("bad_envelope")
        attributes = {name: content for name, content in envelope if content is not None}
        data = attributes.get("data", ())
    elif any(f"ce_{name}" in by_name for name in _ATTRIBUTES):
        attributes = {
            name[3:]: content.decode(errors="replace")
            for name, content in by_name.items()
            if name.startswith("ce_")
        }
        data = _parse(value) if value else ()
    else:
        return None
    for name in _ATTRIBUTES:
        if type(attributes.get(name)) is not str or not attributes[name]:
            raise NotAnEventError("bad_envelope")
    if attributes["specversion"] != "1.0":
        raise NotAnEventError("bad_envelope")
    kind = re.fullmatch(r"streamproc\.(.*)\.v1", attributes["type"], re.DOTALL)
    if kind is None:
        raise NotAnEventError("unknown_type")
    plain = dict(_object(data))
    renamed = {"id": "id", "source": "source", "subject": "subscriber", "time": "time"}
    outer = {field: attributes[name] for name, field in renamed.items() if name in attributes}
    for field, content in {**outer, "type": kind[1]}.items():
        if plain.setdefault(field, content) != content:
            raise NotAnEventError("bad_envelope")
    return tuple(plain.items())


def _checked(kind: str, pairs: tuple[tuple[str, Any], ...]) -> Fields:
    required, optional = _EVENTS[kind]
    event: Fields = {}
    try:
        for name, content in pairs:
            if name == "type":
                event[name] = content
                continue
            check = required.get(name) or optional.get(name)
            if check is None:
                raise _Wrong
            event[name] = check(content)
    except (_Wrong, ValueError, OverflowError):
        raise NotAnEventError("contract_violation") from None
    if any(name not in event for name in required) or not _consistent(kind, event):
        raise NotAnEventError("contract_violation")
    return event


def _consistent(kind: str, event: Fields) -> bool:
    """Conditions between fields."""
    if kind == "usage.recorded":
        given = {"total_bytes", "uplink_bytes", "downlink_bytes"} & event.keys()
        return given in ({"total_bytes"}, {"uplink_bytes", "downlink_bytes"})
    if kind == "usage.refunded":
        return ("of_source" in event) == ("of_id" in event)
    if kind in ("account.profile_changed", "account.preferences_set"):
        return not event.keys() <= {"type", *_COMMON}
    if kind == "account.topped_up":
        if ("pack" in event) == ("granted_bytes" in event):
            return False
        return not ("pack" in event and "expires_time" in event)
    return True


def _text(least: int, most: int) -> Callable[[Any], str]:
    def check(content: Any) -> str:
        if type(content) is not str or not least <= len(content) <= most:
            raise _Wrong
        return content

    return check


_SUBSCRIBER = re.compile(r"[A-Za-z0-9][!-~]{2,63}")


def _subscriber(content: Any) -> str:
    """Visible ASCII that begins with a letter or digit."""
    if type(content) is not str or _SUBSCRIBER.fullmatch(content) is None:
        raise _Wrong
    return content


def _number(least: int, most: int) -> Callable[[Any], int]:
    def check(content: Any) -> int:
        if type(content) is not int or not least <= content <= most:
            raise _Wrong
        return content

    return check


def _instant(content: Any) -> int:
    if type(content) is not str:
        raise _Wrong
    return instant_ms(content)


def _truth(content: Any) -> bool:
    if type(content) is not bool:
        raise _Wrong
    return content


def _one_of(*choices: str) -> Callable[[Any], str]:
    def check(content: Any) -> str:
        if type(content) is not str or content not in choices:
            raise _Wrong
        return content

    return check


def _names(most: int) -> Callable[[Any], list[str]]:
    def check(content: Any) -> list[str]:
        if not isinstance(content, list) or len(content) > most:
            raise _Wrong
        return [_text(1, 64)(one) for one in content]

    return check


def _list_of(check: Callable[[Any], Any], most: int) -> Callable[[Any], list[Any]]:
    def check_all(content: Any) -> list[Any]:
        if type(content) is not list or len(content) > most:
            raise _Wrong
        return [check(one) for one in content]

    return check_all


def _chosen_time(content: Any) -> str:
    if type(content) is not str:
        raise _Wrong
    if content != "default" and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", content, re.ASCII) is None:
        raise _Wrong
    return content


_Checks = dict[str, Callable[[Any], Any]]

_NAME = _text(1, 64)
_BYTES = _number(0, MAX_INTEGER)
_SOURCE = _text(1, 256)
_COMMON: _Checks = {
    "id": _text(1, 128),
    "source": _SOURCE,
    "subscriber": _subscriber,
    "time": _instant,
}
_EVENTS: dict[str, tuple[_Checks, _Checks]] = {
    "usage.recorded": (
        _COMMON,
        {
            "total_bytes": _BYTES,
            "uplink_bytes": _BYTES,
            "downlink_bytes": _BYTES,
            "rating_group": _number(0, 2**32 - 1),
            "service": _NAME,
            "roaming_zone": _NAME,
            "member": _subscriber,
        },
    ),
    "usage.refunded": (
        {**_COMMON, "refunded_bytes": _number(1, MAX_INTEGER)},
        {
            "rating_group": _number(0, 2**32 - 1),
            "roaming_zone": _NAME,
            "member": _subscriber,
            "of_source": _SOURCE,
            "of_id": _text(1, 128),
            "notify": _truth,
        },
    ),
    "account.activated": (
        {
            **_COMMON,
            "plan": _NAME,
            "time_zone": _NAME,
            "billing_anchor_day": _number(1, 31),
        },
        {"locale": _NAME, "services": _names(50)},
    ),
    "account.plan_changed": (
        {**_COMMON, "plan": _NAME},
        {"effective": _one_of("now", "next_cycle"), "prorated": _truth},
    ),
    "account.topped_up": (
        _COMMON,
        {"pack": _NAME, "granted_bytes": _number(1, MAX_INTEGER), "expires_time": _instant},
    ),
    "account.profile_changed": (
        _COMMON,
        {"time_zone": _NAME, "locale": _NAME, "segments": _list_of(_NAME, 32)},
    ),
    "account.preferences_set": (
        _COMMON,
        {
            "summary_every": _one_of(
                *("day", "week", "month", "month_start", "month_middle", "month_end"),
                *("cycle_start", "cycle_middle", "cycle_end", "off", "default"),
            ),
            "summary_at": _chosen_time,
            "own_percents": _list_of(_number(1, 100), 10),
        },
    ),
    "account.opted_out": ({**_COMMON, "category": _NAME}, {}),
    "account.opted_in": ({**_COMMON, "category": _NAME}, {}),
    "account.cost_cap_lifted": (
        _COMMON,
        {"tariff": _text(0, 64), "until": _one_of("cycle_end", "revoked")},
    ),
    "account.cost_cap_restored": (_COMMON, {"tariff": _text(0, 64)}),
    "account.member_joined": (
        {**_COMMON, "member": _subscriber},
        {"role": _one_of("owner", "member"), "cap_bytes": _BYTES},
    ),
    "account.member_left": ({**_COMMON, "member": _subscriber}, {}),
    "account.closed": (_COMMON, {}),
    "service.requested": ({**_COMMON, "service": _NAME}, {}),
    "service.subscribed": (
        {**_COMMON, "service": _NAME},
        {"price_minor": _BYTES, "next_charge_time": _instant},
    ),
    "service.unsubscribed": ({**_COMMON, "service": _NAME}, {}),
    "service.charge_requested": ({**_COMMON, "service": _NAME, "amount_minor": _BYTES}, {}),
    "service.charged": (
        {**_COMMON, "service": _NAME, "amount_minor": _BYTES},
        {"request_id": _COMMON["id"], "next_charge_time": _instant},
    ),
    "service.refunded": (
        {**_COMMON, "service": _NAME, "amount_minor": _BYTES},
        {"charged_minor": _BYTES},
    ),
    "location.updated": ({**_COMMON, "roaming_zone": _NAME}, {}),
    "sms.received": ({**_COMMON, "text": _text(0, 1600)}, {}),
    "clock.advanced": (
        {"id": _COMMON["id"], "source": _SOURCE, "time": _instant},
        {},
    ),
}
"""Required and optional fields of each event."""


_DIGITS = frozenset("0123456789")


def spells_a_number(subscriber: str, kind: str) -> bool:
    """Whether a subscriber is a phone number that is not written as its key.

    ``kind`` is that of the limits in the rules file.
    """
    if kind == "ids" or not subscriber or subscriber.startswith("streamproc-canary-"):
        return False
    if set(subscriber) <= _DIGITS:
        if subscriber[0] != "0" and 7 <= len(subscriber) <= 15:
            return False
        dialled = subscriber[:2] == "00" and subscriber[2:3] not in ("", "0")
        return kind == "numbers" or (dialled and 7 <= len(subscriber) - 2 <= 15)
    lower = subscriber.lower()
    if kind == "numbers" or lower[:4] == "tel:":
        return True
    return _is_address(lower) or _is_spreadsheets(lower) or _is_grouped(subscriber)


def _is_address(text: str) -> bool:
    """A number in a SIP URI, with the prefix of 5G, or of digits in pairs with a filler."""
    if text[:6] == "msisdn" and text[6:7] in ("-", ":", "="):
        return _begins_with_digit(text[7:].removeprefix("+"))
    if text[-1] == "f" and _all_digits(text[:-1]):
        return text[0] != "0" and len(text) in (12, 14, 16)
    scheme, _, rest = text.partition(":")
    if scheme in ("sms", "smsto", "callto"):
        return _begins_with_digit(rest.removeprefix("+"))
    if scheme not in ("sip", "sips"):
        return False
    if rest[:1] == "+" and _begins_with_digit(rest[1:]):
        return True
    return "@" in rest and "user=phone" in rest.partition("@")[2].split(";")[1:]


def _begins_with_digit(text: str) -> bool:
    return text[:1] in _DIGITS and text != ""


def _is_spreadsheets(text: str) -> bool:
    """A number such as 8.6E+12 or 8600000.0."""
    mantissa, exponent_sign, exponent = text.partition("e")
    whole, point, part = mantissa.replace(",", ".").partition(".")
    if exponent_sign and _all_digits(whole) and (not point or _all_digits(part)):
        signed = exponent[:1] == "+" and _all_digits(exponent[1:])
        return signed or (point == "." and _all_digits(exponent))
    whole, point, part = text.replace(",", ".").partition(".")
    return bool(point) and len(whole) >= 7 and _all_digits(whole) and set(part) == {"0"}


def _is_grouped(text: str) -> bool:
    """Eight digits or more with signs between them, except addresses of machines. No more than
    fifteen of them follow a dialling prefix."""
    pairs = text.replace(":", "-").split("-")
    if len(pairs) == 6 and all(len(one) == 2 for one in pairs):
        return False
    parts = text.split(".")
    if len(parts) == 4 and all(1 <= len(one) <= 3 and _all_digits(one) for one in parts):
        return False
    digits = [one for one in text if one in _DIGITS]
    if not set(text) - _DIGITS <= set(" ().,'-/\u00a0") or len(digits) < 8:
        return False
    if len("".join(digits).lstrip("0")) > 15:
        return False
    groups = "".join(one if one in _DIGITS else " " for one in text.removeprefix("("))
    first, *_, last = groups.split(" ")
    return 1 <= len(first) <= 5 and len(last) >= 2


def _all_digits(text: str) -> bool:
    return text != "" and set(text) <= _DIGITS
