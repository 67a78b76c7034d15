"""Finds all faults in plain data against a msgspec type, not only the first one.

``msgspec.convert`` stops at the first fault. If it fails, this module walks the data field by field
and lets msgspec check each leaf. So msgspec alone decides what is right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Meta, Struct

from streamproc.contracts.rules_file.read.field_lines import Path

Fault = tuple[Path, str]

_WORDS = {
    "int": "a whole number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a mapping of fields",
}
_EXPECTED = re.compile(r"Expected `(\w+)`(?: (?:of (length) )?(>=|<=) (-?\d+))?")
_BOUNDS = {">=": "at least", "<=": "at most"}
_SHOWN_CHARACTERS = 40


Conditions = Callable[[], Iterable[Fault]]
"""Finds what types do not show: contradictions between several fields."""


def faults_and(value: Any, kind: Any, conditions: Conditions) -> list[Fault]:
    """All faults, and what conditions between fields find in data of any types.

    Conditions may stumble over a value of a wrong type. Then only the wrong types are reported.
    """
    found = faults(value, kind)
    try:
        return [*found, *conditions()]
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        if not found:
            raise
        return found


def faults(value: Any, kind: Any) -> list[Fault]:
    """All faults with their paths; an empty list if ``msgspec.convert(value, kind)`` succeeds."""
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        return list(_walk(value, kind, ())) or [((), str(error))]
    return []


def _walk(value: Any, kind: Any, path: Path) -> Iterator[Fault]:
    bare = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    origin = get_origin(bare)
    if origin in (Union, UnionType):
        yield from _walk_union(value, get_args(bare), path)
    elif isinstance(bare, type) and issubclass(bare, Struct) and isinstance(value, dict):
        yield from _walk_struct(value, bare, path)
    elif origin in (tuple, list, frozenset) and isinstance(value, list):
        found = [
            fault
            for index, item in enumerate(value)
            for fault in _walk(item, get_args(bare)[0], (*path, index))
        ]
        yield from found or _leaf(value, kind, path)
    elif origin is dict and isinstance(value, dict):
        key_kind, item_kind = get_args(bare)
        found = [
            fault
            for key, item in value.items()
            for fault in (
                *_leaf(key, key_kind, (*path, key)),
                *_walk(item, item_kind, (*path, key)),
            )
        ]
        yield from found or _leaf(value, kind, path)
    else:
        yield from _leaf(value, kind, path)


def _walk_union(value: Any, kinds: tuple[Any, ...], path: Path) -> Iterator[Fault]:
    """Checks a union: a tagged struct by its tag; a struct or its short form; a type that can be
    None."""
    structs = [one for one in kinds if isinstance(one, type) and issubclass(one, Struct)]
    plain = len(structs) == 1 and structs[0].__struct_config__.tag is None
    short = next((one for one in kinds if one is not structs[0]), None) if plain else None
    if plain and short is not type(None):
        if isinstance(value, dict):
            yield from _walk_struct(value, structs[0], path)
        else:
            yield from _leaf(value, short, path)
        return
    if not structs or plain:
        some = [one for one in kinds if one is not type(None)]
        if isinstance(value, dict | list):
            like = dict if isinstance(value, dict) else list
            some = [one for one in some if _is_a(like, one)] or some
        if value is not None and all(faults(value, one) for one in some):
            yield from _walk(value, some[0], path)
        return
    field: str = structs[0].__struct_config__.tag_field or ""
    by_tag = {one.__struct_config__.tag: one for one in structs}
    if not isinstance(value, dict):
        yield path, f"must be {_WORDS['object']}, not {_shown(value)}"
    elif field not in value:
        yield (*path, field), f"is missing; one of {', '.join(map(str, by_tag))}"
    elif not isinstance(value[field], str) or value[field] not in by_tag:
        yield (*path, field), _no_choice(value[field], [str(tag) for tag in by_tag])
    else:
        yield from _walk_struct(value, by_tag[value[field]], path)


def _is_a(like: type, kind: Any) -> bool:
    bare = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    return get_origin(bare) is like


@cache
def _fields_of(kind: type[Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    """The fields by their names in a file. msgspec reads the annotations again at each call."""
    return {field.encode_name: field for field in msgspec.structs.fields(kind)}


def _walk_struct(value: dict[str, Any], kind: type[Struct], path: Path) -> Iterator[Fault]:
    fields = _fields_of(kind)
    tag_field = kind.__struct_config__.tag_field
    known = [*([tag_field] if tag_field else []), *fields]
    for name in value:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
            yield (*path, name), f"unknown field; {hint}"
    for name, field in fields.items():
        if name in value:
            yield from _walk(value[name], field.type, (*path, name))
        elif field.default is NODEFAULT and field.default_factory is NODEFAULT:
            yield (*path, name), "is missing"


def _leaf(value: Any, kind: Any, path: Path) -> Iterator[Fault]:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        yield path, _in_words(str(error), value, kind)


def _in_words(message: str, value: Any, kind: Any) -> str:
    """The message of msgspec in words for the writer of a rules file."""
    if message.startswith("Invalid enum value"):
        return _no_choice(value, [str(choice) for choice in get_args(kind)])
    expected = _EXPECTED.match(message)
    if expected is None:
        return message
    name, length, bound, limit = expected.groups()
    described = [
        meta.description for meta in get_args(kind) if isinstance(meta, Meta) and meta.description
    ]
    if described:
        wanted = described[0]
    elif not bound:
        wanted = _WORDS.get(name, name)
    elif not length:
        wanted = f"{_BOUNDS[bound]} {limit}"
    else:
        what = "characters" if name == "str" else "entries"
        return f"must have {_BOUNDS[bound]} {limit} {what}"
    hint = ""
    if isinstance(value, float) and name == "int":
        hint = "; whole numbers are written like 1_000_000"
    elif name == "str" and isinstance(value, int | float):
        hint = "; put it in quotes"
    return f"must be {wanted}, not {_shown(value)}{hint}"


def _no_choice(value: Any, choices: list[str]) -> str:
    one_of = "one of " if len(choices) > 1 else ""
    return f"must be {one_of}{', '.join(choices)}, not {_shown(value)}"


def _shown(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list):
        return _WORDS["object" if isinstance(value, dict) else "array"]
    shown = f"{value!r}" if isinstance(value, str) else f"{value}"
    if len(shown) <= _SHOWN_CHARACTERS:
        return shown
    return f"{shown[: _SHOWN_CHARACTERS - 3]}..."
