"""Every text field of every record is declared in `contracts/records/personal.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec.inspect as inspect
import pytest

from streamproc.contracts.records.personal import AnyRecord, Holds, held_by, is_listed
from tests.contract.contract import INPUTS, SCHEMAS, TYPES, schema


def texts(shape: inspect.Type, struct: str, field: str) -> Iterator[tuple[str, str, bool]]:
    """Struct, field, and whether the vocabulary is closed, of all texts within a type."""
    if isinstance(shape, inspect.Metadata):
        yield from texts(shape.type, struct, field)
    elif isinstance(shape, inspect.UnionType):
        for one in shape.types:
            yield from texts(one, struct, field)
    elif isinstance(shape, inspect.ListType):
        yield from texts(shape.item_type, struct, field)
    elif isinstance(shape, inspect.DictType):
        yield from texts(shape.key_type, struct, field)
        yield from texts(shape.value_type, struct, field)
    elif isinstance(shape, inspect.StructType):
        for part in shape.fields:
            yield from texts(part.type, shape.cls.__name__, part.encode_name)
    elif isinstance(shape, inspect.StrType):
        yield struct, field, False
    elif isinstance(shape, inspect.LiteralType) and isinstance(shape.values[0], str):
        yield struct, field, True


def declared() -> list[tuple[str, str, bool]]:
    return list(texts(inspect.type_info(AnyRecord), "", ""))


def test_every_text_of_the_types_is_declared() -> None:
    found = declared()
    assert len(found) > 150
    for struct, field, is_closed in found:
        assert is_listed(struct, field), (struct, field)
        assert not is_closed or held_by(struct, field) is Holds.WORD, (struct, field)


def test_of_a_field_that_is_not_declared_nothing_is_shown() -> None:
    assert held_by("UsageRecorded", "imsi") is Holds.TEXT


def test_only_closed_vocabularies_are_never_hidden() -> None:
    open_words = {
        field
        for struct, field, is_closed in declared()
        if not is_closed and held_by(struct, field) is Holds.WORD
    }
    # Currency is three capital letters, summary_at a time of day.
    assert open_words == {"currency", "summary_at"}


@pytest.mark.parametrize("name", sorted(INPUTS))
def test_every_property_of_the_schemas_is_a_field_of_the_types(name: str) -> None:
    fields = {one.encode_name for one in inspect.type_info(TYPES[name]).fields}  # type: ignore[attr-defined]
    assert set(_properties(schema(name))) <= {*fields, "type"}
    assert (SCHEMAS / f"{name}.json").exists()


def _properties(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from part.get("properties", {})
        for one in ("allOf", "anyOf", "oneOf"):
            for other in part.get(one, ()):
                yield from _properties(other)
