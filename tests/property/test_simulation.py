"""Messages of two runs are paired: each in one change, times as near as can be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamproc.tools.simulation.pairing import pair
from tests.property.budget import budget
from tests.unit.test_simulate import BOTH, message

TIMES = st.lists(st.integers(0, 50), max_size=6)


@budget(200)
@given(TIMES, TIMES)
def test_every_message_is_in_one_change_and_times_are_as_near_as_can_be(
    present: list[int], changed: list[int]
) -> None:
    mine = [message(at, "weekly", None, id=f"a{n}") for n, at in enumerate(present)]
    theirs = [message(at, "weekly", None, id=f"b{n}") for n, at in enumerate(changed)]
    changes = pair(mine, theirs, BOTH)
    assert sorted(one.present.id for one in changes if one.present) == sorted(m.id for m in mine)
    assert sorted(one.changed.id for one in changes if one.changed) == sorted(m.id for m in theirs)
    both = [one for one in changes if one.present and one.changed]
    assert len(both) == min(len(mine), len(theirs))
    assert sum(abs(one.shift_ms) for one in both) == nearest(sorted(present), sorted(changed))


def nearest(few: list[int], many: list[int]) -> int:
    """The smallest sum of differences, by trying every choice in order."""
    if len(few) > len(many):
        few, many = many, few
    if not few:
        return 0
    with_first = abs(few[0] - many[0]) + nearest(few[1:], many[1:])
    if len(many) == len(few):
        return with_first
    return min(with_first, nearest(few, many[1:]))
