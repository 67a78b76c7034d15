"""Files of several forms become the events they mean, or say line and reason."""

from __future__ import annotations

import gzip
import io
import json
import re
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
import zstandard

from streamproc.contracts.numbers import Numbering
from streamproc.contracts.records.codec import decode_event
from streamproc.core.state.events import UsageRecorded
from streamproc.producing.readers import (
    BadRecord,
    FormatError,
    LeftOut,
    MappingError,
    ReadEvent,
    open_reader,
)
from streamproc.producing.readers.files import InputFile
from streamproc.producing.readers.mapping import Amount, parse_mapping
from streamproc.producing.readers.record_results import Doubts, UnreadableFileError
from tests.support.envelopes import enveloped

MAPPING = """
source: gsn-7
delimiter: ";"
fields:
  subscriber: {column: msisdn, strip_prefix: "+"}
  id: {join: [session, seq]}
  time: {column: closed, format: "%Y%m%d%H%M%S", zone: Asia/Shanghai}
  uplink_bytes: {column: up, unit: KiB}
  downlink_bytes: {column: down, unit_column: down_unit}
  rating_group: {column: rg, default: "0"}
  roaming_zone: {column: plmn, map: {"46000": home, "26201": eu}, default: world}
only:
  - {column: kind, values: [data, gprs]}
"""
PLAIN_COLUMNS = """\
source: s
fields:
  subscriber: {column: a}
  time: {column: t, format: unix_s}
  total_bytes: {column: b}
"""
CSV = """msisdn;session;seq;closed;up;down;down_unit;rg;plmn;kind
+8613800000001;s1;1;20260105200000;2;1.5;MB;10;46000;data
+8613800000001;s1;2;20260105200001;2;1;GB;;26201;gprs
+8613800000001;s2;1;20260105200001;2;1;GB;;26201;voice
+8613800000001;s3;1;2026-01-05;2;1;GB;;26201;data
+8613800000001;s4;1;20260105200001;x;1;GB;;26201;data
;s5;1;20260105200001;1;1;GB;;999;data
+8613800000001;s6;1;20260105200001;1;1;pints;;999;data
+8613800000002;s7;1;20260105200001;1;1;B;abc;999;data
"""


def read(form: str, content: bytes, mapping: Path | None = None) -> tuple[list[Any], list[Any]]:
    """Events and bad records."""
    found = list(open_reader(form, mapping)(io.BytesIO(content), "f00d"))
    good = [decode_event(one.value, one.key) for one in found if isinstance(one, ReadEvent)]
    return good, [one for one in found if isinstance(one, BadRecord)]


def left_out(form: str, content: bytes, mapping: Path | None = None) -> list[int]:
    """Lines of records that the mapping does not take."""
    found = open_reader(form, mapping)(io.BytesIO(content), "f00d")
    return [one.line for one in found if isinstance(one, LeftOut)]


def test_csv_by_a_mapping_file(tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    path.write_text(MAPPING)

    good, bad = read("csv", CSV.encode(), path)

    first, second = good
    assert isinstance(first, UsageRecorded)
    assert (first.id, first.source, first.subscriber) == ("s1-1", "gsn-7", "8613800000001")
    assert (first.uplink_bytes, first.downlink_bytes) == (2048, 1_500_000)
    assert first.time.isoformat() == "2026-01-05T20:00:00+08:00"
    assert left_out("csv", CSV.encode(), path) == [4]
    assert (first.rating_group, first.roaming_zone) == (10, "home")
    assert (second.rating_group, second.roaming_zone) == (0, "eu")
    assert second.downlink_bytes == 10**9
    assert [(one.line, one.reason) for one in bad] == [
        (5, "time: is not a time of the form %Y%m%d%H%M%S"),
        (6, "uplink_bytes: is not a number"),
        (7, "subscriber: is missing"),
        (
            8,
            "downlink_bytes: unknown unit, known are B, octets, kB, MB, GB, TB, KiB, MiB, GiB, TiB",
        ),
        (9, "rating_group: is not a number"),
    ]


def test_a_row_that_cannot_be_a_row_is_one_bad_record(tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    path.write_text(MAPPING)
    names, first, second, *_ = CSV.splitlines()
    endless = first.replace("s1", "x" * 200_000)

    good, bad = read("csv", "\n".join([names, first, endless, second]).encode(), path)

    assert len(good) == 2
    assert [(one.line, one.reason) for one in bad] == [
        (3, "is no row of CSV: field larger than field limit (131072)")
    ]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("fields:", "feilds:"), "map.yaml:4: feilds: unknown field; did you mean fields?"),
        (("unit: KiB", "unit: pints"), "map.yaml:8: fields.uplink_bytes.unit: must be one of B,"),
        (("zone: Asia/Shanghai", "zone: Asia/Nowhere"), "fields.time.zone: no such IANA zone"),
        (("%H%M%S", "%H%M%S %Z"), "fields.time.format: %Z reads no zone"),
        (("  uplink_bytes: {column: up, unit: KiB}\n", ""), "either total_bytes or both"),
        (("source: gsn-7", "source: [x"), "map.yaml:"),
    ],
)
def test_a_wrong_mapping_names_file_and_field(change: tuple[str, str], says: str) -> None:
    with pytest.raises(MappingError) as caught:
        parse_mapping(MAPPING.replace(*change), "map.yaml")
    assert says in str(caught.value)


