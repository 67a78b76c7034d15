"""Names and attributes of spans, by the messaging conventions of OpenTelemetry (1.27 and later).

No attribute says anything of a subscriber: no number, no text, no key of a record.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Literal

Operation = Literal["poll", "process", "send", "commit", "settle"]

_TYPES: Final[dict[Operation, str]] = {
    "poll": "receive",
    "process": "process",
    "send": "send",
    "commit": "settle",
    "settle": "settle",
}
COUNT: Final = "messaging.batch.message_count"
ERROR: Final = "error.type"
GROUP: Final = "messaging.consumer.group.name"
OFFSET: Final = "messaging.kafka.offset"
STATUS: Final = "streamproc.receipt.status"
PARTS: Final = "streamproc.sms.parts"
ATTEMPT: Final = "streamproc.attempt"
MESSAGE_ID: Final = "messaging.message.id"
SYSTEM: Final = "messaging.system"


@lru_cache(4096)
def of_topic(operation: Operation, topic: str, partition: int) -> Mapping[str, str | int]:
    """What a span says of the records that it works on."""
    return {
        SYSTEM: "kafka",
        "messaging.operation.name": operation,
        "messaging.operation.type": _TYPES[operation],
        "messaging.destination.name": topic,
        "messaging.destination.partition.id": str(partition),
    }


def of_gateway(kind: str, gateway: str) -> Mapping[str, str | int]:
    """What the span of a submit says."""
    return {
        SYSTEM: kind,
        "messaging.operation.name": "send",
        "messaging.operation.type": _TYPES["send"],
        "messaging.destination.name": gateway,
    }
