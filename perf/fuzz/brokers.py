"""What answers where a Kafka broker should: the questions that need no login."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import Any

from perf.fuzz.target import Target
from streamproc.kafka.wire import api_keys, sasl_handshake
from streamproc.printable import printable


class Connection:
    """A connection whose other side sends certain bytes, and then ends it."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def sendall(self, _: bytes) -> None:
        pass

    def recv(self, most: int) -> bytes:
        found, self._data = self._data[:most], self._data[most:]
        return found

    def gettimeout(self) -> float:
        return 1.0

    def settimeout(self, _: float) -> None:
        pass


def _feed(data: bytes) -> None:
    connection: Any = Connection(data)
    with suppress(ValueError, EOFError):
        assert len(api_keys(connection)) <= 1_000
    connection = Connection(data)
    with suppress(ValueError, EOFError):
        for name in sasl_handshake(connection, "PLAIN").mechanisms:
            assert name == printable(name), f"it steers: {name!r}"


def _samples() -> list[bytes]:
    known = struct.pack(">ihi", 1, 0, 2) + struct.pack(">hhh", 18, 0, 3) * 2
    logins = struct.pack(">ihi", 1, 33, 2) + b"\0\5PLAIN\0\x0dSCRAM-SHA-512"
    return [struct.pack(">i", len(one)) + one for one in (known, logins)]


BROKERS = Target("brokers", "the first answers of a broker", _samples, _feed)
