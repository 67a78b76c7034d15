"""What is read from a broker beside input: rows of the changelog, outputs that commands explain.

And ``client.properties``, which says how the broker is reached.
"""

from __future__ import annotations

import base64
import json
from functools import cache
from pathlib import Path

import msgspec

from perf.fuzz.places import ROOT, new_folder
from perf.fuzz.target import Target, check_words
from streamproc.contracts.rules_file.load import packaged_rulebook
from streamproc.core.state.account import NewerStateError, unpack
from streamproc.engine.changelog import ProgressError, decode_progress
from streamproc.kafka.errors import KafkaSettingsError
from streamproc.kafka.properties import read_properties
from streamproc.kafka.recording import LogRecord
from streamproc.tools.explain.gathering import Gathered
from streamproc.tools.explain.showing import TimelineView, units_of
from streamproc.tools.explain.timeline import timeline
from streamproc.tools.replay.selection import event_type
from tests.contract.golden import GOLDEN

SUBSCRIBER = "8613800000001"
START_MS = 1_767_225_600_000
PROPERTIES = b"""# of a producer
bootstrap.servers=kafka:9092
security.protocol=SASL_SSL
ssl.truststore.location=/etc/ca.pem
ssl.endpoint.identification.algorithm=https
sasl.mechanism=SCRAM-SHA-512
sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \\
    username="worker" password="secret";
linger.ms: 5
sasl.username = worker
"""
PROPERTY_WORDS = (
    *(b"\\u", b"\\\n", b"${file:/etc/x:y}", b"sasl.oauthbearer.token.endpoint.url=file:"),
    *(b"ssl.key.pem=", b"org.apache.kafka.common.security.plain.PlainLoginModule ", b"=", b": "),
)


def _bytes_of(*names: str) -> list[bytes]:
    """The packed samples of golden tests."""
    found = (one for name in names for one in sorted(GOLDEN.glob(f"{name}-v1*.json")))
    return [base64.b64decode(json.loads(one.read_bytes())["base64"]) for one in found]


def _row(data: bytes) -> None:
    for decode in (unpack, decode_progress):
        try:
            decode(data)
        except (msgspec.DecodeError, NewerStateError, ProgressError):
            continue


def _outputs() -> list[bytes]:
    names = ("audit", "reminder", "reject", "policy", "order", "event")
    found = (one for name in names for one in sorted(GOLDEN.glob(f"{name}-v1*.json")))
    held = (json.loads(one.read_bytes()) for one in found)
    own = [one["text"].encode() for one in held if "text" in one]
    folder = ROOT / "schemas/examples"
    written = ("receipt.recorded.v1", "reminder.abandoned.v1", "rules.published.v1")
    others = (one for name in written for one in sorted((folder / name).glob("valid/*.json")))
    return [*own, *(one.read_bytes() for one in others)]


@cache
def _view() -> TimelineView:
    return TimelineView(SUBSCRIBER, units_of(packaged_rulebook("quota.yaml")), numbers=True)


def _explained(value: bytes) -> None:
    found = Gathered(SUBSCRIBER)
    for offset in range(2):
        record = LogRecord(SUBSCRIBER.encode(), value, START_MS, (), 0, offset, "audit")
        found.take(record, event_type(record))
    entries = timeline(found)
    for line in _view().lines(entries):
        line.encode("utf-8", "replace")
    msgspec.json.encode(_view().document(entries))


@cache
def _file() -> Path:
    path = new_folder() / "client.properties"
    path.touch(mode=0o600)
    return path


def _properties(content: bytes) -> None:
    _file().write_bytes(content)
    try:
        read_properties(_file())
    except KafkaSettingsError as error:
        check_words(error, str(_file()))


def _rows() -> list[bytes]:
    return _bytes_of("state", "row", "progress")


ROWS = Target("rows", "a row, or the progress, of a changelog", _rows, _row)
OUTPUTS = Target("outputs", "a record that explain shows", _outputs, _explained, tree=True)
PROPERTIES_FILE = Target(
    "properties", "a client.properties", lambda: [PROPERTIES], _properties, words=PROPERTY_WORDS
)
LOGS = ROWS, OUTPUTS, PROPERTIES_FILE
