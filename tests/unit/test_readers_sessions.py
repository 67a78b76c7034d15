"""Running totals, counters of 32 bits and absent directions: what a record reports counts once."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamproc.contracts.records.codec import decode_event
from streamproc.core.state.events import UsageRecorded
from streamproc.producing.readers import BadRecord, LeftOut, ReadEvent, open_reader
from streamproc.producing.readers.sessions import Sessions, SessionsError, Volume

GIGAWORD = 2**32
HOUR_MS = 3_600_000


def sigscale(number: int, protocol: str, kind: str, **values: Any) -> dict[str, Any]:
    """A usage as SigScale OCS 3.4 answers with it (ocs_rest_res_usage:usage_aaa_acct/2)."""
    given = {"protocol": protocol, "node": "ocs@a", "serverPort": 1813, "type": kind, **values}
    return {
        "id": f"acct-{1_767_600_000_000 + number}-{number}",
        "href": f"/usageManagement/v1/usage/acct-{1_767_600_000_000 + number}-{number}",
        "date": f"2026-01-05T08:{number:02}:00.000Z",
        "type": "AAAAccountingUsage",
        "status": "received",
        "usageSpecification": {
            "id": "AAAAccountingUsageSpec",
            "href": "/usageManagement/v1/usageSpecification/AAAAccountingUsageSpec",
            "name": "AAAAccountingUsageSpec",
        },
        "usageCharacteristic": [{"name": name, "value": one} for name, one in given.items()],
    }


def radius(number: int, kind: str, session: str = "s1", **values: Any) -> dict[str, Any]:
    """A record of RADIUS accounting: octets are those of the session since its start."""
    return sigscale(
        number,
        "RADIUS",
        kind,
        username="8613800000001",
        nasIpAddress="192.0.2.1",
        acctSessionId=session,
        **values,
    )


def read(records: list[Any], sessions: Sessions | None = None, file: str = "f00d") -> list[Any]:
    """What becomes of the records, in their order; a sum of bytes for each event."""
    content = io.BytesIO("\n".join(json.dumps(one) for one in records).encode())
    found: list[Any] = []
    for one in open_reader("tmf635", None, sessions=sessions)(content, file):
        if isinstance(one, ReadEvent):
            event = decode_event(one.value, one.key)
            assert isinstance(event, UsageRecorded)
            found.append(event.used_bytes)
        else:
            found.append(one.reason if isinstance(one, BadRecord) else one)
    return found


STOP = radius(
    2, "stop", inputOctets=3000, outputOctets=5000, acctInputGigawords=1, acctOutputGigawords=2
)


def test_the_published_forms_count_what_they_report() -> None:
    records = [
        radius(1, "interim", inputOctets=1000, outputOctets=2000),
        STOP,
        sigscale(3, "DIAMETER", "stop", msisdn="14165550123", outputOctets=7000, totalOctets=7000),
        sigscale(4, "Nrf_Rating", "stop", msisdn="14165550123", totalOctets=9000),
    ]

    found = read(records)

    assert found == [3000, 8000 + 3 * GIGAWORD - 3000, 7000, 9000]
    assert sum(found) == 12_884_925_888
    assert read([STOP]) == [8000 + 3 * GIGAWORD]


def test_an_interim_and_a_stop_count_as_the_stop_alone() -> None:
    interim = radius(1, "interim", inputOctets=1000, outputOctets=2000)
    stop = radius(2, "stop", inputOctets=3000, outputOctets=5000)

    assert sum(read([interim, stop])) == sum(read([stop])) == 8000


@pytest.mark.parametrize("protocol", ["RADIUS", "Radius", "radius"])
@pytest.mark.parametrize("form", [str.lower, str.title, str.upper])
def test_words_of_radius_records_may_be_in_capitals_or_not(
    protocol: str, form: Callable[[str], str]
) -> None:
    """As a protocol of another name, a stop would be charged in addition to its interims."""
    used = {"username": "8613800000001", "acctSessionId": "s1"}
    records = [
        sigscale(1, protocol, form("start"), **used),
        sigscale(2, protocol, form("interim"), inputOctets=5, outputOctets=6, **used),
        sigscale(3, protocol, form("stop"), inputOctets=5, outputOctets=7, **used),
        sigscale(4, protocol, form("on"), **used),
        sigscale(5, protocol, form("start"), **used),
        sigscale(6, protocol, form("stop"), inputOctets=1, outputOctets=1, **used),
    ]

    assert read(records) == [LeftOut(1), 11, 1, LeftOut(4), LeftOut(5), 2]


def test_directions_stay_directions() -> None:
    interim = radius(1, "interim", inputOctets=1000, outputOctets=2000)
    stop = radius(2, "stop", inputOctets=1500, outputOctets=5000)
    content = io.BytesIO(json.dumps([interim, stop]).encode())

    first, second = open_reader("tmf635")(content, "f")

    assert isinstance(first, ReadEvent)
    assert isinstance(second, ReadEvent)
    event = decode_event(second.value, second.key)
    assert isinstance(event, UsageRecorded)
    assert (event.uplink_bytes, event.downlink_bytes) == (500, 3000)


def test_a_record_without_usage_is_left_out_and_one_without_bytes_is_told() -> None:
    records = [
        radius(1, "start"),
        radius(2, "on"),
        sigscale(3, "DIAMETER", "start", msisdn="14165550123"),
        radius(4, "stop"),
        radius(5, "stop", "s9", outputOctets=4),
    ]

    assert read(records) == [
        *(LeftOut(1), LeftOut(2), LeftOut(3)),
        "total_bytes: is missing, and so is a direction",
        4,
    ]


def test_what_was_reported_already_is_left_out() -> None:
    late = radius(1, "interim", inputOctets=10, outputOctets=20)
    records = [
        radius(2, "interim", inputOctets=100, outputOctets=200),
        radius(3, "interim", inputOctets=100, outputOctets=200),  # sent again
        late,
        radius(4, "stop", inputOctets=100, outputOctets=300),
        radius(4, "stop", inputOctets=100, outputOctets=300),
    ]

    assert read(records) == [300, LeftOut(2), LeftOut(3), 100, LeftOut(5)]


def test_a_total_that_falls_is_told_and_a_start_begins_anew() -> None:
    records = [
        radius(1, "interim", inputOctets=100, outputOctets=200),
        radius(2, "interim", inputOctets=50, outputOctets=200),
        radius(3, "start"),
        radius(4, "interim", inputOctets=50, outputOctets=60),
    ]

    assert read(records) == [
        300,
        "total_bytes: is less than in an earlier record of the session",
        LeftOut(3),
        110,
    ]


def test_one_session_id_of_two_access_servers_is_two_sessions() -> None:
    here = radius(1, "interim", inputOctets=100, outputOctets=0)
    there = json.loads(
        json.dumps(radius(2, "interim", inputOctets=90, outputOctets=0)).replace(
            "192.0.2.1", "192.0.2.9"
        )
    )

    assert read([here, there]) == [100, 90]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"inputOctets": 5, "outputOctets": 5, "totalOctets": 11}, "differs from the sum"),
        ({"outputOctets": 5, "totalOctets": 4}, "is less than one direction"),
        ({"totalOctets": -4}, "must be a whole number of at least 0"),
    ],
)
def test_byte_counts_that_contradict_each_other_are_told(values: dict[str, int], says: str) -> None:
    (found,) = read([sigscale(1, "DIAMETER", "stop", msisdn="14165550123", **values)])

    assert found.startswith("total_bytes: ")
    assert says in found


def test_sessions_go_on_in_the_next_file_and_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "sessions.sqlite"
    first = [radius(1, "interim", inputOctets=100, outputOctets=200)]
    second = [radius(2, "stop", inputOctets=150, outputOctets=250)]

    before = Sessions(path)
    assert read(first, before, "one") == [300]
    before.fold("one")
    assert before.open_sessions() == 1
    before.close()

    after = Sessions(path)
    assert read(second, after, "two") == [100]
    # Not handed over yet: whoever reads it again, or crashes and does, gets the same.
    assert read(second, after, "two") == [100]
    crashed = Sessions(path)
    assert read(second, crashed, "two") == [100]
    crashed.fold("two")
    assert crashed.open_sessions() == 0
    assert read(second, crashed, "two") == [LeftOut(1)]


def test_a_file_that_was_only_looked_at_is_not_remembered() -> None:
    sessions = Sessions()
    read([radius(1, "interim", inputOctets=100, outputOctets=0)], sessions, "one")
    read([radius(2, "interim", inputOctets=150, outputOctets=0)], sessions, "two")
    sessions.fold("one")  # is not at hand any more

    assert read([radius(3, "stop", inputOctets=150, outputOctets=0)], sessions, "three") == [150]


def test_the_memory_is_bounded_in_time_and_number() -> None:
    sessions = Sessions(kept=2, forget_ms=HOUR_MS)
    for number, name in enumerate("abc"):
        sessions.begin_file(name)
        sessions.difference(name, Volume(total_bytes=10), number, ends=False)
        sessions.fold(name)
    assert (sessions.open_sessions(), sessions.pushed_out) == (2, 1)
    sessions.begin_file("d")
    assert sessions.difference("a", Volume(total_bytes=11), 5, ends=False) == Volume(total_bytes=11)
    assert sessions.difference("b", Volume(total_bytes=11), 5, ends=False) == Volume(total_bytes=1)
    sessions.difference("e", Volume(total_bytes=1), 2 * HOUR_MS, ends=False)
    sessions.fold("d")
    assert sessions.open_sessions() == 1


def test_a_damaged_memory_is_told(tmp_path: Path) -> None:
    path = tmp_path / "sessions.sqlite"
    path.write_bytes(b"no database, but long enough to be one" * 100)

    with pytest.raises(SessionsError, match=r"sessions\.sqlite cannot be used"):
        read([STOP], Sessions(path))


def test_a_mapping_says_gigawords_running_totals_and_absent_directions(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(
        """
