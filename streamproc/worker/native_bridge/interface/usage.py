"""The fields of the usage event as the compiled parser reads them, for Rust."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.inspect import BoolType, DateTimeType, IntType, LiteralType, StrType
from msgspec.structs import fields

from streamproc.worker.native_bridge.interface.description import KnownStruct
from streamproc.worker.native_bridge.interface.rust import HEAD, byte_text, camel, indented
from streamproc.worker.native_bridge.interface.struct_fields import (
    DescriptionError,
    default_of,
    types_of,
    unknown_fields,
)

MOST_FIELDS = 64
"""Each field has one bit of a word."""


def render(known: KnownStruct, key_field: str) -> str:
    """Names, forms and defaults of the known fields."""
    config = known.struct.__struct_config__
    assert isinstance(config.tag_field, str)
    assert isinstance(config.tag, str)
    types = types_of(known.struct)
    rows = [(config.tag_field, "Carried", f"Form::Choice(&[{byte_text(config.tag)}])")]
    rows += [
        (name, camel(name), "Form::Key" if name == key_field else form_of(name, types[name]))
        for name in known.reads
    ]
    rows += [(name, "Carried", form_of(name, types[name])) for name in known.carries]
    numbers = {name: number for number, (name, _, _) in enumerate(rows)}
    required = {config.tag_field: True, **{one.name: one.required for one in fields(known.struct)}}
    # A required field that is not known gets a number that no field has, so it is always missing.
    unknown = [one.name for one in unknown_fields(known) if one.required]
    numbers.update({name: len(rows) + place for place, name in enumerate(unknown)})
    if len(numbers) > MOST_FIELDS:
        raise DescriptionError(f"{known.struct.__name__} has more than {MOST_FIELDS} fields")
    bits = sum(1 << number for name, number in numbers.items() if required[name])
    arms = [
        f"{byte_text(name)} => ({numbers[name]}, Field::{field}, {form}),"
        for name, field, form in rows
    ]
    names = [*(camel(name) for name in known.reads), "Carried"]
    return (
        f"{HEAD}//! The fields of `{config.tag}` that the parser knows.\n\n"
        "use crate::form::Form;\n\n"
        "#[derive(Clone, Copy, Debug, PartialEq)]\n"
        f"pub enum Field {{\n{indented(f'{one},' for one in names)}}}\n\n"
        "/// One bit for each field that must be there.\n"
        f"pub const REQUIRED: u64 = {bits:#b};\n\n"
        f"{_defaults(known)}\n"
        "/// Number of a field, what it is, and the form of its value. None if it is not known.\n"
        "pub fn field(name: &[u8]) -> Option<(u32, Field, Form)> {\n"
        f"    Some(match name {{\n{indented([*arms, '_ => return None,'], 2)}    }})\n"
        "}\n"
    )


def form_of(name: str, kind: Any) -> str:
    """How the parser reads a value of this type; raises :class:`DescriptionError` if it cannot."""
    if isinstance(kind, StrType) and kind.pattern is None:
        most = "usize::MAX" if kind.max_length is None else kind.max_length
        return f"Form::Text {{ least: {kind.min_length or 0}, most: {most} }}"
    if isinstance(kind, IntType) and _is_natural(kind):
        return f"Form::Natural {{ least: {kind.ge}, most: {kind.le} }}"
    if isinstance(kind, DateTimeType) and kind.tz:
        return "Form::Instant"
    if isinstance(kind, BoolType):
        return "Form::Truth"
    if isinstance(kind, LiteralType) and all(isinstance(one, str) for one in kind.values):
        return f"Form::Choice(&[{', '.join(byte_text(str(one)) for one in kind.values)}])"
    raise DescriptionError(
        f"the compiled parser has no form for {name} ({kind}): leave the field to the core"
    )


def _is_natural(kind: IntType) -> bool:
    is_bounded = kind.ge is not None and kind.ge >= 0 and kind.le is not None
    return is_bounded and kind.gt is None and kind.lt is None and kind.multiple_of is None


def _defaults(known: KnownStruct) -> str:
    """Defaults of the fields that are read and have one."""
    lines = ""
    for field in fields(known.struct):
        default = default_of(field)
        if field.name not in known.reads:
            continue
        if isinstance(default, int):
            lines += f"pub const DEFAULT_{field.name.upper()}: i64 = {default};\n"
        elif isinstance(default, str):
            lines += f"pub const DEFAULT_{field.name.upper()}: &[u8] = {byte_text(default)};\n"
        elif default is not msgspec.NODEFAULT and default is not msgspec.UNSET:
            raise DescriptionError(f"the parser has no form for the default of {field.name}")
    return lines
