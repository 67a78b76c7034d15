"""What decoders find, and what is mistyped, is told in words for people."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from click.testing import CliRunner

from streamproc.cli import main
from streamproc.contracts.records.codec import DecodeFailure, decode_event
from streamproc.contracts.records.plain_words import plain_words, sentence
from tests.contract.contract import INPUTS, examples, types_accept

USAGE = {
    "type": "usage.recorded",
    "id": "a",
    "source": "s",
    "subscriber": "8613800000001",
    "time": "2026-01-05T08:30:00Z",
    "total_bytes": 1,
}
TIME = "time must be a time with Z or an offset, such as 2026-01-05T08:30:00Z"


def detail(**changes: Any) -> str:
    fields = {name: one for name, one in {**USAGE, **changes}.items() if one is not ...}
    with pytest.raises(DecodeFailure) as caught:
        decode_event(json.dumps(fields).encode(), b"8613800000001")
    return caught.value.detail


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"id": 5}, "id must be text, not a number"),
        ({"id": ""}, "id must not be empty"),
        ({"id": "x" * 300}, "id must have at most 128 characters"),
        ({"time": "x"}, TIME),
        ({"time": "2026-01-05T08:30:00"}, TIME),
        ({"time": 5}, TIME),
        ({"total_bytes": "5"}, "total_bytes must be a whole number, not text"),
        ({"total_bytes": 1.5}, "total_bytes must be a whole number, not a number with a fraction"),
        ({"total_bytes": -1}, "total_bytes must be a whole number of at least 0"),
        ({"total_bytes": 2**60}, "total_bytes must be a whole number of at most 9007199254740991"),
        (
            {"subscriber": "+86 138"},
            "subscriber does not have the form that the contract describes (schemas/)",
        ),
        ({"subscriber": ...}, "subscriber is missing"),
        ({"type": ...}, "type is missing"),
        ({"surprise": 1}, "the event has a field surprise that is not in the contract"),
        (
            {"type": "account.profile_changed", "total_bytes": ..., "segments": 5},
            "segments must be a list, not a number",
        ),
        (
            {"type": "account.profile_changed", "total_bytes": ..., "segments": [None]},
            "segments[0] must be text, not null",
        ),
    ],
)
def test_a_detail_names_the_field_and_what_it_must_be(changes: Any, says: str) -> None:
    assert detail(**changes) == says


def test_a_value_that_is_no_object_is_told() -> None:
    for value, kind in ((b"[]", "a list"), (b"5", "a number"), (b"null", "null")):
        with pytest.raises(DecodeFailure) as caught:
            decode_event(value, b"k")
        assert caught.value.detail == f"the event must be an object with fields, not {kind}"


def test_a_message_that_is_not_known_stays_as_it_is() -> None:
    assert sentence("needs either this or that") == "the record needs either this or that"
    assert sentence("Odd thing - at `$.x`") == "Odd thing"
    assert (
        plain_words("Expected `array` of length <= 3 - at `$.a`")[1] == "must have at most 3 items"
    )


@pytest.mark.parametrize("name", INPUTS)
def test_no_invalid_example_is_refused_with_words_of_python(name: str) -> None:
    for path in examples(name, "invalid"):
        value = path.read_bytes()
        assert not types_accept(name, value)
        with pytest.raises(DecodeFailure) as caught:
            decode_event(value, b"8613800000001")
        assert not re.search("`|Expected|regex", caught.value.detail), path.name


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["wroker"], "worker"),
        (["Worker"], "worker"),
        (["simulat"], "simulate"),
        (["verifyoutputs"], "verify-outputs"),
        (["topics", "paln"], "plan"),
        (["config", "chekc"], "check"),
    ],
)
def test_a_mistyped_command_is_told_what_was_meant(words: list[str], meant: str) -> None:
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert f"Error: No such command '{words[-1]}'. Did you mean {meant}?" in result.output


def test_a_command_like_none_is_told_without_a_guess() -> None:
    assert "Did you mean" not in CliRunner().invoke(main, ["zzz"]).output
