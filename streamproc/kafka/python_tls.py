"""TLS of kafka-python, with an end: a host that takes a connection and says nothing is abandoned.

kafka-python bounds connecting and every question, but waits for ever for the other side of a TLS
handshake. No client could then be made, and a running one would not look for another broker.
"""

from __future__ import annotations

import ssl
import time

from kafka.net import manager
from kafka.net.transport import KafkaSSLTransport

HANDSHAKE_SECONDS = 5.0


class BoundedTls(KafkaSSLTransport):  # type: ignore[misc]  # untyped library
    """A connection whose handshake takes at most ``HANDSHAKE_SECONDS``."""

    async def handshake(self) -> None:
        """Raises what the library raises for a late answer, and ``ssl.SSLError``."""
        timeout_at = time.monotonic() + HANDSHAKE_SECONDS
        try:
            while not self._is_done():
                await self._waiting(timeout_at)
        except BaseException:
            self._sock.close()  # the library would leave it open
            raise

    def _is_done(self) -> bool:
        try:
            self._sock.do_handshake()
        except ssl.SSLWantReadError:
            self._waiting = self._until_readable
            return False
        except ssl.SSLWantWriteError:
            self._waiting = self._until_writable
            return False
        return True

    async def _until_readable(self, timeout_at: float) -> None:
        await self._net.wait_read(self._sock, timeout_at)

    async def _until_writable(self, timeout_at: float) -> None:
        await self._net.wait_write(self._sock, timeout_at)


def bound_handshakes() -> None:
    """Have kafka-python use it, for the whole process."""
    manager.KafkaSSLTransport = BoundedTls
