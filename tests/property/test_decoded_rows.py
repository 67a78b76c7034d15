"""Decoded rows are, to whoever uses them and to the changelog, what packed ones are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from perf.bare.counter import CountUsage
from streamproc.engine.decoded_rows import DecodedRows
from streamproc.engine.due import NEVER_DUE
from streamproc.engine.rows import Rows
from tests.property.budget import budget

CODEC = CountUsage("reminders")
"""A row is a number that nothing is due for."""
KEYS = st.sampled_from([b"a", b"b", b"c", b"d"])
ACTIONS = st.one_of(
    st.tuples(st.just("put"), KEYS, st.integers(0, 1 << 30)),
    st.tuples(st.just("delete"), KEYS, st.none()),
    st.tuples(st.just("commit"), st.none(), st.none()),
    st.tuples(st.just("reload"), st.none(), st.none()),
)


@budget(100)
@given(st.lists(ACTIONS, max_size=40))
def test_decoded_rows_are_as_packed_ones(
    actions: list[tuple[str, bytes | None, int | None]],
) -> None:
    packed: Rows[int] = Rows(CODEC)
    decoded: Rows[int] = DecodedRows(CODEC)
    log: dict[bytes, bytes | None] = {}
    for action, key, value in [*actions, ("reload", None, None)]:
        if key is not None:
            packed.put(key, value)
            decoded.put(key, value)
            assert decoded.is_changed
        else:
            expected, found = dict(packed.take_changes()), dict(decoded.take_changes())
            # That a row was never there before it was deleted only the packed ones know.
            assert {**log, **found} | expected == {**log, **found}
            log.update(found)
            assert not decoded.is_changed
        if action == "reload":
            decoded = DecodedRows(CODEC)
            decoded.load(log)
            decoded.loaded()
        for name in (b"a", b"b", b"c", b"d", b"e"):
            assert decoded.get(name) == packed.get(name)
    assert len(decoded) == len(packed)
    assert decoded.next_due_ms == NEVER_DUE
    assert list(decoded.pop_due(NEVER_DUE, 9)) == []
