"""Feeds inputs to a target, and shrinks those that escape."""

from __future__ import annotations

import signal
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from perf.fuzz.inputs import input_of
from perf.fuzz.target import Target

SHRINKING_TRIES = 2_000
SHRINKING_SECONDS = 10.0
FIRST_SECONDS = 30.0
"""Time of a sample: the first ones also pay for imports and for tables that are made once."""
MOST_ESCAPES = 20
"""A run ends after so many different ones."""


class TookTooLong(BaseException):
    """An input took longer than ``seconds_each``. No handler of ``Exception`` catches it."""


@dataclass(frozen=True)
class Escape:
    """An input that its entrance did not take, and did not refuse in words."""

    number: int
    data: bytes
    """The input, shrunk."""
    told: str
    """The traceback."""

    def __str__(self) -> str:
        shown = repr(self.data) if len(self.data) <= 2_000 else f"{self.data[:2_000]!r}..."
        return f"input {self.number} ({len(self.data)} bytes after shrinking): {shown}\n{self.told}"


@dataclass
class Outcome:
    """The result of a run."""

    inputs: int = 0
    seconds: float = 0.0
    escapes: list[Escape] = field(default_factory=list)


def fuzz(target: Target, *, inputs: int, seed: int, seconds: float, first: int = 0) -> Outcome:
    """Feed inputs until so many were fed or the time is over.

    Seconds are of processor time, so that other programs on the machine change nothing.
    """
    samples = target.samples()
    begun = time.process_time()
    outcome, known = Outcome(), set[tuple[str, ...]]()
    for sample in samples:
        place = _escape(target, sample, FIRST_SECONDS)
        if place is not None:
            outcome.escapes.append(Escape(-1, sample, f"a valid sample escapes\n{place[-1]}"))
    for number in range(first, first + inputs):
        outcome.seconds = time.process_time() - begun
        if outcome.seconds > seconds or len(outcome.escapes) >= MOST_ESCAPES:
            break
        data = input_of(target, samples, seed, number)
        outcome.inputs += 1
        place = _escape(target, data)
        if place is None or place[:-1] in known:
            continue
        known.add(place[:-1])
        outcome.escapes.append(_shrunk(target, number, data, place))
    return outcome


def _escape(target: Target, data: bytes, seconds: float = 0.0) -> tuple[str, ...] | None:
    """None, or what escaped: the exception's name, where it came from, and the traceback."""
    try:
        with _at_most(seconds or target.seconds_each):
            target.feed(data)
    except (KeyboardInterrupt, SystemExit):
        raise
    except TookTooLong as error:
        return ("TookTooLong", "", _told(error))
    except BaseException as error:  # also those that are no Exception, such as panics of Rust
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return (type(error).__name__, f"{frame.filename}:{frame.lineno}", _told(error))
    return None


def _told(error: BaseException) -> str:
    lines = "".join(traceback.format_exception(error, limit=-12)).splitlines()
    return "\n".join(line if len(line) <= 300 else f"{line[:300]}..." for line in lines)


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    def over(_signal: int, _frame: FrameType | None) -> None:
        raise TookTooLong(f"longer than {seconds:g} s")

    before = signal.signal(signal.SIGPROF, over)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _shrunk(target: Target, number: int, data: bytes, place: tuple[str, ...]) -> Escape:
    """The input without the parts that the same escape does not need."""
    end = time.process_time() + SHRINKING_SECONDS
    size, tries, told = max(len(data) // 2, 1), 0, place[-1]
    while size and tries < SHRINKING_TRIES and time.process_time() < end:
        at, before = 0, len(data)
        while at < len(data) and tries < SHRINKING_TRIES and time.process_time() < end:
            less = data[:at] + data[at + size :]
            tries += 1
            found = _escape(target, less)
            if found is not None and found[:-1] == place[:-1]:
                data, told = less, found[-1]
            else:
                at += size
        size = size // 2 if size > 1 or len(data) == before else 1
    return Escape(number, data, told)
