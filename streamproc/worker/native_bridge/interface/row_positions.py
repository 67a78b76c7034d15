"""Positions of packed fields, for Rust."""

from __future__ import annotations

import msgspec
from msgspec.structs import fields

from streamproc.worker.native_bridge.interface.description import KnownStruct, Row
from streamproc.worker.native_bridge.interface.rust import HEAD, byte_text, camel, indented, snake
from streamproc.worker.native_bridge.interface.struct_fields import (
    DescriptionError,
    check_names,
    default_of,
    unknown_fields,
)


def render(rows: tuple[Row, ...], extra: KnownStruct) -> str:
    """Layouts of rows, positions of the fields that are read, and names in the sparse map."""
    return "\n".join(
        [
            f"{HEAD}//! Where the fields of packed rows stand.\n",
            "use crate::row::Layout;\n",
            *(_layout(one) for one in rows),
            *(_positions(one.known) for one in rows),
            _sparse(extra),
        ]
    )


def _layout(row: Row) -> str:
    known = row.known
    every = fields(known.struct)
    least = len(every) if row.is_written else sum(field.required for field in every)
    unknown = unknown_fields(known)
    positions = {field.name: place for place, field in enumerate(every)}
    only = [f"({positions[field.name]}, {_packed_default(known, field)})" for field in unknown]
    lines = [
        f"fields: {len(every)},",
        f"least: {least},",
        f"only_default: &[{', '.join(only)}],",
    ]
    name = snake(known.struct.__name__).upper()
    return f"pub const {name}: Layout = Layout {{\n{indented(lines)}}};\n"


def _packed_default(known: KnownStruct, field: msgspec.structs.FieldInfo) -> str:
    default = default_of(field)
    if default is msgspec.NODEFAULT:
        place = f"{known.struct.__name__}.{field.name}"
        raise DescriptionError(f"{place} has no default: say what the compiled part does with it")
    return byte_text(msgspec.msgpack.encode(default))


def _positions(known: KnownStruct) -> str:
    lines = [
        f"pub const {field.name.upper()}: usize = {place};"
        for place, field in enumerate(fields(known.struct))
        if field.name in known.reads
    ]
    return f"pub mod {snake(known.struct.__name__)} {{\n{indented(lines)}}}\n"


def _sparse(known: KnownStruct) -> str:
    name = known.struct.__name__
    check_names(known.struct, (*known.reads, *known.carries))
    read = [camel(one) for one in known.reads]
    arms = [f"{byte_text(one)} => {name}::{camel(one)}," for one in known.reads]
    if known.carries:
        arms.append("{} => {}::Carried,".format(" | ".join(map(byte_text, known.carries)), name))
    arms.append("_ => return None,")
    return (
        "/// A field of the sparse map of rarely used state.\n"
        "#[derive(Clone, Copy, Debug, PartialEq)]\n"
        f"pub enum {name} {{\n{indented(f'{one},' for one in (*read, 'Carried'))}}}\n\n"
        f"impl {name} {{\n"
        "    /// None for a field that is not known: the account is not plain.\n"
        "    pub fn of(name: &[u8]) -> Option<Self> {\n"
        f"        Some(match name {{\n{indented(arms, 3)}        }})\n"
        "    }\n}\n"
    )