source: bras
region: CN
leave_out:
  - {column: status, values: [Start]}
fields:
  subscriber: {column: number}
  time: {column: at, format: unix_s, delay_column: delay}
  uplink_bytes: {column: up, gigawords: up_words, absent: 0}
  downlink_bytes: {column: down, gigawords: [down_words, dw]}
running_totals:
  session: [session]
  ends: [{column: status, values: [Stop]}]
"""
    )
    rows = (
        "number,at,delay,up,up_words,down,down_words,dw,session,status\n"
        "13800000001,1767600000,,,,,,,a,Start\n"
        "13800000001,1767600060,60,,,100,,,a,Interim\n"
        "13800000001,1767600120,,7,,100,,1,a,Stop\n"
        "13800000001,1767600120,,7,,,,,b,Stop\n"
        "13800000001,1767600120,,7,,9,,,,Stop\n"
    )

    found = list(open_reader("csv", path)(io.BytesIO(rows.encode()), "f"))

    assert found[0] == LeftOut(2)
    events: list[Any] = [
        decode_event(one.value, one.key) for one in found if isinstance(one, ReadEvent)
    ]
    assert [(one.subscriber, one.uplink_bytes, one.downlink_bytes) for one in events] == [
        ("8613800000001", 0, 100),
        ("8613800000001", 7, GIGAWORD),
    ]
    assert events[0].time.timestamp() == 1_767_600_000
    assert found[3:] == [
        BadRecord(5, "downlink_bytes: is missing"),
        BadRecord(6, "running_totals.session: is missing"),
    ]
