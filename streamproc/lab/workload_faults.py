"""Malformed records as real feeds produce them."""

from __future__ import annotations

import random

OVERSIZED_EVERY = 500_000


def malformed(
    chance: random.Random, key: bytes, serial: int, now: str
) -> tuple[bytes | None, bytes | None]:
    """Key and value of a record that must be rejected; ``now`` is RFC 3339."""
    name = key.decode()
    if serial % OVERSIZED_EVERY == 0:
        return key, b'{"padding":"' + b"x" * 1_000_001 + b'"}'
    start = f'{{"type":"usage.recorded","id":"m{serial}","source":"ocs-x","subscriber":"{name}"'
    good = f'{start},"time":"{now}"'
    choices: list[tuple[bytes | None, str | None]] = [
        (key, None),
        (key, ""),
        (key, f'{good},"total_bytes":12'),
        (key, f'{good},"total_bytes":"12"}}'),
        (key, f'{good},"total_bytes":-5}}'),
        (key, f'{good},"total_bytes":99999999999999999999999}}'),
        (key, f'{good},"total_bytes":9000000000000000}}'),
        (key, f'{good},"total_bytes":1,"surprise":true}}'),
        (key, f'{good},"uplink_bytes":1}}'),
        (key, f'{start},"time":"1999-12-31T23:59:59Z","total_bytes":1}}'),
        (key, f'{start},"time":"2093-01-01T00:00:00Z","total_bytes":1}}'),
        (key, f'{start},"time":"2026-01-05 no time","total_bytes":1}}'),
        (key, f'{start},"total_bytes":1}}'),
        (key, good.replace("usage.recorded", "usage.imagined") + ',"total_bytes":1}'),
        (None, f'{good},"total_bytes":1}}'),
        (b"8610000000000", f'{good},"total_bytes":1}}'),
        (key, "[1,2,3]"),
        (key, "<usage/>"),
    ]
    place, text = chance.choice(choices)
    return place, None if text is None else text.encode()
