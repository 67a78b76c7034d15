"""Files of FreeRADIUS's detail module."""

from __future__ import annotations

import io
from typing import Any

from streamproc.contracts.numbers import Numbering
from streamproc.contracts.records.codec import decode_event
from streamproc.producing.readers import BadRecord, LeftOut, ReadEvent, open_reader

# In the layout of FreeRADIUS 3 (raddb/mods-available/detail): a date, attributes behind a tab, and
# a blank line.
DETAIL = """\
Mon Jan  5 16:00:00 2026
\tUser-Name = "internet@example"
\tNAS-IP-Address = 192.0.2.1
\tNAS-Identifier = "ggsn-1"
\tCalling-Station-Id = "8613800000001"
\tAcct-Status-Type = Start
\tAcct-Session-Id = "0A0B0C0D00000001"
\tEvent-Timestamp = "Jan  5 2026 16:00:00 CST"
\tAcct-Unique-Session-Id = "d6ae6cb422467ab8"
\tTimestamp = 1767600000

Mon Jan  5 16:10:00 2026
\tUser-Name = "internet@example"
\tNAS-Identifier = "ggsn-1"
\tCalling-Station-Id = "8613800000001"
\tAcct-Status-Type = Interim-Update
\tAcct-Session-Id = "0A0B0C0D00000001"
\tAcct-Input-Octets = 1000
\tAcct-Output-Octets = 4294967295
\tAcct-Delay-Time = 30
\tCisco-AVPair = "connect-progress=Call Up"
\tCisco-AVPair = "say \\"hello\\" = twice"
\tAcct-Unique-Session-Id = "d6ae6cb422467ab8"
\tTimestamp = 1767600630

Mon Jan  5 16:20:00 2026
\tNAS-Identifier = "ggsn-1"
\tCalling-Station-Id = "13800000001"
\tAcct-Status-Type = Stop
\tAcct-Session-Id = "0A0B0C0D00000001"
\tAcct-Input-Octets = 3000
\tAcct-Output-Octets = 5000
\tAcct-Input-Gigawords = 0
\tAcct-Output-Gigawords = 1
\tAcct-Unique-Session-Id = "d6ae6cb422467ab8"
\tTimestamp = 1767601200

"""


def read(text: str) -> list[Any]:
    return list(open_reader("radius-detail", None, Numbering("CN"))(io.BytesIO(text.encode()), "f"))


def test_interims_and_stops_are_the_running_totals_of_their_session() -> None:
    start, *events = read(DETAIL)

    assert start == LeftOut(1)
    found: list[Any] = [decode_event(one.value, one.key) for one in events]
    assert [(one.subscriber, one.uplink_bytes, one.downlink_bytes) for one in found] == [
        ("8613800000001", 1000, 2**32 - 1),
        ("8613800000001", 2000, 5001),
    ]
    assert [one.time.timestamp() for one in found] == [1767600600, 1767601200]
    assert [one.id for one in found] == ["f-12", "f-26"]


def test_a_server_without_the_dictionary_writes_numbers_for_words() -> None:
    """Such records were left out: nothing was charged."""
    numbers = DETAIL
    for word, number in (("Start", 1), ("Stop", 2), ("Interim-Update", 3)):
        numbers = numbers.replace(f"Type = {word}\n", f"Type = {number}\n")
    assert numbers != DETAIL

    def counted(text: str) -> list[Any]:
        return [one.value for one in read(text) if isinstance(one, ReadEvent)]

    assert counted(numbers) == counted(DETAIL)
    assert read(numbers)[0] == LeftOut(1)


def test_a_stop_alone_counts_whole() -> None:
    (event,) = read(DETAIL[DETAIL.index("Mon Jan  5 16:20") :])

    assert isinstance(event, ReadEvent)
    found: Any = decode_event(event.value, event.key)
    assert found.used_bytes == 3000 + 5000 + 2**32


def test_a_file_that_is_cut_off_and_lines_that_are_no_attributes_are_told() -> None:
    whole = DETAIL.rstrip("\n")
    cut = whole[:-3]

    assert read(whole + "\n")[-1].line == 26
    assert read(cut)[-1] == BadRecord(26, "is no record of attributes, or is cut off")
    assert read(DETAIL.replace("\tAcct-Delay-Time = 30", "\tAcct-Delay-Time"))[1] == BadRecord(
        12, "is no record of attributes, or is cut off"
    )
    assert read("a;b\n1;2\n") == [BadRecord(2, "is no record of attributes, or is cut off")]


def test_records_without_a_blank_line_between_them_are_two() -> None:
    joined = DETAIL.replace("\n\nMon Jan  5 16:20", "\nMon Jan  5 16:20")

    assert len(read(joined)) == 3
