"""What one process reports about alarms: its share of each, and its counts since the last share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from streamproc.contracts.records.alarms import SAMPLE_LIMIT, Sample
from streamproc.core.privacy import mask
from streamproc.core.subscribers import is_canary

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Exceptions of :func:`decode_share`."""

MOST_PARTITIONS: Final = 100_000
"""Kafka has no topic with so many. A damaged share must not make lists of more."""

Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Partitions = Annotated[int, Meta(ge=0, le=MOST_PARTITIONS)]
Partition = Annotated[int, Meta(ge=0, lt=MOST_PARTITIONS)]
Key = Annotated[str, Meta(pattern=r"^[A-Za-z]{1,64}( [a-z0-9][a-z0-9_.-]{0,63})?\Z")]
"""The name of an alarm, or of a count, and perhaps of a gateway."""

EVENTS: Final = "events"
"""All records that were read, among the counts: for shares of them."""
SUBMITS: Final = "submits"
"""All answers of a gateway, among the counts."""


class AlarmPart(Struct, frozen=True, array_like=True):
    """How many one alarm concerns, as one process knows it, and some of them, masked."""

    concerned: Count
    sample: Sample = []


NOTHING: Final = AlarmPart(0)


def key_of(alarm: str, gateway: str = "") -> str:
    """The name of an alarm in a share."""
    return f"{alarm} {gateway}" if gateway else alarm


class Share(Struct, frozen=True, omit_defaults=True):
    """The share of one process."""

    process: Annotated[str, Meta(max_length=1_000)]
    """A name that no other process of the fleet has."""
    role: Literal["worker", "dispatcher"]
    sent_ms: Count
    """By the clock of the process."""
    app_id: str = ""
    """The application of a worker; dispatchers serve any."""
    partitions: Partitions = 0
    """How many each input topic has."""
    rows: dict[Partition, Count] = {}
    """By partition that runs here."""
    some: dict[Partition, Sample] = {}
    """Some subscribers of each of them, masked."""
    levels: dict[Key, AlarmPart] = {}
    """What is so now, by name of the alarm."""
    counts: dict[Key, AlarmPart] = {}
    """What happened since the last share, by name of the alarm."""
    are_gateways_down: bool = False
    """A dispatcher has it: none of its gateways takes messages."""
    told_offset: int | None = None
    """The worker that decides has it: the first change that its webhook has not sent yet."""


encode_share = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Share).decode


def decode_share(value: bytes) -> Share:
    """Decode a share. Raises one of :data:`UNREADABLE`."""
    return _decode(value)


def masked(subscribers: Iterable[bytes | str]) -> list[str]:
    """Some subscribers for people, each once, masked."""
    found: dict[str, None] = {}
    for one in subscribers:
        name = one if isinstance(one, str) else one.decode(errors="replace")
        if not is_canary(name):
            found[mask(name)] = None
        if len(found) == SAMPLE_LIMIT:
            break
    return list(found)


def joined(samples: Iterable[Iterable[str]]) -> list[str]:
    """Several samples as one."""
    found = dict.fromkeys(one for sample in samples for one in sample)
    return list(found)[:SAMPLE_LIMIT]


class ShareCounts:
    """Counts what happens until the next share."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._samples: dict[str, list[str]] = {}

    def add(self, key: str, concerned: int, sample: Iterable[str] = ()) -> None:
        """Count so many more, and name some of them, masked."""
        if concerned <= 0:
            return
        self._counts[key] += concerned
        known = self._samples.setdefault(key, [])
        if len(known) < SAMPLE_LIMIT:
            self._samples[key] = joined((known, sample))

    def take(self) -> dict[str, AlarmPart]:
        """All counts; they begin at 0 again."""
        counts, self._counts = self._counts, Counter()
        samples, self._samples = self._samples, {}
        return {key: AlarmPart(count, samples.get(key, [])) for key, count in counts.items()}

    def give_back(self, parts: Mapping[str, AlarmPart]) -> None:
        """Count again what could not be written."""
        for key, part in parts.items():
            self.add(key, part.concerned, part.sample)