def test_ndjson_keeps_events_and_gives_ids_from_file_and_line() -> None:
    base = {"type": "usage.recorded", "source": "s", "subscriber": "8613800000001"}
    lines = [
        {**base, "id": "own", "time": "2026-01-05T00:00:00Z", "total_bytes": 1},
        {**base, "time": "2026-01-05T00:00:00Z", "total_bytes": 1},
        {**base, "time": "2026-01-05T00:00:00Z", "total_bytes": -1},
    ]
    content = b"\n".join(json.dumps(one).encode() for one in lines) + b"\n\nnonsense\n[1]\n"

    good, bad = read("ndjson", content)

    assert [one.id for one in good] == ["own", "f00d-2"]
    assert [one.line for one in bad] == [3, 5, 6]
    assert bad[0].reason.startswith("total_bytes:")


@pytest.mark.parametrize("host", ["", "192.0.2.7,"])
@pytest.mark.parametrize("more", ["", ",from-a-template"])
def test_cgrates_exports(host: str, more: str) -> None:
    # The two layouts of CGRateS's own export tests (ees/filecsv_it_test.go): with a template, and
    # without one, where the host of origin stands before the run.
    rows = [
        f"c0ffee01,{host}*default,*voice,v1,*rated,t.org,call,1001,1001,1002,2026-01-05T08:42:25Z,"
        "2026-01-05T08:42:26Z,10s,1.01",
        f"c0ffee02,{host}*default,*data,d1,*rated,t.org,call,1001,1001,data,2026-01-05T08:42:25Z,"
        "2026-01-05T08:42:26Z,1048576,0.012",
        f"c0ffee02,{host}supplier,*data,d1,*rated,t.org,call,1001,1001,data,2026-01-05T08:42:25Z,"
        "2026-01-05T08:42:26Z,1048576,0.01",
        f"c0ffee03,{host}*default,*data,d1,*rated",
    ]
    names = "CGRID,RunID,ToR,OriginID,RequestType"

    good, bad = read("cgrates-csv", "\n".join([names, *(row + more for row in rows)]).encode())

    (event,) = good
    content = "\n".join(row + more for row in rows[:3]).encode()
    assert left_out("cgrates-csv", content) == [1, 3]  # a call, and another run
    assert [(one.line, one.reason) for one in bad] == [(5, "is no CDR")]
    assert (event.id, event.subscriber, event.used_bytes) == ("c0ffee02-*default", "1001", 1048576)
    assert event.time.isoformat() == "2026-01-05T08:42:26+00:00"


USAGE = {
    "id": "1577836800000-7",
    "href": "/usageManagement/v1/usage/1577836800000-7",
    "date": "2026-01-05T08:42:26.123Z",
    "type": "AAAAccountingUsage",
    "status": "received",
    "relatedParty": [{"role": "customer", "id": "C-9"}],
    "usageCharacteristic": [
        {"name": "protocol", "value": "DIAMETER"},
        {"name": "msisdn", "value": "+14165550123"},
        {"name": "inputOctets", "value": 1000},
        {"name": "outputOctets", "value": 2500},
    ],
}


