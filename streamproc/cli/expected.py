"""Lines of libraries about what is expected: shown with ``--log-level debug`` only."""

from __future__ import annotations

import logging

EXPECTED: dict[str, tuple[str, ...]] = {
    # Every rebalance begins with it: a heartbeat is how a member learns of one.
    "aiokafka.consumer.group_coordinator": (
        "Heartbeat failed for group %s because it is rebalancing",
        "Heartbeat failed for group %s: generation id is not  current.",
    ),
    "kafka.coordinator.heartbeat": (
        "Heartbeat failed for group %s: generation id is not  current.",
    ),
    # Its event loop is ours while records are handled: nobody else waits for it.
    "kafka.net.selector": (
        "Task ",
        "Wakeup socket returned empty",
        "Error reading wakeup socket",
        "Selector got WRITE event without writer",
        "Selector got READ event without reader",
    ),
}
"""By logger: how the wording begins, before its arguments are put in."""


class Expected(logging.Filter):
    """Makes these lines lines of level debug, and holds them back above it."""

    def __init__(self, level: str) -> None:
        super().__init__()
        self._is_debug = level == "DEBUG"

    def filter(self, record: logging.LogRecord) -> bool:
        if not str(record.msg).startswith(EXPECTED.get(record.name, ())):
            return True
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
        return self._is_debug
