"""Mapping files of billing systems' columns."""

from __future__ import annotations

from perf.fuzz.places import PACKAGED_MAPPINGS
from perf.fuzz.target import Target, check_words
from streamproc.producing.events import InvalidEventError
from streamproc.producing.readers.mapping import MappingError, parse_mapping

FULL = b"""source: gsn-7
delimiter: ";"
encoding: utf-8
region: CN
fields:
  subscriber: {column: msisdn, strip_prefix: "+"}
  id: {join: [session, seq]}
  time: {column: closed, format: "%Y%m%d%H%M%S", zone: Asia/Shanghai}
  uplink_bytes: {column: up, unit: KiB}
  downlink_bytes: {column: down, unit_column: down_unit}
  roaming_zone: {column: plmn, map: {"46000": home, "26201": eu}, default: world}
only:
  - {column: kind, values: [data, gprs]}
"""


def samples() -> list[bytes]:
    """Valid mapping files."""
    return [FULL, *(one.read_bytes() for one in sorted(PACKAGED_MAPPINGS.glob("*.yaml")))]


ROW = {
    "msisdn": "+8613800000001",
    "session": "s",
    "seq": "1",
    "closed": "20260105200000",
    "up": "1",
    "down": "2",
    "down_unit": "MB",
    "plmn": "46000",
    "kind": "data",
}


def _feed(content: bytes) -> None:
    try:
        mapping = parse_mapping(content, "mapping.yaml")
    except MappingError as error:
        check_words(error, "mapping.yaml:")
        return
    try:
        mapping.event(ROW, "f-1")
    except InvalidEventError:
        return


MAPPINGS = Target("mappings", "a mapping file", samples, _feed, tree=True)