@pytest.mark.parametrize("pretty", [None, 2])
@pytest.mark.parametrize("many", [False, True])
def test_tmf635_usage_alone_and_in_arrays(pretty: int | None, many: bool) -> None:
    content = json.dumps([USAGE, USAGE] if many else USAGE, indent=pretty).encode()

    good, bad = read("tmf635", content)

    assert not bad
    assert len(good) == (2 if many else 1)
    event = good[0]
    assert (event.id, event.subscriber) == ("1577836800000-7", "14165550123")
    assert (event.uplink_bytes, event.downlink_bytes) == (1000, 2500)


def test_tmf635_by_lines_with_a_party_instead_of_a_number() -> None:
    other = {**USAGE, "usageCharacteristic": USAGE["usageCharacteristic"][2:]}
    lines = [json.dumps(USAGE), "7", "nonsense", json.dumps(other)]

    good, bad = read("tmf635", "\n".join(lines).encode())

    assert [one.subscriber for one in good] == ["14165550123", "C-9"]
    assert [(one.line, one.reason) for one in bad] == [
        (2, "is not a JSON object"), (3, "is not a JSON object")
    ]  # fmt: skip


@pytest.mark.parametrize(
    "party", [{"id": "C-9"}, [{"id": "C-9"}], [{"role": "Customer", "id": "C-9"}]]
)
def test_tmf635_parties_as_others_write_them(party: Any) -> None:
    # FIWARE's billing writes a capital role; published catalyst code a single party without one.
    usage = {
        **USAGE,
        "relatedParty": party,
        "usageCharacteristic": USAGE["usageCharacteristic"][2:],
    }

    good, bad = read("tmf635", json.dumps(usage).encode())

    assert not bad
    assert [one.subscriber for one in good] == ["C-9"]


def test_a_first_line_that_is_neither_names_nor_a_cdr_is_told() -> None:
    _, bad = read("cgrates-csv", b"some,report,of,another,kind\n")

    assert [(one.line, one.reason) for one in bad] == [(1, "is no CDR")]


def usage_line(id: str) -> str:
    """A valid event as a line."""
    return (
        f'{{"type":"usage.recorded","id":"{id}","source":"s","subscriber":"8613800000001",'
        '"time":"2026-01-05T00:00:00Z","total_bytes":1}\n'
    )


def test_files_are_read_plain_and_compressed_and_broken_ones_said_to_be(tmp_path: Path) -> None:
    line = usage_line("x").encode()
    content = line * 5_000
    frames = b"".join(zstandard.compress(line * 2_500) for _ in range(2))
    reader = open_reader("ndjson")
    for name, data in (("p", content), ("g.gz", gzip.compress(content)), ("z.zst", frames)):
        path = tmp_path / name
        path.write_bytes(data)
        assert sum(1 for _ in InputFile(path).read(reader)) == 5_000
    for name, data in (
        ("cut.gz", gzip.compress(content)[:-20]),
        ("cut.zst", frames[:-20]),
        ("begun.zst", frames[:5]),
        ("bad.zst", frames[:40] + b"?" * 99),
    ):
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(UnreadableFileError, match="damaged or cut off"):
            list(InputFile(path).read(reader))


def test_a_form_without_mapping_says_so() -> None:
    with pytest.raises(FormatError, match="needs a mapping file"):
        open_reader("csv")
    with pytest.raises(FormatError, match="known are ndjson"):
        open_reader("xml")


PLAIN = {
    "type": "usage.recorded",
    "id": "u1",
    "source": "ocs",
    "subscriber": "8613800000001",
    "time": "2026-01-05T12:00:00Z",
    "total_bytes": 5,
}


def test_cloudevents_are_read_as_the_events_in_them() -> None:
    plain = json.dumps(PLAIN)
    said = json.dumps({**PLAIN, "type": "sms.received", "text": "specversion"} | {"id": "u2"})
    said = json.dumps({k: v for k, v in json.loads(said).items() if k != "total_bytes"})
    content = "\n".join([plain, enveloped(plain), said, enveloped(said)]).encode()
    good, bad = read("ndjson", content)
    assert bad == []
    assert good[0] == good[1]
    assert good[2] == good[3]
    assert good[2].text == "specversion"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"specversion": "0.3"}, "CloudEvents: only specversion 1.0 is read"),
        ({"type": "com.example.usage"}, "CloudEvents: the type must have the form"),
        ({"id": None}, "CloudEvents: missing attributes: id"),
        ({"data": [1]}, "is not a JSON object"),
        ({"subject": None}, "subscriber: is missing"),
        ({"data": {"total_bytes": -1}}, "total_bytes: must be a whole number of at least 0"),
        ({"data": {"total_bytes": 1, "id": "other"}}, "CloudEvents: id and id in the data differ"),
    ],
)
def test_what_is_wrong_with_an_envelope_is_told(change: dict[str, Any], reason: str) -> None:
    envelope = json.loads(enveloped(json.dumps(PLAIN))) | change
    good, bad = read("ndjson", json.dumps(envelope).encode())
    assert good == []
    assert [one.line for one in bad] == [1]
    assert bad[0].reason.startswith(reason)


