"""Structs that the compiled part writes as JSON, field by field in the order of the core's
structs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec.inspect import (
    BoolType,
    DateTimeType,
    IntType,
    ListType,
    LiteralType,
    NoneType,
    StrType,
    StructType,
    UnionType,
)
from msgspec.structs import fields

from streamproc.worker.native_bridge.interface.description import Output
from streamproc.worker.native_bridge.interface.rust import HEAD, indented, quoted
from streamproc.worker.native_bridge.interface.struct_fields import (
    DescriptionError,
    check_names,
    is_optional,
    types_of,
)


def render(outputs: tuple[Output, ...]) -> str:
    """A Rust struct for each output, with a method that writes it."""
    unknown = [name for one in outputs for name in unknown_fields(one)]
    why = "".join(f"// Not known: {name}.\n" for name in unknown)
    return "\n".join(
        [
            f"{HEAD}//! The messages of plain usage, as JSON.\n",
            "use crate::json::Json;\n",
            "/// Whether every field of a message is known. If not, the core makes the message.\n"
            f"{why}pub const TELLS: bool = {'false' if unknown else 'true'};\n",
            *(_struct(one) for one in outputs),
        ]
    )


def unknown_fields(output: Output) -> list[str]:
    """Fields that the compiled part cannot write as the core does."""
    names = (*output.writes, *output.constant, *output.leaves_out)
    check_names(output.struct, names)
    check_names(output.struct, output.as_json)
    for field in fields(output.struct):
        if field.name in output.leaves_out and not is_optional(field):
            place = f"{output.struct.__name__}.{field.name}"
            raise DescriptionError(
                f"{place} is listed under leaves_out, but the core always writes it"
            )
    there = (field.name for field in fields(output.struct))
    return [f"{output.struct.__name__}.{name}" for name in there if name not in names]


def _struct(output: Output) -> str:
    name = output.struct.__name__
    written = list(_written(output))
    body = [f"pub {field}: {kind}," for field, kind, _, _ in written if kind]
    has_borrowed = any("'a" in kind for _, kind, _, _ in written)
    life = "<'a>" if has_borrowed else ""
    elided = "<'_>" if has_borrowed else ""
    opening = [f'json.raw("{{{_tag(output)}");'] if _tag(output) else ['json.raw("{");']
    lines = [*opening]
    is_first = not _tag(output)
    for field, _, write, constant in written:
        key = f'{"" if is_first else ","}"{field}":'
        lines += [f"json.raw({quoted(key + constant)});", *write]
        is_first = False
    return (
        f"pub struct {name}{life} {{\n{indented(body)}}}\n\n"
        f"impl {name}{elided} {{\n"
        f"    pub fn write(&self, json: &mut Json) {{\n{indented(lines, 2)}"
        '        json.raw("}");\n    }\n}\n'
    )


def _tag(output: Output) -> str:
    """The tag field of a type, with quotes escaped for Rust."""
    config = output.struct.__struct_config__
    return f'\\"{config.tag_field}\\":\\"{config.tag}\\"' if config.tag_field else ""


def _written(output: Output) -> Iterator[tuple[str, str, list[str], str]]:
    """Field, Rust type (empty: none), statements that write its value, and a constant value."""
    types = types_of(output.struct)
    for field in fields(output.struct):
        name = field.name
        if name in output.constant:
            yield name, "", [], msgspec.json.encode(output.constant[name]).decode()
        elif name in output.as_json:
            yield name, "&'a str", [f"json.raw(self.{name});"], ""
        elif name in output.writes:
            kind, write = _value(name, types[name])
            yield name, kind, write, ""


_SIMPLE: dict[type, tuple[str, str]] = {
    StrType: ("&'a str", "text"),
    LiteralType: ("&'a str", "text"),
    IntType: ("i64", "number"),
    BoolType: ("bool", "truth"),
    DateTimeType: ("i64", "instant"),
}
"""By type of field: the Rust type, and the method of ``Json`` that writes it."""


def _value(name: str, kind: Any) -> tuple[str, list[str]]:
    simple = _SIMPLE.get(type(kind))
    if simple is not None:
        return simple[0], [f"json.{simple[1]}(self.{name});"]
    if isinstance(kind, StructType):
        return _nested(kind), [f"self.{name}.write(json);"]
    if isinstance(kind, ListType) and isinstance(kind.item_type, StructType):
        # A message about plain usage has exactly one bucket.
        return _nested(kind.item_type), [
            'json.raw("[");',
            f"self.{name}.write(json);",
            'json.raw("]");',
        ]
    if isinstance(kind, UnionType) and isinstance(kind.types[-1], NoneType):
        inner = kind.types[0]
        if isinstance(inner, StructType):
            return _value(name, inner)
        if isinstance(inner, DateTimeType):
            return "Option<i64>", [f"json.optional_instant(self.{name});"]
    raise DescriptionError(f"the compiled part has no way to write {name} ({kind})")


def _nested(kind: StructType) -> str:
    name = kind.cls.__name__
    has_text = any(isinstance(one.type, StrType) for one in kind.fields)
    return f"{name}<'a>" if has_text else name
