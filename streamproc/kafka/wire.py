"""The two requests of Kafka's protocol that need no login, sent over a plain socket."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from streamproc.printable import printable

API_VERSIONS, SASL_HANDSHAKE = 18, 17
MAX_ANSWER_BYTES = 1 << 20
MOST_ENTRIES = 1_000


@dataclass(frozen=True)
class Handshake:
    """A broker's answer about logins."""

    error_code: int
    mechanisms: tuple[str, ...]


def api_keys(connection: socket.socket) -> set[int]:
    """The requests that the broker knows. Raises OSError, or ValueError if the other side is not a
    Kafka broker."""
    answer = _ask(connection, API_VERSIONS, 0, b"")
    with _of_kafka():
        error, count = struct.unpack_from(">hi", answer)
        if error or not 0 <= count <= MOST_ENTRIES:
            raise ValueError("not an answer of Kafka")
        return {struct.unpack_from(">h", answer, 6 + 6 * number)[0] for number in range(count)}


def sasl_handshake(connection: socket.socket, mechanism: str) -> Handshake:
    """Propose a login. The answer says whether the broker takes it, and which logins it takes.

    Raises the same.
    """
    answer = _ask(connection, SASL_HANDSHAKE, 1, _text(mechanism))
    with _of_kafka():
        error, count = struct.unpack_from(">hi", answer)
        if not 0 <= count <= MOST_ENTRIES:
            raise ValueError("not an answer of Kafka")
        at, mechanisms = 6, []
        for _ in range(count):
            (size,) = struct.unpack_from(">h", answer, at)
            if size < 0:
                raise ValueError("not an answer of Kafka")
            mechanisms.append(printable(answer[at + 2 : at + 2 + size].decode()))
            at += 2 + size
        return Handshake(error, tuple(mechanisms))


@contextmanager
def _of_kafka() -> Iterator[None]:
    """An answer that is too short is none of Kafka either."""
    try:
        yield
    except struct.error as error:
        raise ValueError("not an answer of Kafka") from error


def _ask(connection: socket.socket, key: int, version: int, body: bytes) -> bytes:
    """Send one request and return the answer's body. Raises EOFError if the broker closes the
    connection, and TimeoutError if the whole answer takes longer than the timeout."""
    seconds = connection.gettimeout()
    until = None if seconds is None else time.monotonic() + seconds
    try:
        return _answer(connection, key, version, body, until)
    finally:
        connection.settimeout(seconds)


def _answer(
    connection: socket.socket, key: int, version: int, body: bytes, until: float | None
) -> bytes:
    request = struct.pack(">hhi", key, version, 1) + _text("streamproc") + body
    connection.sendall(struct.pack(">i", len(request)) + request)
    (size,) = struct.unpack(">i", _exactly(connection, 4, until))
    if not 4 <= size <= MAX_ANSWER_BYTES:
        raise ValueError("not an answer of Kafka")
    return _exactly(connection, size, until)[4:]


def _exactly(connection: socket.socket, size: int, until: float | None) -> bytes:
    found = b""
    while len(found) < size:
        if until is not None:
            # The timeout of a socket is for each byte.
            connection.settimeout(max(until - time.monotonic(), 0.001))
        more = connection.recv(size - len(found))
        if not more:
            raise EOFError("the connection was closed")
        found += more
    return found


def _text(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack(">h", len(encoded)) + encoded
