"""Records of the reveals topic: somebody was shown numbers or messages of subscribers.

They show no subscriber whole themselves (law 21).
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from streamproc.contracts.records.alarms import Sample
from streamproc.core.state.effects import Natural, Word
from streamproc.core.state.events import Instant, Name

RevealId = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
RevealCommand = Literal["explain", "dead_letters_show", "simulate", "record"]
"""The present terms. A reader must accept others."""
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Exceptions of :func:`decode_reveal`."""


class DataRevealed(Struct, frozen=True, gc=False, tag="data.revealed", tag_field="type"):
    """It is written before anything is shown."""

    id: RevealId
    time: Instant
    command: Word
    """Which command shows them."""
    user: Name
    """Who runs it, as the operating system says."""
    host: Name
    """On which machine."""
    kafka_user: Name
    """Whom the broker takes them for, as far as the command knows."""
    concerned: Natural
    """Of how many subscribers something is shown."""
    sample: Sample = []

    @property
    def key(self) -> bytes:
        """The key of its record."""
        return f"{self.user}@{self.host}".encode()


encode_reveal = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(DataRevealed).decode


def decode_reveal(value: bytes) -> DataRevealed:
    """Decode a record. Raises one of :data:`UNREADABLE`."""
    return _decode(value)
