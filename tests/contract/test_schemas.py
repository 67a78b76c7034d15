"""The schema files themselves, and their examples in both validators."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.contract.contract import (
    COMMON,
    EXAMPLES,
    SCHEMAS,
    TYPES,
    examples,
    schema,
    types_accept,
    validator,
)

FILES = [*TYPES, COMMON]


def test_every_file_is_of_the_contract() -> None:
    assert sorted(path.stem for path in SCHEMAS.glob("*.json")) == sorted(FILES)
    assert sorted(path.name for path in EXAMPLES.iterdir()) == sorted(TYPES)


@pytest.mark.parametrize("name", FILES)
def test_a_schema_is_valid_named_and_described(name: str) -> None:
    file = schema(name)

    Draft202012Validator.check_schema(file)
    assert file["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert file["$id"] == f"https://streamproc.example/schemas/{name}.json"
    assert file["title"]
    assert file["description"]


@pytest.mark.parametrize("name", TYPES)
def test_every_property_is_described(name: str) -> None:
    undescribed = [
        field
        for field, one in schema(name)["properties"].items()
        if not one.get("description") and "const" not in one and "$ref" not in one
    ]
    assert undescribed == []
    common = [term for term, one in schema(COMMON)["$defs"].items() if not one.get("title")]
    assert common == []


@pytest.mark.parametrize("name", TYPES)
def test_the_examples_inside_a_schema_fit_it(name: str) -> None:
    inside = schema(name)["examples"]

    assert inside
    for document in inside:
        validator(name).validate(document)
        assert types_accept(name, json.dumps(document).encode())


@pytest.mark.parametrize("name", TYPES)
def test_there_are_examples_of_both_sorts(name: str) -> None:
    assert len(examples(name, "valid")) >= 2
    assert len(examples(name, "invalid")) >= 3


@pytest.mark.parametrize("name", TYPES)
def test_valid_examples_are_accepted_by_both(name: str) -> None:
    refused = {
        path.stem: [error.message for error in errors]
        for path in examples(name, "valid")
        if (errors := list(validator(name).iter_errors(json.loads(path.read_bytes()))))
        or not types_accept(name, path.read_bytes())
    }

    assert refused == {}


@pytest.mark.parametrize("name", TYPES)
def test_invalid_examples_are_refused_by_both_for_one_fault(name: str) -> None:
    places = {
        path.stem: {
            error.json_path for error in validator(name).iter_errors(json.loads(path.read_bytes()))
        }
        for path in examples(name, "invalid")
    }
    accepted = [p.stem for p in examples(name, "invalid") if types_accept(name, p.read_bytes())]

    assert accepted == []
    assert {stem: found for stem, found in places.items() if len(found) != 1} == {}


def test_no_two_examples_are_the_same() -> None:
    seen: dict[Any, Path] = {}
    for path in EXAMPLES.rglob("*.json"):
        text = json.dumps(json.loads(path.read_bytes()), sort_keys=True)
        assert text not in seen, f"{path} repeats {seen[text]}"
        seen[text] = path
