"""How the demo compares, and what it says then."""

from __future__ import annotations

import io
import os
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from kafka import TopicPartition
from rich.console import Console

from streamproc.contracts.records.codec import encode_effect
from streamproc.core.state.account import ACTIVE, Account, pack
from streamproc.engine.changelog import PROGRESS_KEY, Progress, encode_progress
from streamproc.lab.demo import DemoSettings
from streamproc.lab.demo.actual_results import StateReader
from streamproc.lab.demo.expecting import (
    ExpectationQuery,
    ExpectedFigures,
    ReminderBalance,
    SeenRecords,
    arriving,
)
from streamproc.lab.demo.interrupts import Interrupts
from streamproc.lab.demo.progress import Totals
from streamproc.lab.demo.run import FAILURE, SUCCESS, sum_up
from streamproc.lab.demo.settings import Names
from streamproc.lab.demo.site import DemoSite
from streamproc.lab.demo.summary import Observed, compare, condensed, is_all_equal, table_of
from streamproc.lab.oracle import reminder_key
from tests.unit.test_demo_phone import reminder

EXPECTED = ExpectedFigures(
    100, 5_000, 7, {"usage_percent": 3, "odd_kind": 1}, {"empty": 2, "tombstone": 1}
)
OBSERVED = Observed(100, 5_000, 7, dict(EXPECTED.reminders), 0, dict(EXPECTED.rejects))

WRONG = [
    replace(OBSERVED, records=99),
    replace(OBSERVED, charged_bytes=5_001),
    replace(OBSERVED, accounts=8),
    replace(OBSERVED, reminders={"usage_percent": 3}),
    replace(OBSERVED, reminders={**OBSERVED.reminders, "before_expiry": 1}),
    replace(OBSERVED, repeated=1),
    replace(OBSERVED, rejects={"empty": 2}),
    replace(OBSERVED, rejects={"empty": 1, "tombstone": 2}),
]
"""Each differs in one way."""


def test_what_is_equal_in_everything_is_equal() -> None:
    assert is_all_equal(compare(EXPECTED, OBSERVED), [])


@pytest.mark.parametrize("observed", WRONG)
def test_any_difference_counts_and_is_shown(observed: Observed) -> None:
    rows = compare(EXPECTED, observed)
    console = Console(file=io.StringIO(), width=80)
    console.print(table_of(condensed(rows)))
    assert isinstance(console.file, io.StringIO)

    assert not is_all_equal(rows, [])
    assert "WRONG" in console.file.getvalue()


def test_a_difference_in_a_single_reminder_counts() -> None:
    assert not is_all_equal(compare(EXPECTED, OBSERVED), ["1 reminders missing"])


def test_a_small_screen_gets_rejects_in_one_row_only_if_all_are_equal() -> None:
    rows = compare(EXPECTED, OBSERVED)

    assert len(condensed(rows)) == len(rows) - 1
    assert condensed(rows)[-1].observed == 3
    wrong = compare(EXPECTED, WRONG[-1])
    assert condensed(wrong) == wrong


@pytest.mark.parametrize(
    ("observed", "differences", "code"),
    [
        (OBSERVED, [], SUCCESS),
        (WRONG[0], [], FAILURE),
        (OBSERVED, ["1 reminders missing"], FAILURE),
    ],
)
def test_the_exit_code_and_the_words_follow_the_comparison(
    observed: Observed, differences: list[str], code: int
) -> None:
    console = Console(file=io.StringIO(), width=80)
    rows = compare(EXPECTED, observed)

    assert sum_up(console, DemoSettings(), Totals(0), rows, differences, 1.0, False) == code
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert ("are equal" in text) == (code == SUCCESS)
    assert ("NOT EQUAL" in text) == (code == FAILURE)
    assert all(line in text for line in differences)


def test_reminders_that_came_as_expected_take_no_memory_and_others_are_named() -> None:
    balance = ReminderBalance()
    one, other = reminder(), msgspec.structs.replace(reminder(), rule="other")
    balance.outcome.reminders[reminder_key(encode_effect(one))] += 1  # as the oracle does
    balance.observe([encode_effect(one)])
    balance.settle()
    assert not balance.outcome.reminders
    assert balance.lines() == []

    balance.observe([encode_effect(other)])

    assert balance.lines()[0] == "1 reminders too many"
    assert "8613800001234" not in "".join(balance.lines())


