"""The partition of a key is the one that Kafka's Java client chooses."""

from __future__ import annotations

import random

import pytest
from aiokafka.partitioner import murmur2 as of_aiokafka
from kafka.partitioner import murmur2 as of_kafka_python

from streamproc.partitioner import murmur2, partition_of

OF_JAVA = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}
"""From UtilsTest.java of Apache Kafka."""


@pytest.mark.parametrize("key", OF_JAVA, ids=bytes.decode)
def test_the_hash_is_that_of_the_java_client(key: bytes) -> None:
    assert murmur2(key) == OF_JAVA[key] & 0xFFFFFFFF


def test_the_hash_is_that_of_the_libraries_at_any_length() -> None:
    chance = random.Random(7)
    for length in [*range(300), 1_000, 4_099]:
        key = chance.randbytes(length)
        assert murmur2(key) == of_kafka_python(key) & 0xFFFFFFFF == of_aiokafka(key) & 0xFFFFFFFF


def test_a_hash_with_its_highest_bit_set_loses_its_sign_as_in_java() -> None:
    assert murmur2(b"21") >> 31
    assert partition_of(b"21", 7) == (OF_JAVA[b"21"] & 0x7FFFFFFF) % 7
