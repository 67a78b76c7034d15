"""Files of usage: one target for each form, and one for compressed files."""

from __future__ import annotations

import gzip
import io
import json
from functools import cache, partial

import zstandard

from perf.fuzz.mappings import FULL
from perf.fuzz.places import new_folder
from perf.fuzz.target import Target, check_words
from streamproc.producing.readers import FORMS, Reader
from streamproc.producing.readers.files import read_open
from streamproc.producing.readers.record_results import ReadSettings, UnreadableFileError
from tests.unit.test_readers_charging import FUNCTION, SERVICES, encoded, framed, pgw

CSV = b"""msisdn;session;seq;closed;up;down;down_unit;rg;plmn;kind
+8613800000001;s1;1;20260105200000;2;1.5;MB;10;46000;data
"8613800000001";s1;2;20260105200001;2;1;GB;;26201;gprs
"""
ROWS = [
    {
        "msisdn": "8613800000001",
        "session": "s1",
        "seq": n,
        "closed": "20260105200000",
        "up": 2,
        "down": 1.5,
        "down_unit": "MB",
        "plmn": "46000",
        "kind": "data",
        "a": {"b": 1},
    }
    for n in range(2)
]
CGRATES = (
    b"7e9e9bf,*default,*data,orig,*rated,cgrates.org,data,8613800000001,8613800000001,data,"
    b"2026-01-05T08:30:00Z,2026-01-05T08:30:00Z,1048576,0.5\n"
)
TMF = {
    "id": "u-1",
    "usageDate": "2026-01-05T08:30:00.000Z",
    "usageCharacteristic": [
        {"name": "msisdn", "value": "8613800000001"},
        {"name": "octetsIn", "value": 1048576},
        {"name": "octetsOut", "value": "1"},
        {"name": "acctSessionId", "value": "x"},
    ],
    "relatedParty": [{"role": "customer", "id": "8613800000001"}],
}
DETAIL = b"""Mon Jan  5 08:30:00 2026
\tAcct-Status-Type = Stop
\tAcct-Session-Id = "5"
\tNAS-IP-Address = 10.0.0.1
\tCalling-Station-Id = "8613800000001"
\tAcct-Input-Octets = 1048576
\tAcct-Output-Octets = 1048576
\tAcct-Output-Gigawords = 0
\tAcct-Delay-Time = 1
\tTimestamp = 1767601800

"""
EVENT = (
    b'{"type":"usage.recorded","id":"a","source":"s","subscriber":"8613800000001",'
    b'"time":"2026-01-05T08:30:00Z","total_bytes":5}\n'
)


def _charging() -> list[bytes]:
    with_services = encoded("pGWRecord", pgw(listOfServiceData=SERVICES, listOfTrafficVolumes=...))
    records = [encoded("pGWRecord", pgw()), with_services]
    records.append(encoded("chargingFunctionRecord", FUNCTION))
    return [*records, b"".join(records), framed(*records), framed(*records, release=7)]


SAMPLES: dict[str, list[bytes]] = {
    "ndjson": [EVENT * 2, EVENT.replace(b'"id":"a",', b"")],
    "csv": [CSV],
    "json": [
        json.dumps(ROWS).encode(),
        b"\n".join(json.dumps(one).encode() for one in ROWS),
        json.dumps(ROWS[0], indent=1).encode(),
    ],
    "cgrates-csv": [CGRATES * 2],
    "tmf635": [json.dumps(TMF).encode(), json.dumps([TMF, TMF]).encode()],
    "radius-detail": [DETAIL * 2],
    "3gpp-cdr": _charging(),
}


@cache
def _reader(form: str) -> Reader:
    path = None
    if form in ("csv", "json"):
        path = new_folder() / "mapping.yaml"
        path.write_bytes(FULL)
    return FORMS[form].reader(ReadSettings(path))


def _feed(form: str, content: bytes) -> None:
    read: list[object] = []
    try:
        for record in read_open(io.BytesIO(content), "file", _reader(form), "f00d"):
            read.append(record)
            assert len(read) <= 2 * len(content) + 10, "more records than bytes"
    except UnreadableFileError as error:
        check_words(error, "file: ")


def _compressed() -> list[bytes]:
    return [gzip.compress(EVENT * 3), zstandard.compress(EVENT * 3), EVENT]


FILES = (
    *(
        Target(
            form,
            f"a file of the form {form}",
            partial(list, samples),
            partial(_feed, form),
            tree=form in ("ndjson", "json", "tmf635"),
        )
        for form, samples in SAMPLES.items()
    ),
    Target("compressed", "a compressed file of events", _compressed, partial(_feed, "ndjson")),
)