def rows_at(*times: str) -> bytes:
    return "\n".join(["msisdn;at;b", *(f"8613800000001;{one};1" for one in times)]).encode()


BERLIN = """
source: gsn-7
delimiter: ";"
fields:
  subscriber: {column: msisdn}
  time: {column: at, zone: Europe/Berlin}
  total_bytes: {column: b}
"""
ORDINARY, TWICE, MISSING = "2026-10-25 01:30:00", "2026-10-25 02:30:00", "2026-03-29 02:30:00"


@pytest.mark.parametrize(
    ("choice", "instants"),
    [
        ("", ["2026-10-24T23:30:00", "2026-10-25T00:30:00", "2026-03-29T01:30:00"]),
        (", twice: second", ["2026-10-24T23:30:00", "2026-10-25T01:30:00", "2026-03-29T01:30:00"]),
    ],
)
def test_local_times_that_exist_twice_or_not_at_all_are_taken_by_choice_and_told(
    choice: str, instants: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "map.yaml"
    path.write_text(BERLIN.replace("zone: Europe/Berlin", f"zone: Europe/Berlin{choice}"))

    found = list(
        open_reader("csv", path)(io.BytesIO(rows_at(ORDINARY, TWICE, MISSING, TWICE)), "f")
    )

    events = [one for one in found if isinstance(one, ReadEvent)]
    times = [decode_event(one.value, one.key).time.astimezone(UTC) for one in events]
    assert [one.replace(tzinfo=None).isoformat() for one in times[:3]] == instants
    assert [one.doubt for one in events] == [None, "twice", "missing", "twice"]
    doubts = Doubts()
    for one in events:
        doubts.count(one)
    assert list(doubts.told()) == [
        "1 local times do not exist: clocks were set forward (time.missing of the mapping); "
        "the first is in line 4",
        "2 local times exist twice: clocks were set back (time.twice of the mapping); "
        "the first is in line 3",
    ]


def test_such_local_times_can_be_refused(tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    refusing = "zone: Europe/Berlin, twice: refuse, missing: refuse"
    path.write_text(BERLIN.replace("zone: Europe/Berlin", refusing))

    good, bad = read("csv", rows_at(ORDINARY, TWICE, MISSING), path)

    assert len(good) == 1
    assert [(one.line, one.reason) for one in bad] == [
        (3, "time: exists twice in Europe/Berlin: clocks were set back"),
        (4, "time: does not exist in Europe/Berlin: clocks were set forward"),
    ]


def test_a_row_with_more_fields_than_the_header_is_refused(tmp_path: Path) -> None:
    """Thousands with commas would be read as their first digits."""
    path = tmp_path / "map.yaml"
    path.write_text(PLAIN_COLUMNS)
    rows = b"a,t,b\n8613800000001,1767600000,5,\n8613800000001,1767600000,1,234\n"

    (good,), (bad,) = read("csv", rows, path)

    assert good.total_bytes == 5, "an empty field at the end is none"
    assert (bad.line, bad.reason[:32]) == (3, "has more fields than the header:")


def test_an_empty_field_too_many_is_refused_in_a_file_that_has_none(tmp_path: Path) -> None:
    """A comma within the volume would move it into the next column, which is empty."""
    path = tmp_path / "map.yaml"
    path.write_text(PLAIN_COLUMNS)
    rows = b"a,t,b,note\n8613800000001,1767600000,5,\n8613800000001,1767600000,1,234,\n"

    (good,), (bad,) = read("csv", rows, path)

    assert (good.total_bytes, bad.line) == (5, 3)
    assert bad.reason == "has more fields than the header: is a delimiter within a field?"


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("a;t;b", 'semicolons, and the mapping says commas: write delimiter: ";"'),
        ("a\tt\tb", 'tabs, and the mapping says commas: write delimiter: "\\t"'),
        ("a | t | b", 'vertical bars, and the mapping says commas: write delimiter: "|"'),
    ],
)
def test_a_file_with_another_delimiter_is_told_as_such(
    header: str, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "map.yaml"
    path.write_text(PLAIN_COLUMNS)
    with pytest.raises(UnreadableFileError, match=re.escape(f"separated by {told}")):
        read("csv", f"{header}\n1;2;3\n".encode(), path)


def test_a_column_name_that_comes_twice_is_refused_if_the_mapping_uses_it(tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    path.write_text(PLAIN_COLUMNS)
    with pytest.raises(UnreadableFileError, match="two columns are named 'b'"):
        read("csv", b"a,t,b,b\n8613800000001,1767600000,5,9\n", path)
    good, _ = read("csv", b"a,t,b,x,x\n8613800000001,1767600000,5,9,9\n", path)
    assert len(good) == 1


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("1.234", "B", None),
        ("12.000", "octets", None),
        ("1234.0", "B", 1234),
        ("0.500", "B", 0),
        ("1.234", "kB", 1234),
    ],
)
def test_a_point_that_can_group_thousands_is_refused_where_a_byte_has_no_parts(
    text: str, unit: Any, expected: int | None
) -> None:
    amount = Amount(column="b", unit=unit)
    if expected is None:
        with pytest.raises(ValueError, match="thousands, or parts of a byte"):
            amount.of({"b": text})
    else:
        assert amount.of({"b": text}) == expected


