"""The contract in both of its forms: the files in ``schemas/`` and the types that decode."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import msgspec
from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.validators import extend
from referencing import Registry, Resource

from streamproc.contracts.records.alarms import AlarmChanged, decode_alarm
from streamproc.contracts.records.codec import (
    DecodeFailure,
    decode_effect,
    decode_event,
)
from streamproc.contracts.records.receipts import (
    DeadLetter,
    Receipt,
    decode_dead_letter,
    decode_receipt,
)
from streamproc.contracts.records.reveals import DataRevealed, decode_reveal
from streamproc.contracts.records.rule_versions import RulesPublished, decode_rules
from streamproc.core.state.effects import Effect
from streamproc.core.state.events import InputEvent

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "schemas"
EXAMPLES = SCHEMAS / "examples"
DATA = Path(__file__).parent / "data"

COMMON = "common.v1"


def _by_record(*kinds: type[msgspec.Struct]) -> dict[str, type[msgspec.Struct]]:
    return {f"{one.__struct_config__.tag}.v1": one for one in kinds}


INPUTS = _by_record(*get_args(InputEvent))
OUTPUTS = _by_record(*get_args(Effect))
DISPATCH = _by_record(Receipt, DeadLetter)
WORKERS = _by_record(RulesPublished, AlarmChanged)
TOOLS = _by_record(DataRevealed)
TYPES = {**INPUTS, **OUTPUTS, **DISPATCH, **WORKERS, **TOOLS}
_READERS: dict[str, Callable[[bytes], Any]] = {
    **dict.fromkeys(OUTPUTS, decode_effect),
    "receipt.recorded.v1": decode_receipt,
    "reminder.abandoned.v1": decode_dead_letter,
    "rules.published.v1": decode_rules,
    "alarm.changed.v1": decode_alarm,
    "data.revealed.v1": decode_reveal,
}


@cache
def schema(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def examples(name: str, sub: str) -> list[Path]:
    return sorted((EXAMPLES / name / sub).glob("*.json"))


def _ecma_pattern(
    validator: Any, pattern: str, instance: Any, schema: Any
) -> Iterator[ValidationError]:
    """JSON Schema means ECMA's ``$``, the very end; Python's also stands before a last newline."""
    if isinstance(instance, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), instance):
        yield ValidationError(f"does not match {pattern!r}")


@cache
def _registry() -> Registry[Any]:
    return Registry().with_resources(
        (schema(one)["$id"], Resource.from_contents(schema(one))) for one in (*TYPES, COMMON)
    )


@cache
def _definition(base: str, reference: str) -> Any:
    return _registry().resolver(base).lookup(reference)


def _reference(
    validator: Any, reference: str, instance: Any, schema: Any
) -> Iterator[ValidationError]:
    """jsonschema's own looks each reference up anew, which takes half of its time."""
    found = _definition(validator._resolver._base_uri, reference)
    yield from validator.descend(instance, found.contents, resolver=found.resolver)


_extend: Any = extend  # it has no types
_Validator = _extend(Draft202012Validator, {"pattern": _ecma_pattern, "$ref": _reference})
_FORMATS = FormatChecker(formats=["date-time"])


@cache
def validator(name: str) -> Any:
    """A validator of a schema file that checks formats."""
    return _Validator(schema(name), registry=_registry(), format_checker=_FORMATS)


def schema_accepts(name: str, document: Any) -> bool:
    return bool(validator(name).is_valid(document))


def decode(name: str, value: bytes) -> Any:
    """What the program makes of a record's value; raises its errors, and none but them."""
    reader = _READERS.get(name)
    if reader is not None:
        record = reader(value)
        if type(record) is not TYPES[name]:
            raise DecodeFailure("unknown_type", "another record")
        return record
    event = decode_event(value, _key(value))
    if type(event) is not INPUTS[name]:
        raise DecodeFailure("unknown_type", "another event")
    return event


def types_accept(name: str, value: bytes) -> bool:
    try:
        decode(name, value)
    except (DecodeFailure, msgspec.DecodeError):
        return False
    return True


def _key(value: bytes) -> bytes | None:
    """The key that belongs to a value, so that a decoder has nothing to say about the key."""
    try:
        subscriber = msgspec.json.decode(value).get("subscriber")
    except (msgspec.DecodeError, AttributeError):
        return None
    return subscriber.encode() if isinstance(subscriber, str) else None
