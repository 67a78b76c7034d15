"""How far a worker's group has come, by the offsets it committed; how far topics reach."""

from __future__ import annotations

from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from tests.support.cluster import PARTITIONS, Names


async def committed_records(bootstrap: str, names: Names) -> int:
    """Records of the input topic that the group has committed, over all partitions."""
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        return await committed_of(admin, names)
    finally:
        await admin.close()


async def committed_of(admin: Any, names: Names) -> int:
    """The same with an admin client that is started already."""
    try:
        found = await admin.list_consumer_group_offsets(names.app_id)
    except GroupCoordinatorNotAvailableError:
        return 0
    return sum(max(one.offset, 0) for tp, one in found.items() if tp.topic == names.events)


async def end_of(bootstrap: str, topic: str) -> int:
    """The end offsets of a topic's partitions together."""
    consumer: Any = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None)
    await consumer.start()
    try:
        tps = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        return sum((await consumer.end_offsets(tps)).values())
    finally:
        await consumer.stop()