@pytest.mark.parametrize("words", ["1.5", "-1", "x"])
def test_gigawords_that_are_no_count_are_refused(words: str) -> None:
    with pytest.raises(ValueError, match="is not a number"):
        Amount(column="b", gigawords="g").of({"b": "5000000000", "g": words})


@pytest.mark.parametrize(
    ("zone", "local"),
    [("Europe/Berlin", "0001-01-01T00:00:00"), ("America/New_York", "9999-12-31T23:59:59")],
)
def test_a_time_that_stands_for_none_is_refused_and_the_rest_is_read(
    tmp_path: Path, zone: str, local: str
) -> None:
    """.NET and SQL write the first or the last instant that they know."""
    path = tmp_path / "map.yaml"
    path.write_text(BERLIN.replace("Europe/Berlin", zone))

    good, bad = read("csv", rows_at(ORDINARY, local, ORDINARY), path)

    assert len(good) == 2
    assert [(one.line, one.reason) for one in bad] == [(3, "time: is beyond the calendar")]


def test_ndjson_takes_numbers_in_every_form_and_names_the_field(tmp_path: Path) -> None:
    lines = [
        json.dumps({**PLAIN, "subscriber": one})
        for one in ("tel:+86-138-0000-0001", "008613800000001", "8.6138E+12", "13800000001")
    ]
    found = list(
        open_reader("ndjson", numbering=Numbering("CN"))(io.BytesIO("\n".join(lines).encode()), "f")
    )

    assert [one.key for one in found if isinstance(one, ReadEvent)] == [b"8613800000001"] * 3
    assert [one for one in found if isinstance(one, BadRecord)] == [
        BadRecord(3, "subscriber: is a number in exponent form; export the column as text")
    ]


def test_a_mapping_takes_numbers_in_every_form(tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    path.write_text(BERLIN + "region: cn\n")
    rows = "msisdn;at;b\n" + "".join(
        f"{one};2026-01-05 12:00:00;1\n"
        for one in ("13800000001", "+86 138 0000 0001", "8.6138E+12", "86138000000.0", "sub-001")
    )

    good, bad = read("csv", rows.encode(), path)

    assert [one.subscriber for one in good] == ["8613800000001", "8613800000001", "sub-001"]
    assert [(one.line, one.reason.partition(";")[0]) for one in bad] == [
        (4, "subscriber: is a number in exponent form"),
        (5, "subscriber: is a number with a fraction"),
    ]
    path.write_text(BERLIN + "region: XX\n")
    with pytest.raises(MappingError, match="region: there is no region 'XX'"):
        open_reader("csv", path)
    path.write_text(BERLIN + "subscribers: numbers\n")
    assert [one.reason for one in read("csv", rows.encode(), path)[1]][-1] == (
        "subscriber: is not a phone number"
    )
