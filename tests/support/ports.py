"""Free TCP ports for servers that tests start."""

from __future__ import annotations

import random
import socket


def free_port(*, other_than: int | None = None) -> int:
    """A loopback TCP port that nothing listens on now. Raises OSError if there is none.

    It is below the range from which Linux takes ports for outgoing connections. Otherwise such a
    connection could occupy a server's port while the server restarts.
    """
    # Not the seeded generator of the tests: two runs with one seed would take the same ports.
    for port in random.SystemRandom().sample(range(20_000, 32_000), 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port != other_than:
            return port
    raise OSError("found no free loopback port between 20000 and 32000")
