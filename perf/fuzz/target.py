"""One entrance: its valid inputs, and what takes an input in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streamproc.printable import printable


def check_words(refusal: Exception, *starts: str) -> None:
    """A refusal names its place, and can be written to a terminal or a log."""
    told = str(refusal)
    assert told.startswith(starts), f"the message names no place: {told!r}"
    assert all(line == printable(line) for line in told.splitlines()), f"it steers: {told!r}"


@dataclass(frozen=True)
class Target:
    """An entrance that is fuzzed."""

    name: str
    """The name on the command line."""
    says: str
    """What comes in there, in a few words."""
    samples: Callable[[], Sequence[bytes]]
    """Valid inputs, which are mutated. They are asked for once a run."""
    feed: Callable[[bytes], None]
    """Takes in one input. It catches the errors by which the entrance refuses an input in words.
    Every other exception is an escape: the fuzzer reports it. ``feed`` may also raise
    ``AssertionError`` itself, where something is wrong that no exception shows."""
    tree: bool = False
    """Whether inputs are YAML or JSON. Then half of the inputs are a sample with other values in
    its fields, written as JSON (which YAML readers read too)."""
    words: Sequence[bytes] = ()
    """What mutations insert, besides :data:`perf.fuzz.inputs.ODD_BYTES`: words of the format."""
    largest_bytes: int = 100_000
    """Inputs are cut to this size."""
    seconds_each: float = 2.0
    """Processor time. An input that takes longer is an escape."""
