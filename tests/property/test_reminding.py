"""Short cuts of reminders, held to the long way."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from streamproc.core.instants import from_ms, to_ms
from streamproc.core.schedule.calendar import known_zone, local_minute, local_time
from streamproc.core.texts.formats import iso_minute
from tests.property.budget import budget

INSTANTS = st.integers(-(10**12), 10**13)
ZONES = st.sampled_from(
    ["UTC", "Asia/Shanghai", "America/New_York", "Australia/Lord_Howe", "Africa/Monrovia"]
)


@budget(300)
@given(INSTANTS, st.integers(1, 366 * 86_400_000))
def test_a_lifetime_added_is_the_instant_of_its_end(at_ms: int, ttl_ms: int) -> None:
    end = from_ms(at_ms) + timedelta(milliseconds=ttl_ms)

    assert end == from_ms(at_ms + ttl_ms)
    assert to_ms(end) == at_ms + ttl_ms


@budget(300)
@given(INSTANTS, ZONES)
def test_local_minutes_show_what_clocks_show(at_ms: int, zone: str) -> None:
    shown = local_time(at_ms, known_zone(zone)).isoformat(" ", "minutes")[:16]

    assert iso_minute(local_minute(at_ms, zone)) == shown
