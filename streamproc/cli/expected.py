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


CLOSED: tuple[tuple[str, str, str, str], ...] = (
    # A client is closed while its event loop still has a look at a connection of it.
    ("kafka.net.selector", "Unhandled exception in task", "ValueError", "Invalid file descriptor"),
    ("kafka.cluster", "Metadata refresh: failed", "Cancelled", ""),
)
"""The same for lines with an error: logger, wording, and the error's class and text."""


class Expected(logging.Filter):
    """Makes these lines lines of level debug, and holds them back above it."""

    def __init__(self, level: str) -> None:
        super().__init__()
        self._is_debug = level == "DEBUG"

    def filter(self, record: logging.LogRecord) -> bool:
        text = str(record.msg)
        if not text.startswith(EXPECTED.get(record.name, ())) and not _is_of_closing(record, text):
            return True
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
        return self._is_debug


def _is_of_closing(record: logging.LogRecord, text: str) -> bool:
    """Whether a line only says that a client was closed in the middle of something."""
    error = record.exc_info[1] if record.exc_info else None
    if error is None and isinstance(record.args, tuple):
        error = next((one for one in record.args if isinstance(one, BaseException)), None)
    return error is not None and any(
        record.name == name
        and text.startswith(begins)
        and type(error).__name__ == kind
        and str(error).startswith(says)
        for name, begins, kind, says in CLOSED
    )
