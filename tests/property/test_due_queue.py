"""The due queue gives every row at its instant, once, whatever happens in between."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamproc.engine.due import NEVER_DUE, SPAN_MS
from streamproc.engine.rows import Rows
from tests.property.budget import budget


class Codec:
    """A row is its due instant."""

    @staticmethod
    def pack(row: int) -> bytes:
        return b"%d" % row

    @staticmethod
    def unpack(data: bytes) -> int:
        return int(data)

    @staticmethod
    def due_ms(row: int) -> int:
        return row


KEYS = st.sampled_from([b"a", b"b", b"c", b"d"])
INSTANTS = st.one_of(st.integers(0, 6 * SPAN_MS), st.just(NEVER_DUE))
ACTIONS = st.one_of(
    st.tuples(st.just("put"), KEYS, INSTANTS),
    st.tuples(st.just("delete"), KEYS, st.just(0)),
    st.tuples(st.just("commit"), st.just(b""), st.just(0)),
    st.tuples(st.just("reload"), st.just(b""), st.just(0)),
    st.tuples(st.just("look"), st.just(b""), st.just(0)),
    st.tuples(st.just("pass"), st.just(b""), st.integers(0, 2 * SPAN_MS)),
)


@given(st.booleans(), st.lists(ACTIONS, max_size=60), st.integers(1, 3))
@budget(150)
def test_what_is_due_comes_up_once_committed_and_in_order(
    eager: bool, actions: list[tuple[str, bytes, int]], limit: int
) -> None:
    rows: Rows[int] = Rows(Codec(), eager=eager)
    truth: dict[bytes, int] = {}
    now_ms = 0
    for action, key, value in actions:
        if action == "put":
            truth[key] = value
            rows.put(key, value)
        elif action == "delete":
            truth.pop(key, None)
            rows.put(key, None)
        elif action == "commit":
            rows.take_changes()
        elif action == "reload":
            rows.take_changes()
            again: Rows[int] = Rows(Codec(), eager=eager)
            for name, data in rows.stored.items():
                again.load({name: data})
            again.loaded()
            rows = again
        elif action == "look":
            assert rows.next_due_ms <= NEVER_DUE
        else:
            now_ms += value
            rows.take_changes()
            while rows.next_due_ms <= now_ms:
                popped = list(rows.pop_due(now_ms, limit))
                due = sorted((at, name) for name, at in truth.items() if at <= now_ms)
                assert [truth[name] for name in popped] == [at for at, _ in due[: len(popped)]]
                assert len(popped) <= limit
                for name in popped:
                    truth[name] = now_ms + 1 + truth[name] % 7
                    rows.put(name, truth[name])
                rows.take_changes()
            assert not [name for name, at in truth.items() if at <= now_ms]


def test_a_row_that_was_put_off_and_brought_back_before_a_commit_still_comes_up() -> None:
    rows: Rows[int] = Rows(Codec())
    rows.put(b"a", 10)
    rows.take_changes()
    rows.put(b"a", 5 * SPAN_MS)
    assert list(rows.pop_due(20, 9)) == []
    rows.put(b"a", 10)
    rows.take_changes()

    assert list(rows.pop_due(20, 9)) == [b"a"]
