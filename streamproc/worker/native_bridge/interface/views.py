"""Objects that Python passes to the compiled part as attributes and numbers, for Rust."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from streamproc.worker.native_bridge.interface.rust import HEAD, camel, indented
from streamproc.worker.native_bridge.interface.struct_fields import DescriptionError

_SIMPLE: dict[Any, str] = {int: "i64", bool: "bool", str: "String"}
_CONTAINERS: dict[Any, str] = {
    list: "Vec",
    set: "HashSet",
    frozenset: "HashSet",
    dict: "HashMap",
}


def render(
    views: Mapping[str, type], enums: tuple[type[IntEnum], ...], result: type[tuple[Any, ...]]
) -> str:
    """A Rust struct for each view and enum. Their meaning is explained in the Python classes."""
    names = {view: name for name, view in views.items()}
    names.update({one: one.__name__ for one in enums})
    return "\n".join(
        [
            f"{HEAD}//! What Python hands over, and what it gets back.\n",
            "use crate::hashing::{HashMap, HashSet};\n",
            *(_enum(one) for one in enums),
            *(_struct(name, view, names) for name, view in views.items()),
            _result(result),
        ]
    )


def _enum(enum: type[IntEnum]) -> str:
    name = enum.__name__
    members = [camel(one.name) for one in enum]
    arms = [f"{one.value} => {name}::{camel(one.name)}," for one in enum]
    return (
        f"/// As `{name}` in {_file(enum)}.\n"
        "#[derive(Clone, Copy, Debug, Default, PartialEq)]\n"
        f"pub enum {name} {{\n    #[default]\n{indented(f'{one},' for one in members)}}}\n\n"
        f"impl {name} {{\n"
        "    pub fn of(number: i64) -> Option<Self> {\n"
        f"        Some(match number {{\n{indented([*arms, '_ => return None,'], 3)}        }})\n"
        "    }\n}\n\n"
        '#[cfg(feature = "python")]\n'
        f"impl<'a, 'py> pyo3::FromPyObject<'a, 'py> for {name} {{\n"
        "    type Error = pyo3::PyErr;\n\n"
        "    fn extract(found: pyo3::Borrowed<'a, 'py, pyo3::PyAny>) -> pyo3::PyResult<Self> {\n"
        "        let number: i64 = found.extract()?;\n"
        f"        {name}::of(number)\n"
        f'            .ok_or_else(|| pyo3::exceptions::PyValueError::new_err("no {name}"))\n'
        "    }\n}\n"
    )


def _struct(name: str, view: type, names: dict[Any, str]) -> str:
    hints = get_type_hints(view, include_extras=True)
    lines = [f"pub {field}: {_type(hint, names)}," for field, hint in hints.items()]
    return (
        f"/// As `{view.__name__}` in {_file(view)}.\n"
        "#[derive(Clone, Debug, Default)]\n"
        '#[cfg_attr(feature = "python", derive(pyo3::FromPyObject))]\n'
        f"pub struct {name} {{\n{indented(lines)}}}\n"
    )


def _result(result: type[tuple[Any, ...]]) -> str:
    hints = get_type_hints(result, include_extras=True)
    name = result.__name__
    kinds = [_type(hint, {}).replace("String", "&'a str") for hint in hints.values()]
    body = [f"pub {field}: {kind}," for field, kind in zip(hints, kinds, strict=True)]
    items = [f"self.{field}," for field in hints]
    return (
        f"/// As `{name}` in {_file(result)}.\n"
        f"pub struct {name}<'a> {{\n{indented(body)}}}\n\n"
        f"pub type {name}Tuple<'a> = ({', '.join(kinds)});\n\n"
        f"impl<'a> {name}<'a> {{\n"
        f"    pub fn into_tuple(self) -> {name}Tuple<'a> {{\n"
        f"        (\n{indented(items, 3)}        )\n"
        "    }\n}\n"
    )


def _type(hint: Any, names: dict[Any, str]) -> str:
    if get_origin(hint) is Annotated:
        return str(get_args(hint)[1])
    known = _SIMPLE.get(hint) or names.get(hint)
    if known is not None:
        return known
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (UnionType, Union) and len(inner) == 2 and inner[1] is NoneType:
        return f"Option<{_type(inner[0], names)}>"
    if origin is tuple and inner[-1] is Ellipsis:
        return f"Vec<{_type(inner[0], names)}>"
    shown = ", ".join(_type(one, names) for one in inner)
    if origin is tuple:
        return f"({shown})"
    if origin in _CONTAINERS:
        return f"{_CONTAINERS[origin]}<{shown}>"
    raise DescriptionError(f"Rust has no type for {hint}")


def _file(of: type) -> str:
    return f"{of.__module__.rpartition('.')[2]}.py"
