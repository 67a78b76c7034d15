"""Fields of the core's structs, and checks of the description against them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import UNSET, Struct
from msgspec.inspect import StructType, type_info
from msgspec.structs import FieldInfo, fields

from streamproc.errors import StreamprocError
from streamproc.worker.native_bridge.interface.description import KnownStruct


class DescriptionError(StreamprocError):
    """The description names a field that does not exist, or that the compiled part cannot have."""


def check_names(struct: type[Struct], names: Iterable[str]) -> None:
    """Raises :class:`DescriptionError` for a name that is not a field, or that occurs twice."""
    there = {field.name for field in fields(struct)}
    seen: set[str] = set()
    for name in names:
        if name not in there:
            raise DescriptionError(
                f"the interface names {struct.__name__}.{name}, which is not a field"
            )
        if name in seen:
            raise DescriptionError(f"the interface names {struct.__name__}.{name} twice")
        seen.add(name)


def unknown_fields(known: KnownStruct) -> list[FieldInfo]:
    """Fields that the compiled part does not know."""
    names = {*known.reads, *known.carries}
    check_names(known.struct, (*known.reads, *known.carries))
    return [field for field in fields(known.struct) if field.name not in names]


def default_of(field: FieldInfo) -> Any:
    """The default of a field; ``msgspec.NODEFAULT`` if there is none."""
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def is_optional(field: FieldInfo) -> bool:
    """Whether the field can be left out of JSON."""
    return default_of(field) is UNSET


def types_of(struct: type[Struct]) -> dict[str, Any]:
    """The type of each field as ``msgspec.inspect`` returns it, with its bounds."""
    found = type_info(struct)
    assert isinstance(found, StructType)
    return {field.name: field.type for field in found.fields}
