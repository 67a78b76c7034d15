"""The partition of a key: murmur2, as Kafka's Java client chooses it.

Producers, workers and tools use this module. The compiled part has the same in
``native/src/place.rs``; ``tests/unit/test_partitioner.py`` compares both with the libraries. The
libraries need twice the time for each key, and half a second for their import.
"""

from __future__ import annotations

from struct import Struct

_SEED, _MULTIPLIER, _MASK = 0x9747B28C, 0x5BD1E995, 0xFFFFFFFF
_WORDS = tuple(Struct(f"<{count}I").unpack_from for count in range(65))
"""Readers of this many words; a key has at most 64 characters (schemas/common.v1.json)."""


def murmur2(data: bytes) -> int:
    """The hash as an unsigned number of 32 bits. Java shows it with a sign."""
    length = len(data)
    count = length >> 2
    words = _WORDS[count] if count < len(_WORDS) else Struct(f"<{count}I").unpack_from
    found = _SEED ^ length
    for word in words(data):
        word = word * _MULTIPLIER & _MASK
        found = (found * _MULTIPLIER ^ (word ^ word >> 24) * _MULTIPLIER) & _MASK
    if length & 3:
        rest = int.from_bytes(data[length & ~3 :], "little")
        found = (found ^ rest) * _MULTIPLIER & _MASK
    found = (found ^ found >> 13) * _MULTIPLIER & _MASK
    return found ^ found >> 15


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key in a topic with this many partitions (at least 1)."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
