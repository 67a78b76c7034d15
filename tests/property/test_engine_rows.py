"""Rows against a dictionary: whatever is done to them, in either way of packing."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from streamproc.engine.due import NEVER_DUE
from streamproc.engine.rows import Rows
from tests.property.budget import budget

KEYS = st.sampled_from([b"a", b"b"])
STEPS_MS = st.sampled_from([0, 1, 30_000, 60_000])


class Codec:
    """A row is a text and the instant when it is due."""

    @staticmethod
    def pack(row: tuple[str, int]) -> bytes:
        return f"{row[0]}|{row[1]}".encode()

    @staticmethod
    def unpack(data: bytes) -> tuple[str, int]:
        text, due = data.decode().split("|")
        return text, int(due)

    @staticmethod
    def due_ms(row: tuple[str, int]) -> int:
        return row[1]


class RowsMachine(RuleBasedStateMachine):
    """The model: present rows, the changelog, and which rows the due queue must know of."""

    @initialize(eager=st.booleans())
    def begin(self, eager: bool) -> None:
        self.eager = eager
        self.rows: Rows[tuple[str, int]] = Rows(Codec(), eager=eager)
        self.model: dict[bytes, tuple[str, int]] = {}
        self.changelog: dict[bytes, bytes] = {}
        self.changed: set[bytes] = set()
        self.queued: set[bytes] = set()
        self.left_alone: set[bytes] = set()
        """Popped, and not put since."""
        self.now_ms = 0
        self.count = 0

    @rule(key=KEYS, ahead_ms=st.sampled_from([-1, 0, 1, 30_000, 60_000, NEVER_DUE]))
    def put_anew(self, key: bytes, ahead_ms: int) -> None:
        self.put(key, NEVER_DUE if ahead_ms == NEVER_DUE else self.now_ms + ahead_ms)

    def put(self, key: bytes, due: int) -> None:
        self.count += 1
        self.model[key] = (f"row {self.count}", due)
        self.rows.put(key, self.model[key])
        self.changed.add(key)
        self.left_alone.discard(key)

    @rule(key=KEYS)
    def put_again_with_the_same_due_instant(self, key: bytes) -> None:
        if key in self.model:
            self.put(key, self.model[key][1])

    @rule(key=KEYS)
    def delete(self, key: bytes) -> None:
        self.model.pop(key, None)
        self.rows.put(key, None)
        self.changed.add(key)

    @rule()
    def commit(self) -> None:
        changes = dict(self.rows.take_changes())
        assert changes.keys() <= self.changed
        for key, data in changes.items():
            if data is None:
                self.changelog.pop(key, None)
            else:
                self.changelog[key] = data
        assert self.changelog == {
            key: row[1].to_bytes(8, "big", signed=True) + Codec.pack(row)
            for key, row in self.model.items()
        }
        self.queued = (self.queued | self.changed) & self.model.keys()
        self.changed.clear()

    @precondition(lambda self: not self.changed)
    @rule()
    def load_anew(self) -> None:
        self.rows = Rows(Codec(), eager=self.eager)
        self.load_again()

    @precondition(lambda self: not self.changed)
    @rule()
    def load_again(self) -> None:
        """As a warm copy does that is taken over twice."""
        for key in (b"a", b"b"):
            self.rows.load({key: b"\0" * 8 + b"old|0"})
            self.rows.load({key: self.changelog.get(key)})
        self.rows.loaded()
        self.queued = set(self.model)
        self.left_alone.clear()

    @rule(
        passed_ms=STEPS_MS,
        limit=st.integers(1, 3),
        then=st.lists(st.sampled_from([None, 1, 30_000, 60_000]), min_size=3, max_size=3),
    )
    def do_what_is_due(self, passed_ms: int, limit: int, then: list[int | None]) -> None:
        """Of each row that is due, make it due later, or leave it alone."""
        self.commit()
        self.now_ms += passed_ms
        due = sorted(
            (self.model[key][1], key) for key in self.queued if self.model[key][1] <= self.now_ms
        )
        popped: list[tuple[int, bytes]] = []
        calls = 0
        for key in self.rows.pop_due(self.now_ms, limit):
            calls += 1
            if key in self.left_alone:
                continue  # it had a second entry; had it been done, that would be void
            popped.append((self.model[key][1], key))
            self.queued.remove(key)
            later = then[len(popped) - 1]
            if later is None:
                self.left_alone.add(key)
            else:
                self.put(key, self.now_ms + later)
        assert popped == due[: len(popped)]
        assert calls == limit or popped == due

    @rule(passed_ms=STEPS_MS)
    def do_what_is_due_before_it_is_packed(self, passed_ms: int) -> None:
        """What changed since the last commit may come now or after the next one, but truly due."""
        self.now_ms += passed_ms
        certain = {
            key
            for key in self.queued - self.changed
            if key in self.model and self.model[key][1] <= self.now_ms
        }
        popped = []
        for key in self.rows.pop_due(self.now_ms, 100):
            popped.append(key)
            assert self.model[key][1] <= self.now_ms
            self.queued.discard(key)
            self.put(key, NEVER_DUE)
        assert certain <= set(popped)
        assert len(popped) == len(set(popped)), "what was done came again"

    @invariant()
    def rows_are_the_models(self) -> None:
        for key in (b"a", b"b"):
            assert self.rows.get(key) == self.model.get(key)
        if not self.changed:
            earliest = min((self.model[key][1] for key in self.queued), default=NEVER_DUE)
            assert self.rows.next_due_ms <= earliest
            assert len(self.rows) == len(self.model)


RowsMachine.TestCase.settings = budget(150, steps=30)
TestRows = RowsMachine.TestCase


def test_a_row_is_decoded_once_between_commits() -> None:
    calls = []

    class Counting(Codec):
        @staticmethod
        def unpack(data: bytes) -> tuple[str, int]:
            calls.append(data)
            return Codec.unpack(data)

    rows: Rows[tuple[str, int]] = Rows(Counting())
    rows.load({b"a": b"\0" * 8 + b"x|5"})
    row = rows.get(b"a")
    assert row == ("x", 5)
    rows.put(b"a", row)
    assert rows.get(b"a") is row
    assert len(calls) == 1


def test_a_row_that_came_and_went_within_a_commit_leaves_no_trace() -> None:
    rows: Rows[tuple[str, int]] = Rows(Codec())
    rows.put(b"a", ("x", 5))
    rows.put(b"a", None)
    assert rows.take_changes() == []
    assert not rows.is_changed


def queue_of(*dues_ms: int) -> Rows[tuple[str, int]]:
    """Rows a, b, c, ... due at these instants, committed."""
    rows: Rows[tuple[str, int]] = Rows(Codec())
    for number, due_ms in enumerate(dues_ms):
        rows.put(b"%c" % (97 + number), ("x", due_ms))
    rows.take_changes()
    return rows


def test_a_row_left_alone_comes_again_when_it_is_packed_with_the_same_due_instant() -> None:
    rows = queue_of(5)
    assert list(rows.pop_due(5, 10)) == [b"a"]
    assert list(rows.pop_due(5, 10)) == []
    rows.put(b"a", ("y", 5))
    rows.take_changes()
    assert list(rows.pop_due(5, 10)) == [b"a"]


def test_a_row_that_was_put_off_and_back_comes_at_its_instant() -> None:
    """Its entry was dropped while it was put off; its stored due instant never changed."""
    rows = queue_of(5)
    rows.put(b"a", ("y", 500_000))
    assert list(rows.pop_due(5, 10)) == []
    rows.put(b"a", ("z", 5))
    rows.take_changes()
    assert list(rows.pop_due(5, 10)) == [b"a"]


def test_a_row_put_off_before_its_minute_was_opened_comes_at_its_instant() -> None:
    rows = queue_of(65_000, 64_000)
    rows.put(b"a", ("y", 500_000))
    assert list(rows.pop_due(64_000, 10)) == [b"b"]
    rows.put(b"a", ("z", 65_000))
    rows.take_changes()
    assert list(rows.pop_due(65_000, 10)) == [b"a"]


def test_rows_of_a_minute_that_is_under_way_come_in_order() -> None:
    rows = queue_of(60_500, 61_000)
    assert list(rows.pop_due(60_500, 10)) == [b"a"]
    rows.put(b"c", ("x", 60_700))
    rows.put(b"d", ("x", 120_000))
    rows.put(b"e", ("x", 30_000))
    rows.take_changes()
    assert rows.next_due_ms == 30_000
    assert list(rows.pop_due(200_000, 10)) == [b"e", b"c", b"b", b"d"]


def test_a_changed_row_that_is_not_packed_is_asked_for_its_due_instant() -> None:
    rows = queue_of(5, 6)
    rows.put(b"a", None)
    rows.put(b"b", ("y", 6))
    assert list(rows.pop_due(6, 10)) == [b"b"]


def test_packing_a_row_again_and_again_queues_it_once() -> None:
    rows = queue_of(5)
    assert list(rows.pop_due(5, 10)) == [b"a"]
    for number in range(5):
        rows.put(b"a", (f"y {number}", 5))
        rows.take_changes()
    assert list(rows.pop_due(5, 10)) == [b"a"]
