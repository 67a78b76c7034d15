"""The inputs of a target: mutated samples, and samples with odd values in their fields.

An input is a function of the seed and its number, so that a failing one can be made again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import lru_cache, partial
from random import Random
from typing import Any

import yaml

from perf.fuzz.target import Target

ODD_BYTES: tuple[bytes, ...] = (
    *(b"", b"\0", b"\r", b"\n", b"\t", b"\x1b[2J", b"\x7f", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf"),
    *(b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", "\u202e".encode(), "\u2028".encode()),
    *(
        b"\\ud800",
        b"\\U00110000",
        b"\\u0000",
        b"NaN",
        b"Infinity",
        b"-0",
        b"1e1000000",
        b"9" * 5_000,
        b"-1",
    ),
    *(b"18446744073709551616", b"9223372036854775808", b"0.1", b"[" * 3_000, b'{"a":' * 3_000),
    *(b"null", b"true", b"{}", b"[]", b'""', b"'", b'"', b"`", b"%s", b"{", b"}", b"&a [*a]"),
    *(b"*a", b"<<: ", b"!!python/object:x", b"---\n", b"- ", b": ", b"#", b"? ", b"|\n", b">"),
)
"""Parts of inputs that many readers have stumbled over."""

ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**30, 10**4_299),
    *(0.5, -0.0, 1e308, 5e-324, float("nan"), float("inf"), float("-inf")),
    *("", " ", "\0", "a\nb", "\x1b[31m", "\u202eabc", "\ud800", "\ufffe", "é", "١٢", "x" * 2_000),
    *("9" * 5_000, "-1", "1e1000000", "NaN", "0x10", "2026-02-30", "2026-01-01T00:00:00Z"),
    *("right/UTC", "posix/Asia/Tokyo", "../etc/passwd", "/dev/zero", "localtime", "Asia/Tokyo"),
    *(
        "{",
        "{}",
        "{0}",
        "{x.__class__}",
        "%s",
        ".",
        "/",
        "..",
        "en",
        "zz-ZZ",
        "* * * * *",
        "UTC",
        "USD",
    ),
    *([], {}, [[]], [None], ["a", "a"], [1, "a"], {"": 0}, {"a": {"b": []}}, {"kind": []}),
)
"""Values that a field of another type does not expect."""


def input_of(target: Target, samples: Sequence[bytes], seed: int, number: int) -> bytes:
    """The input of a number."""
    random = Random(f"{target.name} {seed} {number}")
    sample = random.choice(samples)
    if target.tree and random.random() < 0.5:
        made = _other_tree(random, sample)
        if random.random() < 0.8:
            return made[: target.largest_bytes]
        sample = made
    for _ in range(random.choice((1, 1, 1, 2, 4, 8))):
        sample = _mutated(random, sample, samples, (*ODD_BYTES, *target.words))
    return sample[: target.largest_bytes]


def _mutated(
    random: Random, given: bytes, samples: Sequence[bytes], words: Sequence[bytes]
) -> bytes:
    """The sample with one change."""
    at = random.randrange(len(given) + 1)
    end = min(len(given), at + random.choice((1, 1, 2, 4, 16, 64, 1_024)))
    change = random.randrange(8)
    if change == 0:
        return given[:at] + given[end:]
    if change == 1:
        return given[:at] + random.choice(words) + given[at:]
    if change == 2:
        return given[:at] + random.choice(words) + given[end:]
    if change == 3:
        return given[:end] + given[at:end] * random.choice((1, 1, 3, 100)) + given[end:]
    if change == 4:
        other = random.choice(samples)
        begin = random.randrange(len(other) + 1)
        return given[:at] + other[begin : begin + random.choice((4, 64, 1_024))] + given[at:]
    if change == 5:
        return given[:at]
    if change == 6 and at < len(given):
        return given[:at] + bytes((given[at] ^ 1 << random.randrange(8),)) + given[at + 1 :]
    return given[:at] + random.randbytes(min(end - at, 16) or 1) + given[end:]


@lru_cache(maxsize=64)
def _as_json(sample: bytes) -> str | None:
    try:
        return json.dumps(yaml.safe_load(sample), default=str)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


def _tree(sample: bytes) -> Any:
    """A new tree of a sample, or None if the sample is not a whole one."""
    held = _as_json(sample)
    return None if held is None else json.loads(held)


def _other_tree(random: Random, sample: bytes) -> bytes:
    """The sample, as JSON, with other values or names in one to three of its fields."""
    tree = _tree(sample)
    if tree is None:
        return sample
    for _ in range(random.choice((1, 1, 2, 3))):
        places: list[tuple[Callable[[Any], None], Any]] = []
        _places(tree, places)
        if not places:
            break
        put, present = random.choice(places)
        put(_other_value(random, present, places))
    return json.dumps(tree, default=str, ensure_ascii=random.random() < 0.5).encode(
        "utf-8", "surrogatepass"
    )


def _places(node: Any, found: list[tuple[Callable[[Any], None], Any]]) -> None:
    """Each field and item below a node: how to replace it, and its present value."""
    if isinstance(node, dict):
        for name, value in node.items():
            found.append((partial(node.__setitem__, name), value))
            _places(value, found)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            found.append((partial(node.__setitem__, index), value))
            _places(value, found)


def _other_value(
    random: Random, present: Any, places: Sequence[tuple[Callable[[Any], None], Any]]
) -> Any:
    change = random.randrange(6)
    if change == 0:
        return [present]
    if change == 1 and isinstance(present, dict) and present:
        kept = dict(present)
        taken = kept.pop(random.choice(list(kept)))
        return kept if random.random() < 0.5 else {**kept, "other": taken}
    if change == 1 and isinstance(present, list):
        return present * random.choice((0, 2, 3, 300))
    if change == 2:
        # A copy: the value of a field must not come to contain itself.
        return json.loads(json.dumps(random.choice(places)[1], default=str))
    is_number = isinstance(present, int) and not isinstance(present, bool)
    # A float has no room for a larger one, and JSON is not written with many more digits.
    if change == 3 and is_number and abs(present) < 10**300:
        return random.choice((present + 1, -present, present * 10**9, float(present)))
    if change == 3 and isinstance(present, str):
        odd = random.choice([one for one in ODD_VALUES if isinstance(one, str)])
        return random.choice((present + odd, odd + present, present[:-1], present * 50))
    return deepcopy(random.choice(ODD_VALUES))
