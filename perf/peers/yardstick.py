"""The yardstick of ``perf.guard``: consume and decode with aiokafka and msgspec, nothing else.

It gives no reminders, so its output topic stays empty.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from aiokafka import AIOKafkaConsumer

from perf.bare.counter import decode

BOOTSTRAP, APP_ID, INPUT, _OUTPUT, EVENTS, _DIRECTORY = sys.argv[1:7]


async def run() -> None:
    consumer: Any = AIOKafkaConsumer(
        INPUT,
        bootstrap_servers=BOOTSTRAP,
        group_id=APP_ID,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_partition_fetch_bytes=4_000_000,
    )
    await consumer.start()
    seen = total_bytes = 0
    try:
        while seen < int(EVENTS):
            for records in (await consumer.getmany(timeout_ms=200, max_records=20_000)).values():
                if not seen:
                    print("first", flush=True)
                for record in records:
                    total_bytes += decode(record.value).total_bytes
                seen += len(records)
        await consumer.commit()
        await asyncio.sleep(0.5)  # until the last look at this process
    finally:
        await consumer.stop()


if __name__ == "__main__":
    asyncio.run(run())
