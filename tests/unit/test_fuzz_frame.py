"""The fuzzer itself: it finds what escapes, shrinks it, and makes the same inputs again."""

from __future__ import annotations

import json

from perf.fuzz.inputs import input_of
from perf.fuzz.running import fuzz
from perf.fuzz.target import Target

SAMPLES = [b'{"name": "abc", "bytes": 1}', b"name: xyz\nbytes: 2\n"]


def target(feed: object = None, **more: object) -> Target:
    return Target("t", "a test", lambda: SAMPLES, feed or len, **more)  # type: ignore[arg-type]


def test_inputs_follow_from_seed_and_number() -> None:
    one = [input_of(target(tree=True), SAMPLES, 1, number) for number in range(300)]
    assert one == [input_of(target(tree=True), SAMPLES, 1, number) for number in range(300)]
    assert one != [input_of(target(tree=True), SAMPLES, 2, number) for number in range(300)]
    assert len(set(one)) > 250


def test_trees_get_values_of_other_types() -> None:
    def names(number: int) -> str:
        try:
            return type(
                json.loads(input_of(target(tree=True), SAMPLES, 1, number))["name"]
            ).__name__
        except (ValueError, LookupError, TypeError, RecursionError):
            return ""

    assert {"list", "dict", "int", "float", "NoneType", "str"} <= {names(n) for n in range(2_000)}


def test_an_escape_is_shrunk_and_told_once() -> None:
    def feed(data: bytes) -> None:
        if b"\0" in data:
            raise LookupError("a zero byte")

    outcome = fuzz(target(feed), inputs=2_000, seed=1, seconds=30)

    (escape,) = outcome.escapes
    assert escape.data == b"\0"
    assert "a zero byte" in str(escape)
    again = fuzz(target(feed), inputs=1, first=escape.number, seed=1, seconds=30)
    assert [one.data for one in again.escapes] == [b"\0"]


def test_a_sample_that_is_refused_by_accident_is_told() -> None:
    def feed(data: bytes) -> None:
        raise RuntimeError

    outcome = fuzz(target(feed), inputs=0, seed=1, seconds=30)
    assert [one.number for one in outcome.escapes] == [-1, -1]


def test_an_input_that_takes_too_long_is_an_escape() -> None:
    def feed(data: bytes) -> None:
        while b"abc" not in data and b"xyz" not in data:
            pass

    outcome = fuzz(target(feed, seconds_each=0.001), inputs=20, seed=1, seconds=1)
    assert "longer than" in str(outcome.escapes[0])
