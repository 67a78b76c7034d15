"""Records of the alarms topic: what workers have decided about alarms (docs/alarms.md).

They show no subscriber whole (law 21): only how many are concerned, and some of them masked.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from streamproc.contracts.records.receipts import Gateway, Masked
from streamproc.core.state.effects import Natural, Text, Word
from streamproc.core.state.events import Instant, Name

AlarmId = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
AppId = Annotated[str, Meta(min_length=1, max_length=249)]
SAMPLE_LIMIT: Final = 5
"""So many of those concerned are named at most."""
Sample = Annotated[list[Masked], Meta(max_length=SAMPLE_LIMIT)]
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Exceptions of :func:`decode_alarm`."""


class AlarmChanged(Struct, frozen=True, gc=False, tag="alarm.changed", tag_field="type"):
    """An alarm was raised, escalated, lowered or cleared."""

    id: AlarmId
    """A hash: the same change has the same id, however often it is sent."""
    app_id: AppId
    time: Instant
    source: Name
    """Which worker has decided."""
    alarm: Name
    """The name of the alert in ``ops/``; ``docs/runbooks`` has a page for it."""
    change: Word
    """``raised``, ``escalated``, ``lowered`` or ``cleared``."""
    tier: Word
    """``orange`` or ``red``; of a cleared alarm the tier that it had."""
    since: Instant
    """When it was raised."""
    concerned: Natural
    """How many subscribers it concerns now."""
    most_concerned: Natural
    """How many it concerned at most since it was raised."""
    summary: Text
    sample: Sample = []
    gateway: Gateway | UnsetType = UNSET
    """Which gateway it is about, if there is one alarm for each gateway."""

    @property
    def key(self) -> bytes:
        """The key of its record."""
        return alarm_key(self.app_id, self.alarm, "" if self.gateway is UNSET else self.gateway)


def alarm_key(app_id: str, alarm: str, gateway: str) -> bytes:
    """The key of the records of one alarm, of one gateway if ``gateway`` is not empty."""
    return " ".join(filter(None, (app_id, alarm, gateway))).encode()


encode_alarm = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(AlarmChanged).decode


def decode_alarm(value: bytes) -> AlarmChanged:
    """Decode a record. Raises one of :data:`UNREADABLE`."""
    return _decode(value)
