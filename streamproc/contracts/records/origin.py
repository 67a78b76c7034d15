"""The header of a forwarded record: the place to which its producer had written it."""

from __future__ import annotations

import re
from collections.abc import Iterable

ORIGIN_HEADER = "streamproc-origin"

_NUMBER = re.compile(r"[0-9]{1,19}")
"""Kafka's numbers have at most so many digits. Python refuses to read one of thousands."""

Place = tuple[str, int, int]
"""Topic, partition, offset."""


def origin_header(topic: str, partition: int, offset: int) -> tuple[str, bytes]:
    """The header that names this place."""
    return ORIGIN_HEADER, f"{topic}/{partition}/{offset}".encode()


def origin_of(headers: Iterable[tuple[str, bytes | None]]) -> Place | None:
    """The place from which a record was forwarded; None if it was not."""
    for name, content in headers:
        if name == ORIGIN_HEADER and content is not None:
            topic, *numbers = content.decode(errors="replace").rsplit("/", 2)
            if len(numbers) == 2 and all(_NUMBER.fullmatch(one) for one in numbers):
                return topic, int(numbers[0]), int(numbers[1])
    return None
