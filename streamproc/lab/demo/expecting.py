"""The expected results, calculated during the run in a separate process.

Through a pipe it gets every record as the broker acknowledged it (partition, offset, bytes) and
every reminder as it was read. The oracle processes them at once. Frames are four bytes of length
(big endian) and MessagePack. ``python -m`` with this module is that process.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec
from msgspec import Struct

from streamproc.lab.demo.parts import BackgroundThread, ChildProcess
from streamproc.lab.demo.settings import DemoSettings
from streamproc.lab.oracle import Expectation, PlacedRecord, differences, expect, reminder_key

SEND_EVERY_SECONDS = 0.1
_LENGTH_BYTES = 4

Written = tuple[int, int, bytes | None, bytes | None, int]
"""Partition, offset, key, value, timestamp in ms."""


class SeenRecords(Struct, tag=True):
    """Records written and reminders read since the last message."""

    records: list[Written]
    reminders: list[bytes]


class ExpectationQuery(Struct, tag=True):
    """Asks for ``expected`` when all records are known, for ``differences`` when all
    reminders are."""

    about: str


class ExpectedFigures(Struct):
    """The figures that must come out."""

    records: int
    charged_bytes: int
    accounts: int
    reminders: dict[str, int]
    """Reminders by kind."""
    rejects: dict[str, int]
    """Rejects by reason."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(SeenRecords | ExpectationQuery).decode


class Expecter(BackgroundThread):
    """The end of the pipe in the demo's process."""

    def __init__(self, settings: DemoSettings, topic: str, log: Path) -> None:
        super().__init__("process that computes the expectation")
        self.outcome: ExpectedFigures | None = None
        """Set some time after :meth:`ask_outcome`."""
        self.differences: list[str] | None = None
        """Set some time after :meth:`ask_differences`: missing or superfluous reminders, a line
        each."""
        self._records: list[Written] = []
        self._reminders: list[bytes] = []
        self._lock = threading.Lock()
        self._all_records = threading.Event()
        self._all_reminders = threading.Event()
        rules = [str(settings.rules)] if settings.rules else []
        self._arguments = ["-m", __name__, topic, *rules]
        self.child = ChildProcess(self.name, log)

    def start(self) -> None:
        self.child.start(self._arguments, piped=True)
        super().start()

    def record(
        self,
        partition: int,
        offset: int,
        key: bytes | None,
        value: bytes | None,
        timestamp_ms: int,
    ) -> None:
        """A record was written. Records of one partition come in order."""
        with self._lock:
            self._records.append((partition, offset, key, value, timestamp_ms))

    def reminder(self, value: bytes) -> None:
        """A reminder was read."""
        with self._lock:
            self._reminders.append(value)

    @property
    def backlog(self) -> int:
        """How many records wait for the oracle."""
        return len(self._records)

    def ask_outcome(self) -> None:
        """All records are written."""
        self._all_records.set()

    def ask_differences(self) -> None:
        """All reminders are read."""
        self._all_reminders.set()

    def work(self) -> None:
        process = self.child.process
        assert process is not None
        pipe, answers = process.stdin, process.stdout
        assert pipe is not None
        assert answers is not None
        self._send_until(self._all_records, pipe)
        _write(pipe, ExpectationQuery("expected"))
        self.outcome = msgspec.msgpack.decode(_read(answers), type=ExpectedFigures)
        self._send_until(self._all_reminders, pipe)
        _write(pipe, ExpectationQuery("differences"))
        self.differences = msgspec.msgpack.decode(_read(answers), type=list[str])

    def _send_until(self, event: threading.Event, pipe: IO[bytes]) -> None:
        is_over = False
        while not is_over and not self.stopping.is_set():
            is_over = event.wait(SEND_EVERY_SECONDS)
            with self._lock:
                batch = SeenRecords(self._records, self._reminders)
                self._records, self._reminders = [], []
            if batch.records or batch.reminders:
                _write(pipe, batch)


def _write(pipe: IO[bytes], message: Struct | list[str]) -> None:
    data = _encode(message)
    pipe.write(len(data).to_bytes(_LENGTH_BYTES, "big") + data)
    pipe.flush()


def _read(pipe: IO[bytes]) -> bytes:
    """Read a frame; raises EOFError at the end."""
    head = pipe.read(_LENGTH_BYTES)
    data = pipe.read(int.from_bytes(head, "big")) if len(head) == _LENGTH_BYTES else b""
    if not data:
        raise EOFError("the other end of the pipe was closed")
    return data


class ReminderBalance:
    """Expected reminders minus observed ones. A reminder that is both needs no memory."""

    def __init__(self) -> None:
        self.outcome = Expectation()

    def observe(self, values: list[bytes]) -> None:
        counts = self.outcome.reminders
        for value in values:
            counts[reminder_key(value)] -= 1

    def settle(self) -> None:
        counts = self.outcome.reminders
        for key in [key for key, count in counts.items() if not count]:
            del counts[key]

    def lines(self) -> list[str]:
        missing, too_many = +self.outcome.reminders, -self.outcome.reminders
        return differences(Expectation(reminders=too_many), Expectation(reminders=missing))


def arriving(pipe: IO[bytes], topic: str, balance: ReminderBalance) -> Iterator[PlacedRecord]:
    """Records as they arrive, until the outcome is requested."""
    offsets: dict[int, int] = {}
    while isinstance(message := _decode(_read(pipe)), SeenRecords):
        for partition, offset, key, value, timestamp_ms in message.records:
            if offset != offsets.get(partition, 0):
                raise RuntimeError(f"partition {partition}: offset {offset} arrived out of order")
            offsets[partition] = offset + 1
            yield PlacedRecord(topic, partition, offset, key, value, timestamp_ms)
        balance.observe(message.reminders)
        balance.settle()


def main(topic: str, rules: str | None = None) -> None:
    """The process at the other end of the pipe."""
    from streamproc.contracts.rules_file.load import default_rulebook, load_rules

    pipe, answers = sys.stdin.buffer, sys.stdout.buffer
    rulebook = load_rules(Path(rules)) if rules else default_rulebook()
    balance = ReminderBalance()
    outcome = expect(arriving(pipe, topic, balance), rulebook, outcome=balance.outcome)
    _write(
        answers,
        ExpectedFigures(
            outcome.records,
            outcome.charged_bytes,
            len(outcome.accounts),
            dict(outcome.reminders_by_kind),
            dict(outcome.rejects),
        ),
    )
    while isinstance(message := _decode(_read(pipe)), SeenRecords):
        balance.observe(message.reminders)
    _write(answers, balance.lines())


if __name__ == "__main__":
    main(*sys.argv[1:])
