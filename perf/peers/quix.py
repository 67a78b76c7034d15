"""The common task on Quix Streams: stateful ``apply`` in RocksDB with its changelog."""

from __future__ import annotations

import sys
from typing import Any

from quixstreams import Application, State

BOOTSTRAP, APP_ID, INPUT, OUTPUT, EVENTS, DIRECTORY = sys.argv[1:7]
THRESHOLDS = (5_000_000, 8_000_000, 10_000_000)
LAST = int(EVENTS)

app = Application(
    broker_address=BOOTSTRAP,
    consumer_group=APP_ID,
    auto_offset_reset="earliest",
    state_dir=DIRECTORY,
    # Its default guarantee (at least once) and commit interval (5 s); larger fetches.
    consumer_extra_config={"fetch.min.bytes": 100_000, "queued.max.messages.kbytes": 65_536},
    producer_extra_config={"linger.ms": 50, "batch.size": 900_000},
    loglevel="WARNING",
)
usage_topic = app.topic(INPUT, key_deserializer="bytes", value_deserializer="json")
reminders_topic = app.topic(OUTPUT, key_serializer="bytes", value_serializer="json")
seen = 0


def count(usage: dict[str, Any], state: State) -> list[dict[str, Any]]:
    global seen
    if not seen:
        print("first", flush=True)
    before = state.get("used", 0)
    after = before + usage["total_bytes"]
    state.set("used", after)
    seen += 1
    if seen == LAST:
        app.stop()  # commits
    return [
        {"subscriber": usage["subscriber"], "threshold": threshold, "used_bytes": after}
        for threshold in THRESHOLDS
        if before < threshold <= after
    ]


frame = app.dataframe(usage_topic).apply(count, stateful=True, expand=True)
frame.to_topic(reminders_topic)

if __name__ == "__main__":
    app.run()