def frames(*messages: SeenRecords | ExpectationQuery) -> io.BytesIO:
    pipe = io.BytesIO()
    for message in messages:
        data = msgspec.msgpack.encode(message)
        pipe.write(len(data).to_bytes(4, "big") + data)
    pipe.seek(0)
    return pipe


def test_records_reach_the_oracle_only_in_the_order_of_the_log() -> None:
    batch = SeenRecords([(0, 0, b"k", b"v", 1), (1, 0, None, None, 2), (0, 1, b"k", b"", 3)], [])
    pipe = frames(batch, ExpectationQuery("expected"))

    found = list(arriving(pipe, "events", ReminderBalance()))

    assert [(one.partition, one.offset, one.timestamp_ms) for one in found] == [
        (0, 0, 1),
        (1, 0, 2),
        (0, 1, 3),
    ]
    gap = frames(SeenRecords([(0, 1, b"k", b"v", 1)], []), ExpectationQuery("expected"))
    with pytest.raises(RuntimeError, match="out of order"):
        list(arriving(gap, "events", ReminderBalance()))
    with pytest.raises(EOFError):
        list(arriving(frames(batch), "events", ReminderBalance()))


def changelog(key: bytes, charged_bytes: int | None) -> tuple[bytes, bytes | None]:
    if charged_bytes is None:
        return key, None
    return key, bytes(8) + pack(Account(status=ACTIVE, charged_bytes=charged_bytes))


class Log:
    """A consumer that gets what the test puts in."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.records: list[tuple[bytes, bytes | None]] = []

    def poll(self, **_: Any) -> dict[Any, Any]:
        place = TopicPartition(self.topic, 2)
        found = [SimpleNamespace(key=key, value=value) for key, value in self.records]
        self.records = []
        return {place: found}


@pytest.fixture
def state() -> tuple[Log, Totals, StateReader]:
    names, figures = Names.fresh(), Totals(0)
    reader = StateReader(DemoSite("", True), names, figures)
    log = Log(names.changelog)
    reader._consumer = log
    return log, figures, reader


def test_the_changelog_tells_position_and_charges(state: tuple[Log, Totals, StateReader]) -> None:
    log, figures, reader = state
    progress = Progress(positions={reader._names.events: 17})
    log.records = [
        changelog(b"a", 10),
        changelog(b"b", 5),
        changelog(b"a", 30),
        (PROGRESS_KEY, encode_progress(progress)),
    ]
    reader.poll()

    assert (figures.applied, figures.ready_partitions, figures.charged_bytes) == (17, 1, 35)


def test_what_a_forgotten_account_was_charged_stays_charged(
    state: tuple[Log, Totals, StateReader],
) -> None:
    log, figures, reader = state
    log.records = [changelog(b"a", 10), changelog(b"a", 30), changelog(b"a", None)]
    reader.poll()
    log.records = [changelog(b"a", 4)]
    reader._decode_at = 0
    reader.poll()

    assert (figures.charged_bytes, figures.forgotten_bytes) == (34, 30)


def test_signals_wait_until_they_are_looked_at() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Interrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGTERM)
        interrupts.wait(5)
        assert interrupts.latest == signal.SIGTERM
        assert not interrupts.take(signal.SIGINT)
        assert interrupts.take(signal.SIGTERM)
        assert interrupts.latest is None
    assert signal.getsignal(signal.SIGTERM) == before


def test_runs_do_not_meet() -> None:
    assert not set(Names.fresh().topics) & set(Names.fresh().topics)


def test_the_rules_of_a_run_are_a_copy(tmp_path: Path) -> None:
    from streamproc.lab.demo.run import with_own_rules

    theirs = tmp_path / "mine.toml"
    theirs.write_text("version = 1")
    (tmp_path / "run").mkdir()

    own = with_own_rules(DemoSettings(rules=theirs), tmp_path / "run").rules
    theirs.write_text("version = 2")

    assert own is not None
    assert own.suffix == ".toml"
    assert own.read_text() == "version = 1"
