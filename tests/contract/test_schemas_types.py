"""Schema files and types say the same: by their declarations, and by what they accept."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, given, settings

from tests.contract.contract import TYPES, decode, schema_accepts, types_accept, validator
from tests.contract.normal import of_file, of_type, without_conditions
from tests.contract.strategies import faulty, instances
from tests.property.budget import budget

EXAMPLES = 12


@pytest.mark.parametrize("name", TYPES)
def test_file_and_type_declare_the_same(name: str) -> None:
    """Names, types, bounds, patterns, enums, defaults, what is required, what is closed."""
    assert without_conditions(of_file(name)) == of_type(TYPES[name])


@pytest.mark.parametrize("name", TYPES)
def test_what_the_types_write_the_schemas_accept(name: str) -> None:
    @budget(EXAMPLES)
    @given(instances(TYPES[name]))
    def check(instance: msgspec.Struct) -> None:
        value = msgspec.json.encode(instance)

        validator(name).validate(json.loads(value))
        assert decode(name, value) == instance

    check()


@pytest.mark.parametrize("name", TYPES)
def test_faulty_documents_are_judged_alike(name: str) -> None:
    @budget(EXAMPLES)
    @given(faulty(TYPES[name]))
    def check(document: Any) -> None:
        value = json.dumps(document).encode()
        by_schema, by_types = schema_accepts(name, document), types_accept(name, value)

        if by_schema != by_types:
            assert _is_known_difference(document, by_schema), (by_schema, by_types)

    check()


# The only differences there are:
#  1. JSON Schema's integers include 1.0 and 1e3. The types refuse them: a billing system that
#     computes with floats will send 0.1 + 0.2 next.
#  2. The types' parser also takes an instant with lower-case t or z, with a space for the T, or
#     with an offset without colon. It is the same instant; the schema asks for the one spelling.
#  3. The last microseconds of the year 9999, rounded up, are no date: the types refuse them.
_LENIENT_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9:]{8}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:?[0-9]{2})\Z"
)
_END_OF_TIME = re.compile(r"9999-12-31T23:59:59\.999999[5-9]")


def _is_known_difference(document: Any, by_schema: bool) -> bool:
    leaves = list(_leaves(document))
    if by_schema:
        return any(
            (isinstance(leaf, float) and leaf.is_integer())
            or (isinstance(leaf, str) and _END_OF_TIME.match(leaf) is not None)
            for leaf in leaves
        )
    return any(isinstance(leaf, str) and _LENIENT_INSTANT.match(leaf) for leaf in leaves)


def _leaves(document: Any) -> Any:
    if isinstance(document, dict):
        document = list(document.values())
    if isinstance(document, list):
        for inner in document:
            yield from _leaves(inner)
    else:
        yield document


@pytest.mark.parametrize(
    ("spelling", "by_schema", "by_types"),
    [
        ('"total_bytes":1.0', True, False),
        ('"total_bytes":1e3', True, False),
        ('"total_bytes":1,"time":"2026-01-05 08:30:00Z"', False, True),
        ('"total_bytes":1,"time":"2026-01-05t08:30:00z"', False, True),
        ('"total_bytes":1,"time":"2026-01-05T08:30:00+0800"', False, True),
        ('"total_bytes":1,"time":"9999-12-31T23:59:59.9999999Z"', True, False),
    ],
)
def test_the_known_differences_are_there(spelling: str, by_schema: bool, by_types: bool) -> None:
    """When one of these fails, a difference is gone: take it from the list."""
    text = (
        '{"type":"usage.recorded","id":"a","source":"b","subscriber":"8613800000001",'
        f'"time":"2026-01-05T08:30:00Z",{spelling}}}'
    )
    document = json.loads(text)

    assert schema_accepts("usage.recorded.v1", document) is by_schema
    assert types_accept("usage.recorded.v1", text.encode()) is by_types
    assert _is_known_difference(document, by_schema)


def test_the_judges_differ_where_a_difference_is_put_in() -> None:
    """The comparison can fail: a schema that forbids what the types allow is found out."""

    @settings(budget(60), phases=[Phase.generate])
    @given(faulty(TYPES["account.closed.v1"]))
    def check(document: Any) -> None:
        assert schema_accepts("account.opted_out.v1", document) == types_accept(
            "account.closed.v1", json.dumps(document).encode()
        )

    with pytest.raises(AssertionError):
        check()
