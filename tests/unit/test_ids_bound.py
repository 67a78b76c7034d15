"""A partition that remembers too many events says so, and forgets nothing in silence."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from streamproc.core.instants import DAY_MS
from streamproc.core.rules.limits import Limits
from streamproc.core.usage.ages import oldest_ms
from streamproc.engine.ids import SeenIds
from streamproc.worker.ids_bound import IdsBound
from tests.support.line import START, Line, reasons, rulebook

NOW_MS = 20_000 * DAY_MS
LIMITS = Limits(max_age_ms=10 * DAY_MS, max_ahead_ms=0)


def filled(*counts: int) -> SeenIds:
    """So many events of each day, the last of them of today."""
    ids = SeenIds()
    for before, count in zip(range(len(counts) - 1, -1, -1), counts, strict=True):
        received_ms = NOW_MS - before * DAY_MS
        for number in range(count):
            name = f"{before} {number}".encode()
            ids.remember(name, received_ms, received_ms + LIMITS.remembered_ms("ocs"))
    return ids


def looked(bound: IdsBound, ids: SeenIds, limits: Limits = LIMITS) -> tuple[bool, list[str]]:
    with capture_logs() as lines:
        has_forgotten = bound.look(7, ids, limits, NOW_MS)
    return has_forgotten, [f"{one['log_level']} {one['ids']}" for one in lines]


def test_it_warns_before_the_bound_once_an_hour() -> None:
    seconds = [0.0]
    bound = IdsBound(100, lambda: seconds[0])
    assert looked(bound, filled(79)) == (False, [])
    assert looked(bound, filled(80)) == (False, ["warning 80"])
    assert looked(bound, filled(90)) == (False, [])
    seconds[0] = 3_600
    assert looked(bound, filled(90)) == (False, ["warning 90"])


def test_beyond_it_the_earliest_day_is_forgotten_and_no_longer_judged() -> None:
    ids = filled(30, 40, 35)
    earliest_ms = NOW_MS - 2 * DAY_MS
    assert oldest_ms(ids, "ocs", earliest_ms, LIMITS) <= NOW_MS - 10 * DAY_MS
    assert looked(IdsBound(100), ids) == (True, ["critical 75"])
    assert ids.days() == [20_010, 20_011]
    # What was forgotten arrived on that day, so its own time is not later.
    assert oldest_ms(ids, "ocs", earliest_ms, LIMITS) == earliest_ms + DAY_MS
    assert looked(IdsBound(100), ids) == (False, [])


def test_a_day_of_events_is_always_kept() -> None:
    ids = filled(20, 30, 100)
    bound = IdsBound(100)
    assert looked(bound, ids)[0]
    with capture_logs() as lines:
        assert not bound.look(7, ids, LIMITS, NOW_MS)
    assert "needs all of them" in lines[0]["event"]
    assert len(ids) == 130
    assert oldest_ms(ids, "ocs", NOW_MS, LIMITS) == NOW_MS - DAY_MS


@pytest.mark.parametrize("is_late", [True, False])
def test_late_events_of_a_forgotten_day_are_rejected_and_others_count(is_late: bool) -> None:
    line = Line(rulebook(max_age_ms=10 * DAY_MS))
    line.activate()
    line.use(1, at=1.5, id="first")
    line.use(1, at=2.5, id="second")
    ids, now_ms = line.ids, int(START.timestamp() * 1_000) + 3 * DAY_MS
    while IdsBound(1).look(0, ids, line.rules.limits, now_ms):
        pass
    at = 1.5 if is_late else 2.9
    told = line.use(1, at=at, id="first" if is_late else "third", arrives=3.0)
    assert reasons(told) == (["time_in_past"] if is_late else [])
    assert line.bucket("data").used_bytes == (2 if is_late else 3)
