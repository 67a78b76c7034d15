"""The common task on stock Faust: one agent, one table, one output topic.

``tuned`` as a last argument adds what Faust's documentation offers without changing the program:
lingering producer, larger buffers and batches, its Cython stream loop.
"""

from __future__ import annotations

import sys
from typing import Any

import faust

BOOTSTRAP, APP_ID, INPUT, OUTPUT, EVENTS, DIRECTORY = sys.argv[1:7]
TUNED: dict[str, Any] = {
    "producer_linger": 0.05,
    "producer_max_batch_size": 900_000,
    "stream_buffer_maxsize": 16_384,
    "broker_max_poll_records": 5_000,
    "consumer_max_fetch_size": 4_000_000,
    "cython_optimizations": True,
}
THRESHOLDS = (5_000_000, 8_000_000, 10_000_000)


# Faust has no types that mypy could read: the two classes are told to have an unknown base.
class Usage(faust.Record, serializer="json"):  # type: ignore[call-arg]
    id: str
    source: str
    subscriber: str
    time: str
    total_bytes: int


class Reminder(faust.Record, serializer="json"):  # type: ignore[call-arg]
    subscriber: str
    threshold: int
    used_bytes: int


app = faust.App(
    APP_ID,
    broker=f"kafka://{BOOTSTRAP}",
    store="memory://",
    datadir=DIRECTORY,
    web_enabled=False,
    topic_partitions=4,
    topic_replication_factor=1,
    table_standby_replicas=0,
    consumer_auto_offset_reset="earliest",
    **(TUNED if sys.argv[7:] == ["tuned"] else {}),
)
usage_topic = app.topic(INPUT, key_type=str, value_type=Usage)
reminders_topic = app.topic(OUTPUT, key_type=str, value_type=Reminder)
used = app.Table("used", key_type=str, value_type=int, default=int, partitions=4)
seen = 0


@app.agent(usage_topic)
async def count(stream: Any) -> None:
    global seen
    async for usage in stream:
        if not seen:
            print("first", file=sys.__stdout__, flush=True)
        before = used[usage.subscriber]
        after = before + usage.total_bytes
        used[usage.subscriber] = after
        for threshold in THRESHOLDS:
            if before < threshold <= after:
                await reminders_topic.send(
                    key=usage.subscriber, value=Reminder(usage.subscriber, threshold, after)
                )
        seen += 1


@app.timer(0.1)
async def commit_at_end() -> None:
    if seen >= int(EVENTS):
        await app.consumer.commit()


if __name__ == "__main__":
    # Not quiet: at other levels Faust's spinner formats every debug message.
    faust.Worker(app, loglevel="info").execute_from_commandline()
